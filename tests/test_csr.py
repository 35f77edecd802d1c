"""Sparse rows: the bits of dense ones, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest
from running import all_pairs, bits, use_real_threads

import regnet_c as rn
from regnet_c._core import binding, csr, training
from regnet_c.schedules import Schedule

N, N_IN = 150, 90

PENALTIES = {
    "none": None,
    "cumulative": rn.L1(1e-3),
    "proximal": rn.L1(1e-3, rule="proximal"),
    "shrink_first": rn.L1(1e-3, rule="shrink_first"),
    "subgradient": rn.L1(1e-3, rule="subgradient"),
    "elastic": rn.ElasticNet(1e-3, 1e-3),
    "units": rn.GroupLasso(1e-2),
    "inputs": rn.SparseGroupLasso(1e-3, 1e-3, groups="inputs"),
    "non-negative": rn.NonNegative(rn.L1(1e-3)),
}
OPTIMIZERS = {
    "sgd": lambda: rn.SGD(0.1),
    "momentum": lambda: rn.SGD(0.05, momentum=0.9),
    "nesterov": lambda: rn.SGD(0.05, momentum=0.9, nesterov=True),
    "adagrad": lambda: rn.Adagrad(0.05),
    "rmsprop": lambda: rn.RMSprop(0.01),
    "adam": lambda: rn.Adam(0.01),
    "adamw": lambda: rn.AdamW(0.01, weight_decay=0.01),
    "ftrl": lambda: rn.FTRL(0.1),
}


def rows_of(dtype="float32", n=N, n_in=N_IN, share=0.1):
    """Dense rows with many zeros: negative ones among the values, and an empty row."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((n, n_in)) * (rng.random((n, n_in)) < share)
    x[n // 2] = 0
    if np.dtype(dtype).kind in "iu":
        x = np.abs(np.round(10 * x))
    return x.astype(dtype)


def parts_of(x, index="int32"):
    """CSR of dense rows as an object that knows nothing of SciPy."""
    rows, columns = np.nonzero(x)
    indptr = np.searchsorted(rows, np.arange(len(x) + 1)).astype(index)
    return SimpleNamespace(
        data=x[rows, columns],
        indices=columns.astype(index),
        indptr=indptr,
        shape=x.shape,
    )


def csr_of(x):
    parts = parts_of(x)
    return csr.CSR(parts.data, parts.indices, parts.indptr.astype(np.int64), x.shape)


def labels(n=N):
    return np.random.default_rng(8).integers(0, 3, n)


def network(dtype="float32", penalty=None, rate=0.0, n_in=N_IN, units=20, **options):
    first = rn.Dense(n_in, units, "relu", penalty, learning_rate_factor=0.7, **options)
    layers = [rn.Dropout(rate), first, rn.Dropout(rate), rn.Dense(units, 3)]
    if not rate:
        layers = [layers[1], layers[3]]
    return rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=3)


def trained(x, net, optimizer, **options):
    net.fit(
        x,
        labels(len(x) if isinstance(x, np.ndarray) else x.shape[0]),
        2,
        optimizer=optimizer,
        **options,
    )
    return bits(net)


# members of training.divide's result
DIVISIONS = {
    "rows": {"by_layer": False},
    "units": {"by_layer": True},
    "blocks": {"by_layer": False, "block_rows": 16},
    "pieces": {"by_layer": False, "piece_rows": 8},
}


def divide_like(members, monkeypatch):
    own = training.divide
    changed = lambda *arguments: {**own(*arguments), **members}  # noqa: E731
    use_real_threads(monkeypatch.setattr)
    monkeypatch.setattr(training, "divide", changed)


@pytest.mark.parametrize(
    (
        "optimizer",
        "penalty",
        "rate",
        "batch_size",
        "units",
        "division",
        "clip_norm",
        "dtype",
    ),
    all_pairs(
        optimizer=list(OPTIMIZERS),
        penalty=list(PENALTIES),
        rate=[0.0, 0.3],
        batch_size=[1, 7, 32, 50],
        units=[3, 16, 20, 140],
        division=list(DIVISIONS),
        clip_norm=[None, 0.1],
        dtype=["float32", "float64"],
    ),
)
def test_training_has_the_bits_of_dense_rows(
    optimizer,
    penalty,
    rate,
    batch_size,
    units,
    division,
    clip_norm,
    dtype,
    monkeypatch,
    isa,
):
    x, found = rows_of(dtype, n=50, share=0.05), []
    for rows, threads in ((x, 1), (csr_of(x), 1), (csr_of(x), 2)):
        if threads > 1:
            divide_like(DIVISIONS[division], monkeypatch)
        net = network(dtype, PENALTIES[penalty], rate, units=units)
        options = {"batch_size": batch_size, "threads": threads}
        how = OPTIMIZERS[optimizer]().replace(clip_norm=clip_norm)
        found.append(trained(rows, net, how, **options))
    assert rows.by_entry and found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("dtype", "index"),
    [
        (dtype, index)
        for dtype in ("float32", "float64", "float16", "uint8", "int64", "bool")
        for index in ("int32", "int64")
    ],
)
def test_every_type_of_data_and_index(dtype, index):
    x = rows_of("float64" if dtype != "uint8" else dtype).astype(dtype)
    rows, net = parts_of(x, index), network()
    np.testing.assert_array_equal(net.predict(rows), net.predict(x))
    assert trained(rows, network(), rn.SGD(0.1)) == trained(x, network(), rn.SGD(0.1))


