"""The same bits for any threads, instruction set, division of labour, interruption."""

import itertools

import numpy as np
import pytest
from running import all_pairs, bits, network, some_data, use_real_threads

import regnet_c as rn
from regnet_c._core import binding, training


class InterruptEvery:
    """Stands for the progress bar; Ctrl-C at every n-th look."""

    def __init__(self, every):
        self.every, self.count = every, 0

    def rows(self, row, loss):
        self.count += 1
        if self.count % self.every == 0:
            raise KeyboardInterrupt

    def epoch(self, logs):
        pass

    def close(self):
        pass


# name -> members of training.divide's result: how threads divide a step of 50 rows
DIVISIONS = {
    "rows": {"by_layer": False, "piece_rows": 0},
    "units": {"by_layer": True, "piece_rows": 0},
    "blocks": {"by_layer": False, "piece_rows": 0, "block_rows": 16},
    "pieces": {"by_layer": False, "piece_rows": 8},
    "pieces in blocks": {"by_layer": False, "piece_rows": 4, "block_rows": 16},
}
CLIP_NORMS = [None, 0.1]  # the gradients of most steps are longer


def after_100_steps(
    dtype, threads, division, clip_norm=None, interrupt_every=0, checkpoint=None
):
    """Bits of the weights after 5 epochs of 20 steps, however often stopped.

    After an interrupt the same call is made again; with a checkpoint, for a new network
    that knows nothing but that file.
    """
    net, (x, y) = network(dtype), some_data(1000)
    optimizer = rn.Adam(0.01, clip_norm=clip_norm)
    bar, options, stops = InterruptEvery(interrupt_every or 10**9), {}, 0
    if checkpoint:
        options["callbacks"] = [rn.Checkpoint(checkpoint)]
    with pytest.MonkeyPatch.context() as patch:
        use_real_threads(patch.setattr)
        own = training.divide
        changed = lambda *arguments: {**own(*arguments), **division}  # noqa: E731
        patch.setattr(training, "divide", changed)
        patch.setattr(training, "ProgressBar", lambda *args: bar)
        patch.setattr(training, "_SLICE_SECONDS", 0.0 if interrupt_every else 0.02)
        left = 5
        while left:
            try:
                net.fit(x, y, left, 50, optimizer, threads=threads, **options)
                break
            except KeyboardInterrupt:
                stops += 1
            if checkpoint:
                net, optimizer = network(dtype), rn.Adam(0.01, clip_norm=clip_norm)
                options["resume_from"] = checkpoint
            else:
                left = 5 - net._state.progress.epoch
    assert net._state.step == 100 and (stops > 3) == (interrupt_every > 0)
    return bits(net)


@pytest.fixture(scope="module")
def reference_runs():
    """{(dtype, variant, clip_norm): the bits of one thread, never stopped}."""
    found, before = {}, binding.current_isa()
    for name in binding.available_isas():
        binding.set_isa(name)
        for dtype, clip in itertools.product(("float32", "float64"), CLIP_NORMS):
            run = after_100_steps(dtype, 1, DIVISIONS["rows"], clip)
            found[dtype, name, clip] = run
    binding.set_isa(before)
    return found


def test_variants_with_fused_multiply_add_agree(reference_runs, each_fused_isa, dtype):
    fused = each_fused_isa(lambda: None)
    for clip in CLIP_NORMS:
        runs = {tuple(reference_runs[dtype.name, name, clip]) for name in fused}
        assert len(runs) <= 1


@pytest.mark.parametrize(
    ("division", "threads", "how", "clip_norm", "dtype", "isa"),
    all_pairs(
        division=DIVISIONS,
        threads=[1, 2, 3, 5],
        how=["straight", "interrupted", "resumed"],
        clip_norm=CLIP_NORMS,
        dtype=["float32", "float64"],
        isa=binding.available_isas(),
    ),
    indirect=["isa"],
)
def test_100_steps_have_the_same_bits(
    division, threads, how, clip_norm, dtype, isa, reference_runs, tmp_path
):
    options = {
        "straight": {},
        "interrupted": {"interrupt_every": 7},
        "resumed": {"interrupt_every": 17, "checkpoint": tmp_path / "run"},
    }[how]
    got = after_100_steps(dtype, threads, DIVISIONS[division], clip_norm, **options)
    assert got == reference_runs[dtype, isa, clip_norm]


