"""The public API: dtypes, shapes, errors, files, callbacks, odd but legal input."""

import math
import threading
import tracemalloc

import numpy as np
import pytest

import regnet_c as rn


def classifier(dtype="float32", **options):
    layers = [rn.Dense(6, 9, activation="tanh"), rn.Dropout(0.2), rn.Dense(9, 3)]
    return rn.Network(layers, loss="softmax_cross_entropy", dtype=dtype, **options)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(90, 6))
    return x, np.argmax(x[:, :3], axis=1)


def test_predictions_have_the_networks_dtype_and_are_probabilities(data, dtype):
    out = classifier(dtype.name).predict(data[0])
    assert out.dtype == dtype and out.shape == (90, 3)
    np.testing.assert_allclose(out.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "low", "high"), [("binary_cross_entropy", 0, 1), ("poisson", 0, np.inf)]
)
def test_predictions_are_in_the_range_of_the_loss(data, loss, low, high):
    net = rn.Network([rn.Dense(6, 2)], loss=loss)
    out = net.predict(10 * data[0])
    assert (out > low).all() and (out <= high).all()


def test_one_row_has_the_bits_of_the_same_row_in_a_batch(data, dtype, isa):
    net = classifier(dtype.name)
    whole = net.predict(data[0])
    for size in (1, 2, 5, 17, 40):
        np.testing.assert_array_equal(net.predict(data[0][:size]), whole[:size])


def test_prediction_equals_the_kernels_bit_for_bit(data, dtype):
    x = data[0].astype(dtype)
    net = classifier(dtype.name)
    w0, b0, w1, b1 = net.get_weights()
    k = rn.kernels
    a, _ = k.activation_forward("tanh", k.dense_forward(x, w0, b0))
    np.testing.assert_array_equal(
        net.predict(x), k.softmax_forward(k.dense_forward(a, w1, b1))
    )


def test_evaluate_is_loss_plus_penalty(data):
    net = rn.Network(
        [rn.Dense(6, 3, weight_penalty=rn.ElasticNet(0.1, 0.2), bias_penalty=rn.L2(1))],
        loss="softmax_cross_entropy",
        dtype="float64",
    )
    w, b = net.get_weights()
    b += 0.5
    net.set_weights([w, b])
    scores = net.evaluate(*data)
    penalty = 0.1 * np.abs(w).sum() + 0.2 * (w**2).sum() + (b**2).sum()
    assert scores["penalty"] == pytest.approx(penalty, rel=1e-12)
    p = net.predict(data[0])
    loss = -np.log(p[np.arange(90), data[1]]).mean()
    assert scores["loss"] == pytest.approx(loss, rel=1e-12)
    assert scores["objective"] == pytest.approx(loss + penalty, rel=1e-12)
    assert scores["accuracy"] == (p.argmax(axis=1) == data[1]).mean()


def test_labels_and_one_hot_targets_train_alike(data):
    nets = [classifier(), classifier()]
    nets[0].fit(*data, epochs=3, optimizer=rn.SGD(0.1))
    nets[1].fit(data[0], np.eye(3)[data[1]], epochs=3, optimizer=rn.SGD(0.1))
    for a, b in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_smoothed_targets_train_like_the_array_of_them(name, data, dtype, isa):
    """Labels, one-hot rows and the smoothed array have the same bits, weighted too."""
    x, labels = data
    one_hot, one = np.eye(3, dtype=dtype)[labels], dtype.type(1)
    classes = 3 if name == "softmax_cross_entropy" else 2
    keep, share = one - dtype.type(0.1), dtype.type(0.1 / classes)
    array = np.where(one_hot, keep + share, share)
    forms = [(rn.Loss(name), array), (rn.Loss(name, label_smoothing=0.1), one_hot)]
    if classes == 3:
        forms.append((forms[1][0], labels))
    found = []
    for loss, y in forms:
        net = rn.Network([rn.Dense(6, 40, "relu"), rn.Dense(40, 3)], loss, dtype, 1)
        history = net.fit(x, y, 3, 32, rn.Adam(0.01), np.arange(90) % 4)
        found.append([history["loss"], *(w.tobytes() for w in net.get_weights())])
    assert all(form == found[0] for form in found)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_labels_are_smoothed_in_training_alone(name, data):
    """evaluate and validation have the plain loss, the history of training the other."""
    x, y = data[0], np.eye(3)[data[1]]
    nets = [
        rn.Network([rn.Dense(6, 3)], rn.Loss(name, label_smoothing=a), "float64")
        for a in (0.0, 0.4)
    ]
    for net in nets:
        net.set_weights([9 * np.eye(6, 3), np.zeros(3)])
    assert nets[0].evaluate(x, y) == nets[1].evaluate(x, y)
    histories = [
        net.fit(x, y, 1, 90, rn.SGD(1e-300), validation_data=(x, y)) for net in nets
    ]
    assert histories[0]["val_loss"] == histories[1]["val_loss"]
    smoothed = nets[1].loss.smoothed(y)
    want = nets[0].loss_and_gradients(x, smoothed)[0]
    assert histories[1]["loss"] == pytest.approx([want], rel=1e-14)
    assert abs(want - histories[0]["loss"][0]) > 0.1