@pytest.mark.parametrize(
    ("n", "units", "activation", "use_bias", "dtype", "share", "threads"),
    all_pairs(
        n=[1, 2, 9, 40, 1200],
        units=[1, 3, 16, 21, 100, 128, 140],
        activation=["identity", "relu", "tanh"],
        use_bias=[True, False],
        dtype=["float32", "float64"],
        share=[0.05, 0.5],
        threads=[1, 3],
    ),
)
def test_predictions_have_the_bits_of_dense_rows(
    n, units, activation, use_bias, dtype, share, threads, real_threads, isa
):
    x = rows_of(dtype, n, share=share)
    first = rn.Dense(N_IN, units, activation, use_bias=use_bias)
    net = rn.Network([first, rn.Dense(units, 3)], "mse", dtype=dtype, seed=3)
    rows = csr_of(x)
    assert rows.by_entry == (share < 0.1 or n == 1)  # whose only row is empty
    want = net.predict(x, threads=threads)
    np.testing.assert_array_equal(net.predict(rows, threads=threads), want)


@pytest.mark.parametrize("n", [1, 5, 70])
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_pruned_networks_and_lassonets_predict_sparse_rows(n, density, monkeypatch):
    monkeypatch.setattr(csr, "MAX_DENSITY", density)
    x, layers = rows_of(n=n), [rn.Dense(N_IN, 64, "relu"), rn.Dense(64, 3)]
    pruned, lassonet = rn.Network(layers, "mse"), rn.LassoNet(layers, 1e-2, loss="mse")
    weights = pruned.get_weights()
    weights[0][np.random.default_rng(1).random(weights[0].shape) < 0.9] = 0
    pruned.set_weights(weights)
    pruned.predict(rows_of(n=500))  # which makes the lists of its weights
    lassonet.train_step(x, np.ones((n, 3)), rn.SGD(0.1))
    for net in (pruned, lassonet):
        np.testing.assert_array_equal(net.predict(parts_of(x)), net.predict(x))


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_long_batches_sum_by_parts(share):
    x = rows_of(n=5000, n_in=40, share=share)
    found = [
        trained(rows, network(n_in=40), rn.SGD(0.5), batch_size=4500)
        for rows in (x, parts_of(x))
    ]
    assert found[0] == found[1]


def test_explicit_masks_drop_entries():
    x, y = rows_of(share=0.05), labels()
    rng, found = np.random.default_rng(1), []
    masks = [rng.integers(0, 2, (N, n)).astype("float64") for n in (N_IN, 20)]
    for rows in (x, csr_of(x)):
        net = network(rate=0.3)
        _, gradients = net.loss_and_gradients(rows, y, dropout_masks=masks)
        net.train_step(rows, y, rn.SGD(0.1), dropout_masks=masks)
        found.append([g.tobytes() for g in gradients] + [bits(net)])
    assert found[0] == found[1]


def test_other_methods_take_sparse_rows():
    x, y = rows_of(), labels()
    rows, net = parts_of(x), network(penalty=rn.L1(1e-3))
    weight = np.random.default_rng(1).random(N)
    assert net.evaluate(rows, y, weight) == net.evaluate(x, y, weight)
    loss, gradients = net.loss_and_gradients(rows, y, weight)
    want, wanted = net.loss_and_gradients(x, y, weight)
    assert loss == want
    for got, one in zip(gradients, wanted, strict=True):
        np.testing.assert_array_equal(got, one)
    other = network(penalty=rn.L1(1e-3))
    assert net.train_step(rows, y, rn.Adam()) == other.train_step(x, y, rn.Adam())
    assert bits(net) == bits(other)
    assert str(net.diagnose(rows, y, (rows, y))) == str(other.diagnose(x, y, (x, y)))