LARGE_DIVISIONS = {
    "rows": {"by_layer": False, "piece_rows": 0},
    "blocks": {"by_layer": True, "piece_rows": 0, "block_rows": 128},
    "pieces": {"by_layer": False, "piece_rows": 64},
    "pieces in blocks": {"by_layer": False, "piece_rows": 128, "block_rows": 256},
}


@pytest.mark.parametrize(
    ("division", "threads", "dtype"),
    all_pairs(
        division=LARGE_DIVISIONS, threads=[1, 2, 3], dtype=["float32", "float64"]
    ),
)
def test_recorded_losses_have_the_same_bits(
    division, threads, real_threads, monkeypatch, dtype
):
    """They decide when training stops early."""

    def history():
        net, (x, y) = network(dtype), some_data(1700)
        return net.fit(x, y, 3, 700, rn.Adam(0.01), threads=threads).history

    want = history()
    own = training.divide
    changed = lambda *arguments: {**own(*arguments), **LARGE_DIVISIONS[division]}  # noqa: E731
    monkeypatch.setattr(training, "divide", changed)
    assert history() == want


@pytest.mark.parametrize(
    ("division", "threads", "clip_norm", "dtype"),
    all_pairs(
        division=LARGE_DIVISIONS,
        threads=[1, 2, 3],
        clip_norm=CLIP_NORMS,
        dtype=["float32", "float64"],
    ),
)
def test_long_batches_have_the_same_bits(
    division, threads, clip_norm, dtype, real_threads, monkeypatch, each_fused_isa
):
    """Their gradients are summed by parts, which no division may cut; 12 -> 20 -> 3
    has a narrow layer."""
    (x, y), weight = some_data(9000), np.random.default_rng(7).random(9000)

    def trained():
        net = network(dtype)
        optimizer = rn.Adam(0.01, clip_norm=clip_norm)
        net.fit(x, y, 2, 5000, optimizer, weight, threads=threads)
        return bits(net) + [g.tobytes() for g in net.loss_and_gradients(x, y)[1]]

    want = each_fused_isa(trained)
    own = training.divide
    changed = lambda *arguments: {**own(*arguments), **LARGE_DIVISIONS[division]}  # noqa: E731
    monkeypatch.setattr(training, "divide", changed)
    got = each_fused_isa(trained)
    runs = [*want.values(), *got.values()]
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize(
    ("batch_size", "threads", "dtype"),
    all_pairs(batch_size=[5, 10, 120], threads=[2, 3, 7], dtype=["float32", "float64"]),
)
def test_small_batches_of_many_inputs_have_the_same_bits(
    threads, batch_size, real_threads, dtype
):
    """Their rows are gathered by all threads; 120 leaves such a batch at the end."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((247, 200)), rng.integers(0, 3, 247)

    def trained(threads):
        layers = [rn.Dense(200, 70, "tanh"), rn.Dense(70, 3)]
        net = rn.Network(layers, "softmax_cross_entropy", dtype, seed=2)
        net.fit(x, y, 2, batch_size, rn.Adam(0.01), threads=threads)
        return bits(net)

    assert trained(threads) == trained(1)


@pytest.mark.parametrize(
    ("n", "threads", "dtype"),
    all_pairs(n=[64, 128], threads=[1, 2, 3], dtype=["float32", "float64"]),
)
def test_parts_of_wide_layers_have_the_bits_of_the_kernels(
    n, threads, dtype, isa, real_threads
):
    """Training sums the inputs by parts, and updates a few columns and rows at a time;
    dense_forward and dense_weight_gradient do neither."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((n, 900)).astype(dtype)
    y = rng.standard_normal((n, 1030)).astype(dtype)
    net = rn.Network([rn.Dense(900, 1030)], "squared_error", dtype, seed=2)
    w, b = (array.copy() for array in net.get_weights())
    dz = (rn.kernels.dense_forward(x, w, b) - y) / x.dtype.type(n)
    dw = rn.kernels.dense_weight_gradient(x, dz)
    assert net.loss_and_gradients(x, y)[1][0].tobytes() == dw.tobytes()
    net.fit(x, y, 1, n, rn.SGD(1.0), shuffle=False, threads=threads)
    assert net.get_weights()[0].tobytes() == (w - dw).tobytes()