def test_smoothing_labels_makes_no_array_of_targets():
    n, classes = 20_000, 500
    x, y = np.zeros((n, 1), np.float32), np.arange(n) % classes
    loss = rn.Loss("softmax_cross_entropy", label_smoothing=0.1)
    net = rn.Network([rn.Dense(1, classes)], loss)
    tracemalloc.start()
    net.fit(x, y, 1, 100, shuffle=False, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * classes * 4 / 20


def test_repeating_a_row_is_weighting_it(data):
    x, y = data
    times = np.arange(90) % 3
    nets = [rn.Network([rn.Dense(6, 3)], "softmax_cross_entropy", "float64")] * 1
    nets.append(rn.Network([rn.Dense(6, 3)], "softmax_cross_entropy", "float64"))
    nets[0].fit(x, y, 5, 90, rn.SGD(0.1), sample_weight=times, shuffle=False)
    nets[1].fit(
        x.repeat(times, axis=0), y.repeat(times), 5, 90, rn.SGD(0.1), shuffle=False
    )
    for a, b in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def odd_forms(x):
    """The same numbers in other clothes."""
    wide = np.zeros((len(x), 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    unaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    readonly = x.copy()
    readonly.flags.writeable = False
    return {
        "fortran": np.asfortranarray(x),
        "reversed": x[::-1].copy()[::-1],
        "every other column": wide[:, ::2],
        "unaligned": unaligned,
        "byte-swapped": x.astype(x.dtype.newbyteorder()),
        "read-only": readonly,
        "list": x.tolist(),
        "objects": x.astype(object),
    }


@pytest.mark.parametrize("form", sorted(odd_forms(np.zeros((2, 2)))))
def test_the_form_of_x_does_not_matter(data, form):
    x, y = data
    net, other = classifier("float64"), classifier("float64")
    net.fit(x, y, epochs=2)
    other.fit(odd_forms(x)[form], y, epochs=2)
    for a, b in zip(net.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "?"])
def test_small_dtypes_train_like_their_float_copy(rng, kind):
    x = rng.integers(0, 2, (64, 6)).astype(kind)
    y = np.arange(64) % 3
    net, other = classifier(), classifier()
    net.fit(x, y, epochs=2)
    other.fit(x.astype(np.float32), y, epochs=2)
    np.testing.assert_array_equal(net.get_weights()[0], other.get_weights()[0])
    np.testing.assert_array_equal(net.predict(x), other.predict(x.astype("f4")))


def test_fit_does_not_touch_its_data(data):
    x, y = data[0].copy(), data[1].copy()
    classifier().fit(x, y, epochs=1)
    np.testing.assert_array_equal(x, data[0])
    np.testing.assert_array_equal(y, data[1])


NAN = np.full((4, 6), np.nan)
INFINITE = np.where(np.eye(4, 6), np.inf, 0)
GOOD = np.zeros((4, 6))
BAD_CALLS = [
    (GOOD[:, :5], [0, 1, 2, 0], ValueError, "X has 5 columns, the network expects 6"),
    (GOOD[0], [0], ValueError, "1 dimension"),
    (GOOD[:0], [], ValueError, "no rows"),
    (NAN, [0, 1, 2, 0], ValueError, "X has nan in row 0, column 0"),
    (INFINITE, [0, 1, 2, 0], ValueError, "X has"),
    (GOOD + 1e300, [0, 1, 2, 0], ValueError, "too large for float32"),
    (GOOD.astype(complex), [0, 1, 2, 0], TypeError, "complex128"),
    (GOOD.astype("datetime64[s]"), [0, 1, 2, 0], TypeError, "datetime64"),
    ([[1, 2], [3]], [0, 1], ValueError, "rectangular"),
    (np.array([["a"] * 6] * 4), [0, 1, 2, 0], TypeError, "real numbers"),
    (np.array([[None] * 6] * 4), [0, 1, 2, 0], TypeError, "NoneType"),
    (None, [0], TypeError, "X is None"),
    (np.ma.masked_equal(GOOD, 0), [0, 1, 2, 0], ValueError, "masked"),
    (GOOD, [0, 1, 2], ValueError, "y has 3 rows, X has 4"),
    (GOOD, [0, 1, 2, 3], ValueError, "labels go from 0 to 3, expected 0 to 2"),
    (GOOD, [0, 1, -1, 0], ValueError, "labels go from -1"),
    (GOOD, [0, 1.5, 2, 0], ValueError, "label 1.5 in row 1"),
    (GOOD, [0, np.nan, 2, 0], ValueError, "label nan in row 1"),
    (GOOD, np.zeros((4, 2)), ValueError, r"expected \(4, 3\)"),
    (GOOD, np.full((4, 3), 2.0), ValueError, "softmax_cross_entropy expects"),
    (GOOD, ["a", "b", "c", "a"], TypeError, "real numbers"),
]


@pytest.mark.parametrize(("x", "y", "error", "message"), BAD_CALLS)
def test_bad_data_are_refused_and_nothing_changes(x, y, error, message):
    net = classifier()
    before = net.get_weights()
    with pytest.raises(error, match=message):
        net.fit(x, y)
    for a, b in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "epochs is -1"),
        ({"epochs": 1.5}, TypeError, "expected an integer"),
        ({"batch_size": 0}, ValueError, "batch_size is 0, expected at least 1"),
        ({"threads": 0}, ValueError, "threads"),
        ({"optimizer": "adamm"}, ValueError, "did you mean 'adam'"),
        ({"optimizer": 3}, TypeError, "optimizer"),
        ({"sample_weight": [1, 2]}, ValueError, "expected"),
        ({"sample_weight": np.zeros(90)}, ValueError, "zero everywhere"),
        ({"sample_weight": -np.ones(90)}, ValueError, "negative"),
        ({"sample_weight": np.full(90, np.nan)}, ValueError, "NaN"),
        ({"validation_data": 3}, TypeError, "validation_data"),
        ({"callbacks": rn.EarlyStopping()}, TypeError, "expected a list"),
        ({"callbacks": [3]}, TypeError, "on_epoch_end"),
    ],
)
def test_bad_options_are_refused(data, options, error, message):
    with pytest.raises(error, match=message):
        classifier().fit(*data, **options)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: rn.Network([]), ValueError, "empty"),
        (lambda: rn.Network([rn.Dropout(0.5)]), ValueError, "at least one Dense"),
        (lambda: rn.Network(rn.Dense(2, 1)), TypeError, "expected a list"),
        (lambda: rn.Network(["dense"]), TypeError, "expected Dense or Dropout"),
        (
            lambda: rn.Network([rn.Dense(2, 3), rn.Dense(4, 1)]),
            ValueError,
            "layer 1 expects 4 inputs, the layer before it has 3 outputs",
        ),
        (lambda: rn.Network([rn.Dense(2, 1), rn.Dropout(0.1)]), ValueError, "last"),
        (
            lambda: rn.Network([rn.Dense(2, 2, activation="softmax"), rn.Dense(2, 1)]),
            ValueError,
            "softmax",
        ),
        (lambda: rn.Network([rn.Dense(2, 1)], loss="l2"), ValueError, "squared_error"),
        (lambda: rn.Network([rn.Dense(2, 1)], dtype="f2"), ValueError, "float64"),
        (lambda: rn.Network([rn.Dense(2, 1)], seed=-1), ValueError, "seed"),
        (
            lambda: rn.Network([rn.Dense(10**9, 10**9)]),
            (ValueError, MemoryError),
            "parameters",
        ),
        (lambda: rn.Network([rn.Dense(2**40, 2**40)]), ValueError, "address"),
        (lambda: rn.Dense(0, 1), ValueError, "n_in is 0"),
        (lambda: rn.Dense(2.0, 1), TypeError, "n_in"),
        (lambda: rn.Dense(2, 1, activation="rellu"), ValueError, "mean 'relu'"),
        (lambda: rn.Dense(2, 1, weight_penalty=0.1), TypeError, "L1"),
        (lambda: rn.Dense(2, 1, max_norm=0), ValueError, "max_norm"),
        (lambda: rn.Dropout(1.0), ValueError, "rate is 1.0"),
        (lambda: rn.Dropout(-0.1), ValueError, "rate"),
        (lambda: rn.Dropout("half"), TypeError, "rate"),
        (lambda: rn.L1(-1), ValueError, "l1 is -1.0"),
        (lambda: rn.L1(float("nan")), ValueError, "l1 is nan"),
        (lambda: rn.L1(0.1, rule="prox"), ValueError, "proximal"),
        (lambda: rn.SGD(0), ValueError, "learning_rate is 0"),
        (lambda: rn.SGD(0.1, momentum=1), ValueError, "momentum"),
        (lambda: rn.SGD(0.1, nesterov=True), ValueError, "nesterov"),
        (lambda: rn.Adam(beta1=1.0), ValueError, "beta1"),
        (lambda: rn.Loss("huber", 0), ValueError, "delta"),
        (lambda: rn.L2(10**400), ValueError, "l2 is too large"),
        (lambda: rn.Network([rn.Dense(2, 1)], dtype=None), ValueError, "dtype is None"),
        (
            lambda: rn.Dense(2, 1, bias_penalty=rn.GroupLasso(0.1)),
            ValueError,
            "no groups",
        ),
        (lambda: rn.NonNegative(0.1), TypeError, "L1"),
        (lambda: rn.L1(0.1).prox(np.ones(2), -1), ValueError, "step is -1"),
        (
            lambda: rn.Network([rn.Dense(2, 1, weight_init=np.array([[np.nan], [1]]))]),
            ValueError,
            "weight_init has entries",
        ),
    ],
)
def test_impossible_descriptions_are_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_early_stopping_restores_the_best_weights(data):
    class Record(rn.Callback):
        def on_train_begin(self, network):
            self.network, self.weights = network, []

        def on_epoch_end(self, epoch, logs):
            self.weights.append(self.network.get_weights())

    record, stop = Record(), rn.EarlyStopping(patience=2)
    net = classifier()
    history = net.fit(
        data[0][:20],
        data[1][:20],
        epochs=500,
        optimizer=rn.Adam(0.05),
        validation_data=(data[0][20:], data[1][20:]),
        callbacks=[record, stop],
    )
    assert history.stopped_early and history.epochs < 500
    best = int(np.argmin(history["val_loss"]))
    assert stop.best_epoch == best and history.epochs == best + 4
    for a, b in zip(net.get_weights(), record.weights[best], strict=True):
        np.testing.assert_array_equal(a, b)