def test_options_of_fit_take_sparse_rows():
    x, y = rows_of(), labels()
    weight, found = np.random.default_rng(1).random(N), []
    for rows in (x, parts_of(x)):
        net = network(penalty=rn.L1(1e-2), max_norm=0.5)
        net.fit(rows, y, 2, optimizer=rn.Adam(0.01))
        history = net.fit(
            rows,
            y,
            3,
            sample_weight=weight,
            validation_data=(rows, y, weight),
            keep_zeros=True,
            update_tau=0.1,
            shuffle=False,
        )
        found.append((bits(net), history["loss"], history["val_loss"]))
    assert found[0] == found[1]


class Halves(Schedule):
    """Half the rate after every step, and 0 every third one, of 12 in an epoch."""

    def factor(self, epochs):
        step = np.round(12 * epochs).astype(int)
        return np.where(step % 3 == 2, 0, 0.5 ** (step % 5))


@pytest.mark.parametrize("seconds", [0.0, 10.0])
@pytest.mark.parametrize("penalty", ["cumulative", "inputs", "units"])
@pytest.mark.parametrize("optimizer", [rn.SGD, rn.Adam])
def test_rows_that_missed_steps_are_never_seen(
    optimizer, penalty, seconds, real_threads, monkeypatch
):
    """Zeros that stay, averages, rates of 0, weights of 0; one step a call, or all."""
    x, y, found = rows_of(n=60, n_in=400, share=0.01), labels(60), []
    weight = (np.arange(60) // 5 % 3 > 0) * 1.0  # batches without weight
    monkeypatch.setattr(training, "_SLICE_SECONDS", seconds)
    for rows in (x, csr_of(x)):
        net, rates = network(penalty=PENALTIES[penalty], n_in=400), Halves(0.1)
        for options in ({}, {"keep_zeros": True, "update_tau": 0.1}):
            options |= {"sample_weight": weight, "threads": 2, "shuffle": False}
            history = net.fit(rows, y, 2, 5, optimizer(rates), **options)
        found.append((bits(net), history["penalty"], history["update_norm"]))
    assert found[0] == found[1]


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("rule", ["cumulative", "proximal", "subgradient"])
def test_rows_of_zeros_take_the_steps_that_change_them(optimizer, rule):
    """Zeros of W, and what the optimiser remembers of them."""
    x, found = rows_of(n=60, n_in=400, share=0.01), []
    sign = int(rule == "subgradient")
    for rows in (x, csr_of(x)):
        net = network(n_in=400, penalty=rn.L1(1e-3, rule=rule, sign_at_zero=sign))
        steps = OPTIMIZERS[optimizer]()
        net.fit(rows, labels(60), 2, 5, steps)
        weights = net.get_weights()
        weights[0][::2] = 0
        net.set_weights(weights)
        net.fit(rows, labels(60), 2, 5, steps)
        state = net._state
        kept = [a.tobytes() for a in (state.m, state.v, state.q) if a is not None]
        found.append(bits(net) + kept)
    assert found[0] == found[1]


class Interrupt:
    """A progress bar that is interrupted once, at its 7th look."""

    def __init__(self):
        self.looks = 0

    def rows(self, row, loss):
        self.looks += 1
        if self.looks == 7:
            raise KeyboardInterrupt

    def epoch(self, logs):
        pass

    def close(self):
        pass


def test_an_interrupted_fit_has_seen_all_steps(monkeypatch):
    x, y, found = rows_of(n=60, n_in=400, share=0.01), labels(60), []
    monkeypatch.setattr(training, "_SLICE_SECONDS", 0.0)
    for rows in (x, csr_of(x)):
        net, optimizer, bar = network(n_in=400), rn.Adam(0.01), Interrupt()
        monkeypatch.setattr(training, "ProgressBar", lambda *_, bar=bar: bar)
        with pytest.raises(KeyboardInterrupt):
            net.fit(rows, y, 2, 5, optimizer)
        found.append(bits(net))
        assert 0 < net._state.progress.row < 60
        net.fit(rows, y, 2, 5, optimizer)
        found.append(bits(net))
    assert found[:2] == found[2:] and found[0] != found[1]


SUMMED_UP = {
    "l2": rn.L2(1e-2),
    "negative factors": rn.L2(10.0),
    "elastic": rn.ElasticNet(1e-3, 1e-2, rule="proximal"),
    "no l1": rn.ElasticNet(0.0, 1e-2),
}


def test_missed_steps_of_decay_are_summed_up(
    tmp_path, real_threads, monkeypatch, each_fused_isa
):
    """The same bits wherever calls end; those of dense rows but for rounding."""
    x, y = rows_of("float64", n=2000, n_in=100, share=0.03), labels(2000)
    rows, path, looks = csr_of(x), tmp_path / "checkpoint", []

    def first_weights(x, penalty, seconds=10.0, threads=1, **options):
        monkeypatch.setattr(training, "_SLICE_SECONDS", seconds)
        net = network("float64", penalty, n_in=100)
        net.fit(x, y, 2, 20, rn.SGD(Halves(0.1)), threads=threads, **options)
        return net.get_weights()[0]

    class Bar(Interrupt):
        def rows(self, row, loss):
            looks.append(row)
            if len(looks) == 2:
                raise KeyboardInterrupt

    def in_parts(penalty):
        looks.clear()
        with monkeypatch.context() as patch:
            patch.setattr(training, "ProgressBar", lambda *_: Bar())
            with pytest.raises(KeyboardInterrupt):
                first_weights(rows, penalty, 0.0, callbacks=[rn.Checkpoint(path)])
        assert looks == [640, 1280]
        return first_weights(rows, penalty, 0.0, resume_from=path)

    def all_ways(penalty):
        want = first_weights(rows, penalty)
        for threads in (1, 2):
            got = first_weights(rows, penalty, 0.0, threads)
            np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(in_parts(penalty), want)
        return want

    for penalty in SUMMED_UP.values():
        found = each_fused_isa(lambda penalty=penalty: all_ways(penalty).tobytes())
        assert len(set(found.values())) == 1
        summed = np.frombuffer(found.popitem()[1])
        dense = first_weights(x, penalty).ravel()
        np.testing.assert_allclose(summed, dense, rtol=0, atol=1e-12)
        assert np.array_equal(summed == 0, dense == 0) and (summed != dense).any()


@pytest.mark.parametrize("other", [False, True])
def test_a_checkpoint_resumes(tmp_path, other):
    """Also one that was written with dense rows."""
    x, y, path = rows_of() + 0, labels(), tmp_path / "c"  # without -0
    rows = parts_of(x)
    net = network(penalty=rn.L1(1e-3))
    checkpoint = [rn.Checkpoint(path)]
    net.fit(x if other else rows, y, 2, optimizer=rn.Adam(0.01), callbacks=checkpoint)
    net = network(penalty=rn.L1(1e-3))
    net.fit(rows, y, 4, optimizer=rn.Adam(0.01), resume_from=path)
    whole = network(penalty=rn.L1(1e-3))
    whole.fit(x, y, 4, optimizer=rn.Adam(0.01))
    assert bits(net) == bits(whole)


def test_a_lassonet_takes_sparse_rows():
    x, found = rows_of(), []
    for rows in (x, parts_of(x)):
        layers = [rn.Dense(N_IN, 20, "relu"), rn.Dense(20, 3)]
        net = rn.LassoNet(layers, 1e-2, loss="softmax_cross_entropy", seed=3)
        found.append((trained(rows, net, rn.SGD(0.1)), net.predict(rows).tobytes()))
    assert found[0] == found[1]


def test_a_compacted_network_takes_the_original_columns():
    x, net = rows_of(), network()
    weights = net.get_weights()
    weights[0][::3] = 0
    net.set_weights(weights)
    small = net.compact()
    kept = small.kept_inputs
    assert 0 < len(kept) < N_IN
    want = small.predict(x)
    np.testing.assert_array_equal(small.predict(parts_of(x)), want)
    np.testing.assert_array_equal(small.predict(parts_of(x[:, kept])), want)


def test_entries_in_any_order_are_added_and_the_caller_keeps_them():
    rows = SimpleNamespace(
        data=np.array([1.0, 2, 4, 0, 8]),
        indices=np.array([2, 0, 2, 1, 1], np.int32),
        indptr=np.array([0, 3, 3, 5], np.int32),
        shape=(3, 3),
    )
    before = [rows.data.copy(), rows.indices.copy()]
    dense = np.array([[2.0, 0, 5], [0, 0, 0], [0, 8, 0]])
    net = network("float64", n_in=3)
    np.testing.assert_array_equal(net.predict(rows), net.predict(dense))
    np.testing.assert_array_equal(rows.data, before[0])
    np.testing.assert_array_equal(rows.indices, before[1])


def test_rows_of_a_csr_are_dense_arrays():
    x = rows_of(n=6, n_in=8, share=0.5)
    one = csr_of(x)
    for part in (2, slice(1, 4), np.array([5, 0, 5]), slice(0, 0)):
        np.testing.assert_array_equal(one[part], x[part])


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "bsr"])
@pytest.mark.parametrize("form", ["matrix", "array"])
def test_scipy_matrices(kind, form):
    sparse = pytest.importorskip("scipy.sparse")
    x, net = rows_of(), network()
    rows = getattr(sparse, f"{kind}_{form}")(x)
    np.testing.assert_array_equal(net.predict(rows), net.predict(x))
    assert trained(rows, network(), rn.Adam()) == trained(x, network(), rn.Adam())


