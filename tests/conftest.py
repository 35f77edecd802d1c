"""Fixtures every test may use: dtype, isa, rng; comparisons; oracles of the library.

`isa` runs a test with every variant this CPU has and puts the old one back.
"""

import gc
import os
import signal

# NumPy's threads would wait for work on the CPU of the other process of tests
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
import reference as ref
from running import use_real_threads

import regnet_c as rn
from regnet_c._core import binding

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Without the garbage collector, which otherwise walks through every test and module
    again and again, now and during the tests: a third of the time of collecting."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def assert_close(got, want, dtype=None, scale=None):
    """|got - want| <= tolerance * scale, where scale is the size of the summed terms.

    Without a scale it is |want|, down to the smallest normal number.  What is infinite
    or NaN must be so on both sides.
    """
    got, want = np.asarray(got), np.asarray(want, dtype=np.float64)
    dtype = np.dtype(dtype or got.dtype)
    assert got.shape == want.shape
    limits = np.finfo(dtype)
    want = np.where(np.abs(want) > float(limits.max), np.copysign(np.inf, want), want)
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    size = np.broadcast_to(np.abs(want) if scale is None else scale, want.shape)
    allowed = TOLERANCE[dtype.name] * size[finite] + float(limits.tiny)
    error = np.abs(got[finite].astype(np.float64) - want[finite])
    worst = np.argmax(error / allowed) if error.size else 0
    assert np.all(error <= allowed), (
        f"{got[finite].flat[worst]} is not {want[finite].flat[worst]}: error "
        f"{error.flat[worst]:.3g}, allowed {allowed.flat[worst]:.3g}"
    )


def awkward_sizes(dtype):
    """0, 1 and the neighbours of one and two vectors of the variant in use."""
    w = binding.lanes(np.dtype(dtype) == np.float32)
    return sorted({0, 1, w - 1, w, w + 1, 2 * w - 1, 2 * w, 2 * w + 1, 4 * w + 3})


def prime_pattern(*shape, dtype, period=23):
    """Small integers of prime period: sums are exact, swapped blocks are noticed."""
    flat = np.arange(np.prod(shape, dtype=int)) % period - period // 2
    return flat.reshape(shape).astype(dtype)


OPTIMIZERS = list(binding.optimizer_traits())  # those of the core, all in the oracle
CREDIT_DECAY = 1 - 1e-4  # the library's; see the measurements in the documentation


def oracle_penalty(penalty):
    if penalty is None:
        return ref.Penalty()
    return ref.Penalty(**penalty.fields())


def of_epochs(value, steps_per_epoch):
    """A number, or a function of the step: what a schedule has when its epoch begins."""
    if isinstance(value, float):
        return value
    return lambda t: value(
        [t // steps_per_epoch * steps_per_epoch], steps_per_epoch
    ).item()


def oracle_network(net, steps_per_epoch=1):
    """The oracle's network with the same layers and loss."""
    layers = [
        ref.Dropout(of_epochs(layer.rate, steps_per_epoch))
        if isinstance(layer, rn.Dropout)
        else ref.Dense(
            layer.activation,
            layer.activation_param or 0.0,
            oracle_penalty(layer.weight_penalty),
            oracle_penalty(layer.bias_penalty),
            layer.max_norm,
            layer.learning_rate_factor,
            layer.bias_learning_rate_factor,
        )
        for layer in net.layers
    ]
    kind = ref.Network if net.members == 1 else ref.Members
    param = net.loss.param or net.loss.label_smoothing
    return kind(layers, net.loss.name, param)


def oracle_optimizer(optimizer, steps_per_epoch=1):
    """The oracle's optimiser with the same constants and schedule."""

    def rate(step):
        return float(optimizer.learning_rates(step, 1, steps_per_epoch)[0])

    return ref.Optimizer(
        OPTIMIZERS[optimizer.kind],
        rate,
        credit_decay=CREDIT_DECAY,
        clip_norm=optimizer.clip_norm,
        **optimizer.constants()
        | {"weight_decay": of_epochs(optimizer.weight_decay, steps_per_epoch)},
    )


def weights64(net):
    return [w.astype(np.float64) for w in net.get_weights()]


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard():
    """A shell lets what it runs in the background ignore SIGINT, and so its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk():
    """Thousands of small saves: what is asked of fsync is tested, what it does is not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=binding.available_isas())
def isa(request):
    before = binding.current_isa()
    binding.set_isa(request.param)
    yield request.param
    binding.set_isa(before)


@pytest.fixture
def every_isa():
    """A function: a loop over what it returns runs with every variant this CPU has.

    In place of `isa` where the oracle takes longer than what it checks.
    """
    before = binding.current_isa()

    def variants():
        for name in binding.available_isas():
            binding.set_isa(name)
            yield name

    yield variants
    binding.set_isa(before)


@pytest.fixture
def each_fused_isa():
    """A function that calls its argument under every variant with fused multiply-add.

    It returns {variant: result}; those results must agree in every bit.
    """
    before = binding.current_isa()

    def run(call):
        results = {}
        for name in binding.available_isas():
            binding.set_isa(name)
            if binding.is_fused():
                results[name] = call()
        return results

    yield run
    binding.set_isa(before)


@pytest.fixture
def rng():
    return np.random.default_rng(20090806)


@pytest.fixture
def real_threads(monkeypatch):
    use_real_threads(monkeypatch.setattr)