def test_early_stopping_takes_nan_for_no_improvement():
    stop = rn.EarlyStopping(patience=1, restore_best_weights=False)
    stop.on_train_begin(None)
    losses = [math.nan, 2.0, math.nan, 1.0, math.nan]
    stopped = [stop.on_epoch_end(i, {"val_loss": v}) for i, v in enumerate(losses)]
    assert not any(stopped) and stop.best == 1.0 and stop.best_epoch == 3
    assert stop.on_epoch_end(5, {"val_loss": 1.0})


def test_a_schedule_with_impossible_rates_is_refused(data):
    class Wrong(rn.schedules.Schedule):
        def factor(self, epochs):
            return -np.ones_like(epochs)

    net = classifier()
    before = net.get_weights()
    with pytest.raises(ValueError, match="schedule returned rates from -0.1"):
        net.fit(*data, optimizer=rn.SGD(Wrong(0.1)))
    for a, b in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_layers_with_initial_arrays_can_be_printed_and_compared():
    start = np.ones((2, 1))
    layer = rn.Dense(2, 1, weight_init=start)
    assert repr(layer) == "Dense(2, 1, weight_init=<array (2, 1)>)"
    assert layer == rn.Dense(2, 1, weight_init=start) != rn.Dense(2, 1)


def test_early_stopping_names_what_it_could_monitor(data):
    with pytest.raises(ValueError, match="val_loss.*validation_data"):
        classifier().fit(*data, callbacks=[rn.EarlyStopping()])


