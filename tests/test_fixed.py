"""What describes a network or its training is fixed: it acts as it is shown."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import regnet_c as rn
from regnet_c import schedules
from regnet_c._core.fixed import Fixed

OBJECTS = [
    rn.L1(0.1, rule="proximal"),
    rn.L2(0.1),
    rn.ElasticNet(0.1, 0.2, rule="subgradient", sign_at_zero=1),
    rn.GroupLasso(0.1, "inputs", rule="proximal"),
    rn.SparseGroupLasso(0.1, 0.2, "units", l2=0.3, rule="proximal"),
    rn.GroupLasso(0.1, [[0, 2], [1]], rule="proximal"),
    rn.NonNegative(rn.L1(0.1)),
    rn.Dense(3, 2, "elu", rn.L1(0.1), rn.L2(0.1), "he_normal", True, 2.0, 0.5),
    rn.Dense(3, 2, "relu", bias_init="kinks"),
    rn.Dropout(0.25),
    rn.Dropout(schedules.CosineDecay(0.5, 5)),
    rn.Loss("quantile", 0.9),
    rn.Loss("binary_cross_entropy", label_smoothing=0.1),
    rn.SGD(0.1, momentum=0.9, nesterov=True),
    rn.Adagrad(0.1, epsilon=1e-6),
    rn.RMSprop(schedules.CosineDecay(0.1, 5), rho=0.8),
    rn.Adam(0.1, beta1=0.8),
    rn.AdamW(0.1, weight_decay=0.3),
    rn.AdamW(0.1, weight_decay=schedules.CosineDecay(0.5, 5)),
    rn.FTRL(0.1, beta=0.5, clip_norm=2.0),
    schedules.Constant(0.1, warmup_epochs=2),
    schedules.ExponentialDecay(0.1, 0.9),
    schedules.StepDecay(0.1, 0.5, 3),
    schedules.LinearDecay(0.1, 5, final=0.1),
    schedules.CosineDecay(0.1, 5),
    schedules.FlatCosine(0.1, 5, final=0.1),
    schedules.CosineCycles(0.1, 5, cycles=3),
    rn.EarlyStopping("loss", patience=2, min_delta=0.1, mode="min"),
    rn.Checkpoint("a.safetensors", every=3),
    rn.Prune(0.5, 1, 7),
]
each = pytest.mark.parametrize("thing", OBJECTS, ids=lambda t: type(t).__name__)


def arguments(thing):
    return list(inspect.signature(type(thing)).parameters)


def is_settable(thing, name):
    return isinstance(thing, rn.Optimizer) and name == "learning_rate"


def test_every_public_class_is_here():
    public = [getattr(rn, name) for name in rn.__all__] + list(vars(schedules).values())
    fixed = {c for c in public if isinstance(c, type) and issubclass(c, Fixed)}
    bases = {rn.Penalty, rn.Optimizer, schedules.Schedule, schedules._Until, Fixed}
    assert fixed - bases == {type(thing) for thing in OBJECTS}


@each
def test_arguments_are_attributes_and_keys(thing):
    names = arguments(thing)
    config = thing.get_config()
    assert [name for name in config if name != "type"] == names
    for name in names:
        value = getattr(thing, name)
        want = value.get_config() if isinstance(value, Fixed) else value
        if isinstance(value, tuple):
            want = [list(group) for group in value]
        assert config[name] == want


@each
def test_attributes_are_set_once(thing):
    before = repr(thing)
    for name in arguments(thing):
        if is_settable(thing, name):
            continue
        wanted = rf"{name} cannot be changed after .*replace\({name}=\.\.\.\)"
        with pytest.raises(AttributeError, match=wanted):
            setattr(thing, name, getattr(thing, name))
        with pytest.raises(AttributeError, match="cannot be changed"):
            delattr(thing, name)
    if not isinstance(thing, rn.Callback):  # which may keep what it likes
        with pytest.raises(AttributeError, match="has no argument 'strenght', only"):
            thing.strenght = 1.0
    assert repr(thing) == before


@each
def test_copies_are_the_same_and_as_fixed(thing):
    for twin in (
        copy.copy(thing),
        copy.deepcopy(thing),
        pickle.loads(pickle.dumps(thing)),
        thing.replace(),
    ):
        assert twin is not thing and repr(twin) == repr(thing)
        assert twin.get_config() == thing.get_config()
        name = arguments(thing)[-1]
        with pytest.raises(AttributeError, match="cannot be changed"):
            setattr(twin, name, getattr(twin, name))


@each
def test_repr_makes_the_same_object(thing):
    names = {c.__name__: c for c in (*map(type, OBJECTS), schedules.CosineDecay)}
    assert eval(repr(thing), names).get_config() == thing.get_config()


def test_replace_changes_a_copy_alone():
    one = rn.L1(0.1, rule="proximal")
    assert one.replace(l1=0.2) == rn.L1(0.2, rule="proximal") and one.l1 == 0.1
    with pytest.raises(ValueError, match="l1 is -1"):
        one.replace(l1=-1)
    with pytest.raises(TypeError, match="got 'l2', L1 has l1, rule, sign_at_zero"):
        one.replace(l2=1)
    elu = rn.Dense(2, 3, "elu", activation_param=0.5)
    assert elu.replace(activation="relu") == rn.Dense(2, 3, "relu")
    assert elu.replace(n_out=4) == rn.Dense(2, 4, "elu", activation_param=0.5)


def test_equal_values_are_equal_and_hash_alike():
    assert rn.L1(0.1) == rn.L1(0.1) != rn.L1(0.1, rule="proximal")
    assert hash(rn.NonNegative(rn.L1(0.1))) == hash(rn.NonNegative(rn.L1(0.1)))
    assert len({rn.Loss("mse"), rn.Loss("mse"), rn.Loss("mae")}) == 2
    assert rn.Adam() != rn.Adam()  # each has a state of training of its own


def test_a_subclass_may_have_attributes_of_its_own():
    class Wavy(schedules.Schedule):
        def __init__(self, initial, period):
            super().__init__(initial)
            self.period = period

        def factor(self, epochs):
            return 1 + np.sin(epochs / self.period) / 2

    class Counting(rn.EarlyStopping):
        def on_epoch_end(self, epoch, logs):
            self.seen = epoch
            return super().on_epoch_end(epoch, logs)

    wavy, counting = Wavy(0.1, 3.0), Counting("loss")
    assert repr(wavy) == "Wavy(0.1, 3.0)"
    with pytest.raises(AttributeError, match="Wavy.period cannot be changed"):
        wavy.period = 4.0
    x = np.eye(3)
    rn.Network([rn.Dense(3, 1)]).fit(
        x, x[:, :1], 4, optimizer=rn.SGD(wavy), callbacks=[counting]
    )
    assert counting.seen == 3


# ---- the learning rate may change, and then acts --------------------------------------


@pytest.mark.parametrize("rate", [-1.0, 0, float("nan"), "fast", None])
def test_a_learning_rate_is_checked_whenever_it_is_set(rate):
    optimizer = rn.Adam(0.1)
    with pytest.raises((TypeError, ValueError), match="learning_rate is"):
        optimizer.learning_rate = rate
    assert optimizer.learning_rate == 0.1


def test_a_changed_learning_rate_acts_at_the_next_step():
    x = np.eye(3)
    optimizer = rn.SGD(0.5)
    net = rn.Network([rn.Dense(3, 1)], dtype="float64")
    for rate in (0.5, 0.125, schedules.Constant(2.0)):
        optimizer.learning_rate = rate
        before = net.get_weights()
        _, gradients = net.loss_and_gradients(x, x[:, :1])
        net.train_step(x, x[:, :1], optimizer)
        rate = 2.0 if isinstance(rate, schedules.Schedule) else rate
        for w, g, new in zip(before, gradients, net.get_weights(), strict=True):
            np.testing.assert_allclose(new, w - rate * g, rtol=1e-12, atol=1e-15)


def test_a_callback_may_lower_the_learning_rate():
    class Halve:
        def on_epoch_end(self, epoch, logs):
            optimizer.learning_rate /= 2

    optimizer, x = rn.Adam(0.5), np.eye(3)
    history = rn.Network([rn.Dense(3, 1)]).fit(
        x, x[:, :1], 4, optimizer=optimizer, callbacks=[Halve()]
    )
    assert history["learning_rate"] == [0.5, 0.25, 0.125, 0.0625]


def test_a_layer_keeps_no_rate_factor_of_1():
    """Of the thousands that a file may have each would take thrice the memory."""
    names = {"learning_rate_factor", "bias_learning_rate_factor"}
    assert not names & vars(rn.Dense(2, 1)).keys()
    own = rn.Dense(2, 1, learning_rate_factor=0.5, bias_learning_rate_factor=0.5)
    assert names <= vars(own).keys()