def test_a_slice_of_a_scipy_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    x, net = rows_of(), network()
    rows = sparse.csr_array(x)[40:70]
    np.testing.assert_array_equal(net.predict(rows), net.predict(x[40:70]))


# ---- refusals ------------------------------------------------------------------------


def changed(**parts):
    rows = parts_of(rows_of(n=8, n_in=6, share=0.6))
    for name, change in parts.items():
        setattr(rows, name, change(getattr(rows, name).copy()))
    return rows


def put(place, value):
    def change(array):
        array[place] = value
        return array

    return change


BAD = {
    "column 6": ({"indices": put(1, 6)}, ValueError, "row 0", "columns 0 to 5"),
    "column -1": ({"indices": put(1, -1)}, ValueError, "row 0", "columns 0 to 5"),
    "falling": ({"indptr": put(3, 0)}, ValueError, "row 2 ends before"),
    "negative": ({"indptr": put(0, -1)}, ValueError, "row 0", "no CSR"),
    "behind": ({"indptr": put(8, 99)}, ValueError, "row 7", "behind the data"),
    "short": ({"indptr": lambda a: a[1:]}, ValueError, "8 indptr", "expected", "9"),
    "few": ({"data": lambda a: a[1:]}, ValueError, "as many data as indices"),
    "floats": ({"indices": lambda a: a * 1.0}, TypeError, "indices of X", "float64"),
    "2-D": ({"indices": lambda a: a[None]}, TypeError, "indices of X", "2 dimension"),
    "complex": ({"data": lambda a: a * 1j}, TypeError, "data of X", "complex"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_csr(name):
    changes, error, *words = BAD[name]
    net = network(n_in=6)
    for call in (net.predict, lambda x: net.fit(x, labels(8))):
        with pytest.raises(error) as caught:
            call(changed(**changes))
        assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("n", [3, 40, 2000])
def test_the_place_of_a_nan_is_named(n):
    x = rows_of(n=n)
    rows = parts_of(x)
    place = len(rows.data) - 1
    row, column = int(np.nonzero(x)[0][place]), int(rows.indices[place])
    rows.data[place] = np.nan
    net = network()
    for call in (net.predict, lambda x: net.fit(x, labels(n))):
        with pytest.raises(ValueError, match=f"nan in row {row}, column {column},"):
            call(rows)


def test_too_large_for_float32():
    rows = parts_of(rows_of("float64"))
    rows.data[5] = 1e300
    with pytest.raises(ValueError, match=r"1e\+300 in row 0.*too large for float32"):
        network().fit(rows, labels())


def test_other_shapes():
    x = rows_of(n=8, n_in=6)
    with pytest.raises(ValueError, match="X has 6 columns, the network expects 90"):
        network().predict(parts_of(x))
    with pytest.raises(ValueError, match="X has no rows"):
        network(n_in=6).predict(parts_of(x[:0]))
    with pytest.raises(ValueError, match="y has 7 rows, X has 8"):
        network(n_in=6).fit(parts_of(x), labels(7))


def test_a_loss_that_is_not_finite_names_its_step():
    rows = parts_of(rows_of())
    with pytest.raises(rn.DivergenceError, match="epoch 0, step"):
        network().fit(rows, labels(), 20, optimizer=rn.SGD(1e30))


def test_a_source_of_csr_checks_its_arrays():
    with pytest.raises(ValueError, match="entries do not fit"):
        binding.Source(np.zeros(2), np.array([0, 3]), np.zeros(2, np.int32), 4)
    wide = np.zeros(2), np.array([0, 2]), np.zeros(2, np.int64), 2**31
    with pytest.raises(ValueError, match="too many columns"):
        binding.Source(*wide, True)
    binding.Source(*wide)


@pytest.mark.parametrize("part", ["indices", "indptr"])
def test_what_another_writes_during_a_call_reaches_no_foreign_memory(part):
    parts = parts_of(rows_of())

    class Writer(rn.Callback):
        def on_epoch_end(self, epoch, logs):
            getattr(parts, part)[:] = 2**30

    network().fit(parts, labels(), 3, 16, callbacks=[Writer()])