@pytest.mark.parametrize(
    "loss",
    [rn.Loss("huber", 0.5), rn.Loss("binary_cross_entropy", label_smoothing=0.1)],
    ids=repr,
)
def test_save_and_load_keep_everything(loss, tmp_path, data, dtype):
    layers = [
        rn.Dropout(0.1),
        rn.Dense(
            6,
            5,
            "elu",
            rn.ElasticNet(1e-3, 1e-4, "proximal"),
            rn.L2(0.1),
            bias_init="kinks",
        ),
        rn.Dropout(rn.schedules.StepDecay(0.5, 0.1, 3, warmup_epochs=1.5)),
        rn.Dense(
            5,
            3,
            learning_rate_factor=0.5,
            bias_learning_rate_factor=2.0,
            max_norm=2.0,
            use_bias=False,
            weight_penalty=rn.NonNegative(rn.SparseGroupLasso(0.1, 0.2, "inputs")),
        ),
    ]
    net = rn.Network(layers, loss, dtype.name, seed=7)
    net.metadata["origin"] = {"rows": 90}
    net.fit(data[0], np.eye(3)[data[1]], epochs=1)
    net.save(tmp_path / "net.safetensors")
    same = rn.Network.load(tmp_path / "net.safetensors")
    assert same.layers == net.layers and same.loss == net.loss
    assert same.metadata == net.metadata and repr(same) == repr(net)
    np.testing.assert_array_equal(same.predict(data[0]), net.predict(data[0]))
    for a, b in zip(net.get_weights(), same.get_weights(), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_groups_of_many_inputs_are_kept_by_files(tmp_path):
    """And the names of a wide table's groups take more room than other layers."""
    groups = [range(k, 4000, 7) for k in range(7)]
    layers = [
        rn.Dense(4000, 2, "relu", rn.GroupLasso(0.1, groups)),
        rn.Dense(2, 2, weight_penalty=rn.NonNegative(rn.GroupLasso(0.1, [[1], [0]]))),
    ]
    net, path = rn.Network(layers), tmp_path / "net.safetensors"
    net.save(path)
    same = rn.Network.load(path)
    assert same.layers == net.layers
    assert same.layers[0].weight_penalty.groups == tuple(map(tuple, groups))


@pytest.mark.parametrize(
    "groups", ["[[0,1],[1]]", "[[0],[1,3]]", "[[0,1]]", "[[1,0],[2]]"]
)
def test_files_with_wrong_groups_are_refused(groups, tmp_path):
    """The last is not as we write it."""
    path = tmp_path / "net.safetensors"
    rn.Network([rn.Dense(3, 1, "identity", rn.GroupLasso(0.1, [[0, 1], [2]]))]).save(
        path
    )
    content = path.read_bytes()
    wanted = b"[[0,1],[2]]"
    assert content.count(wanted) == 1
    header = content.replace(wanted, groups.encode())
    size = int.from_bytes(content[:8], "little") + len(groups) - len(wanted)
    path.write_bytes(size.to_bytes(8, "little") + header[8:])
    with pytest.raises(
        rn.ModelFileError, match="exactly one|groups of|not in canonical form"
    ):
        rn.Network.load(path)


def test_a_file_for_endless_groups_is_not_written(tmp_path):
    groups = [[k] for k in range(30_000)]
    net = rn.Network([rn.Dense(30_000, 1, weight_penalty=rn.GroupLasso(0.1, groups))])
    with pytest.raises(ValueError, match="list too many inputs"):
        net.save(tmp_path / "net.safetensors")


def test_a_broken_file_is_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    classifier().save(path)
    content = path.read_bytes()
    for size in range(0, len(content), 97):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="not a.* regnet_c model"):
            rn.Network.load(path)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "net.safetensors"
    net = classifier()
    net.save(path)
    before = path.read_bytes()
    net.metadata["bad"] = object()
    with pytest.raises(TypeError):
        net.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_set_weights_checks_shapes_and_values():
    net = classifier()
    weights = net.get_weights()
    with pytest.raises(ValueError, match="got 3 weight arrays, expected 4"):
        net.set_weights(weights[:3])
    with pytest.raises(ValueError, match=r"weights\[0\] has shape \(9, 6\)"):
        net.set_weights([weights[0].T, *weights[1:]])
    weights[0][0, 0] = np.nan
    with pytest.raises(
        ValueError, match=r"weights\[0\] has entries that are not finite"
    ):
        net.set_weights(weights)


def test_masks_of_a_schedule_belong_to_an_epoch(data):
    rate = rn.schedules.LinearDecay(0.5, 9)
    net = rn.Network([rn.Dropout(rate), rn.Dense(6, 3)], "softmax_cross_entropy")
    mask = np.ones_like(data[0])
    with pytest.raises(ValueError, match="no epoch is being trained"):
        net.loss_and_gradients(*data, dropout_masks=[mask])
    assert net.train_step(*data, rn.SGD(0.1), dropout_masks=[mask]) > 0


def test_masks_are_checked(data):
    net = classifier()
    with pytest.raises(ValueError, match="got 0 dropout masks"):
        net.loss_and_gradients(*data, dropout_masks=[])
    with pytest.raises(ValueError, match=r"expected \(90, 9\)"):
        net.loss_and_gradients(*data, dropout_masks=[np.ones((9, 90))])
    with pytest.raises(ValueError, match="other than 0 and 1"):
        net.loss_and_gradients(*data, dropout_masks=[np.full((90, 9), 0.5)])


def test_a_second_thread_cannot_train_the_same_network(data):
    net, started, go = classifier(), threading.Event(), threading.Event()

    class Wait(rn.Callback):
        def on_epoch_end(self, epoch, logs):
            started.set()
            go.wait(10)

    thread = threading.Thread(
        target=net.fit, args=data, kwargs={"epochs": 1, "callbacks": [Wait()]}
    )
    thread.start()
    started.wait(10)
    try:
        with pytest.raises(RuntimeError, match="another thread"):
            net.fit(*data)
    finally:
        go.set()
        thread.join()
    net.fit(*data, epochs=1)


def test_max_norm_and_non_negative_hold_after_training(data):
    net = rn.Network(
        [
            rn.Dense(6, 40, "relu", max_norm=0.3),
            rn.Dense(40, 3, weight_penalty=rn.NonNegative()),
        ],
        loss="softmax_cross_entropy",
    )
    net.fit(*data, epochs=5, optimizer=rn.Adam(0.05))
    w0, _, w1, _ = net.get_weights()
    norms = np.sqrt((w0.astype(float) ** 2).sum(axis=0))
    assert norms.max() <= 0.3 * (1 + 1e-6) and norms.max() > 0.29
    assert w1.min() == 0


def test_a_nan_in_hidden_units_is_never_hidden_by_relu(data):
    net = rn.Network([rn.Dense(6, 4, "relu"), rn.Dense(4, 3)], "softmax_cross_entropy")
    net._weights.params[:] = np.nan
    with pytest.raises(rn.DivergenceError):
        net.fit(*data, epochs=1)
