"""Blocks: what comes block by block has the bits of what is in memory."""

import importlib
import itertools
import threading

import numpy as np
import pytest
from running import bits, interrupted_at
from test_checkpoints import RATE, call, interrupt, network, trained

import regnet_c as rn
from regnet_c import blocks
from regnet_c._core import binding, training
from regnet_c._files import model_file

SIZES = (33, 20, 17)  # batches of 16: three, two, two
NEXT_SEED = 0xD1B54A32D192ED03  # as docs/scaling.md states


def cut(X, y, sample_weight, sizes=SIZES):
    """The rows as tuples, one per block."""
    ends = np.cumsum(sizes)
    assert ends[-1] == len(X)
    return [
        (X[end - n : end], y[end - n : end], sample_weight[end - n : end])
        for n, end in zip(sizes, ends, strict=True)
    ]


def block_call(path=None, sizes=SIZES, source=list, **changes):
    """The call of `fit` in test_checkpoints on blocks."""
    arguments = call(path, **changes)
    parts = cut(*(arguments.pop(n) for n in ("X", "y", "sample_weight")), sizes)
    if source is not list:
        blocks = rn.Blocks(lambda i: parts[i], len(parts))
    else:
        blocks = rn.Blocks(parts)
    return {"X": blocks} | arguments


# ---- bits ----------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [16, 70, 100])
def test_one_block_is_the_fit_in_memory(batch_size, shuffle):
    options = {"batch_size": batch_size, "shuffle": shuffle}
    whole = trained(network(), **call(**options))
    for source in (list, "function"):
        parts = trained(network(), **block_call(sizes=(70,), source=source, **options))
        assert parts == whole


def order_of(n, stream, seed, epoch):
    return rn.kernels.permutation(n, (seed + stream * NEXT_SEED) % 2**64, epoch)


@pytest.mark.parametrize("shuffle", [True, False])
def test_blocks_are_steps_in_the_stated_order(shuffle):
    """The same steps one by one, on the rows that the documentation says."""
    net, oracle = network(), network()
    arguments = block_call(shuffle=shuffle, update_tau=None, optimizer=rn.Adam(0.01))
    history = net.fit(**arguments)
    parts, losses = cut(*(call()[n] for n in ("X", "y", "sample_weight"))), []
    optimizer = rn.Adam(0.01)
    for epoch in range(4):
        blocks = order_of(3, 3, 6, epoch) if shuffle else range(3)
        total = weight = 0.0
        for block in blocks:
            x, y, w = parts[block]
            rows = (
                order_of(len(x), int(block), 6, epoch) if shuffle else np.arange(len(x))
            )
            for first in range(0, len(x), 16):
                batch = rows[first : first + 16]
                loss = oracle.train_step(x[batch], y[batch], optimizer, w[batch])
                total, weight = total + loss * w[batch].sum(), weight + w[batch].sum()
        losses.append(total / weight)
    assert bits(net) == bits(oracle)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    assert history.samples == 4 * 70 and len(history["val_accuracy"]) == 4


def test_blocks_come_in_another_order_every_epoch():
    seen = []

    def block(i):
        seen.append(i)
        return np.full((4, 5), float(i)), np.zeros(4, int)

    network().fit(rn.Blocks(block, 3, rows=[4, 4, 4]), epochs=30)
    epochs = [tuple(seen[1:][k : k + 3]) for k in range(0, 90, 3)]  # 1: the first check
    assert len(seen) == 91 and all(sorted(e) == [0, 1, 2] for e in epochs)
    assert len(set(epochs)) == 6
    seen.clear()
    network().fit(rn.Blocks(block, 3, rows=[4, 4, 4]), epochs=2, shuffle=False)
    assert seen == [0] + 2 * [0, 1, 2]


def test_the_schedule_counts_the_batches_of_all_blocks():
    history = network().fit(**block_call())
    rates = RATE(np.arange(28), 7)
    np.testing.assert_allclose(history["learning_rate"], rates[6::7])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_no_bit_depends_on_the_threads(threads, real_threads):
    one = trained(network(), **block_call(threads=1))
    assert trained(network(), **block_call(threads=threads)) == one


def test_long_batches_of_long_and_short_blocks(rng):
    x, y = rng.standard_normal((9500, 5)), rng.integers(0, 3, 9500)
    net, oracle, optimizer = network(), network(), rn.Adam(0.01)
    blocks = rn.Blocks([(x[:100], y[:100]), (x[100:], y[100:])])
    net.fit(blocks, epochs=1, batch_size=5000, shuffle=False, optimizer=rn.Adam(0.01))
    for a, b in ((0, 100), (100, 5100), (5100, 9500)):
        oracle.train_step(x[a:b], y[a:b], optimizer)
    assert bits(net) == bits(oracle)


def test_the_thread_that_reads_is_one_of_them(monkeypatch, real_threads):
    """While it reads, the core has one thread fewer, and asks soon whether it ended."""
    arguments, seen, trained_on = block_call(threads=2), [], threading.Event()
    parts = [arguments["X"].read(i) for i in range(3)]

    class Run(binding.Run):
        def advance(self, rates, seconds, threads):
            seen.append((threads, seconds))
            trained_on.set()
            return super().advance(rates, seconds, threads)

    def block(i):
        assert i != 1 or trained_on.wait(10)
        return parts[i]

    monkeypatch.setattr(binding, "Run", Run)
    monkeypatch.setattr(training, "_SHARED_SECONDS", 0.0)
    arguments |= {"X": rn.Blocks(block, 3, rows=SIZES), "shuffle": False}
    network().fit(**arguments)
    assert seen[0] == (1, 0)
    assert seen[-1][0] == 2 and seen[-1][1] > 0


# ---- memory, the thread that reads ---------------------------------------------------


def test_memory_maps_are_read_by_the_thread(tmp_path):
    parts = cut(*(call()[n] for n in ("X", "y", "sample_weight")))
    maps = []
    for number, part in enumerate(parts):
        for name, array in zip("xyw", part, strict=True):
            np.save(tmp_path / f"{name}{number}.npy", array)
        load = [np.load(tmp_path / f"{n}{number}.npy", mmap_mode="r") for n in "xyw"]
        maps.append(tuple(load))
    arguments = block_call()
    whole = trained(network(), **arguments)
    assert trained(network(), **block_call() | {"X": rn.Blocks(maps)}) == whole
    assert type(rn.Blocks(maps).read(0)[0]) is np.ndarray


def test_two_blocks_at_most_are_in_memory():
    """The one in use and the one that is read; their reader is gone at the end."""
    alive, most, threads = set(), [0], set()

    class Array(np.ndarray):
        def __del__(self):
            alive.discard(getattr(self, "number", None))

    def block(i):
        x = Array((50, 5))  # its own memory, or a view of it would not keep it alive
        x[:] = i
        x.number = next(numbers)
        alive.add(x.number)
        most[0] = max(most[0], len(alive))
        threads.add(threading.current_thread().name)
        return x, np.zeros(50, int)

    numbers = itertools.count()
    before = threading.active_count()
    network().fit(rn.Blocks(block, 6, rows=[50] * 6), epochs=3, batch_size=2)
    assert 1 <= most[0] <= 2 and not alive and next(numbers) == 19
    assert threading.active_count() == before
    assert any(name.startswith("regnet_c reader") for name in threads)


# ---- interruptions, checkpoints ------------------------------------------------------


def test_training_resumes_in_the_middle_of_a_block(tmp_path, monkeypatch):
    """Ctrl-C in a block, at its end, at the end of an epoch (7 steps each)."""
    whole = trained(network(), **block_call())
    for step in (1, 2, 3, 5, 7, 8, 13, 14, 20, 27):
        path = tmp_path / f"run{step}"
        with interrupt(monkeypatch, step):
            network().fit(**block_call(path))
        _, (values, _) = model_file.load_with_state(rn.Network, path)
        assert values["training"]["step"] == step
        parts = trained(network(), **block_call(), resume_from=path)
        assert parts == whole, step
    assert whole.position == (12, 0)


def test_an_interrupt_at_any_line_loses_and_repeats_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_SLICE_SECONDS", 0.0)
    path, stops = tmp_path / "run", 0
    whole = trained(network(), **block_call(epochs=2))
    for line in itertools.count(1, 211):
        path.unlink(missing_ok=True)
        net, arguments = network(), block_call(path, epochs=2)
        if not interrupted_at(line, lambda: net.fit(**arguments)):  # noqa: B023
            break
        stops += 1
        resume = {"resume_from": path} if path.exists() else {}
        parts = trained(network(), **block_call(path, epochs=2), **resume)
        assert parts == whole, line
    assert stops > 10


def test_the_same_optimizer_continues_the_interrupted_epoch(monkeypatch):
    whole = network()
    whole.fit(**block_call())
    for step in (2, 3, 5, 7):
        net, arguments = network(), block_call()
        with interrupt(monkeypatch, step):
            net.fit(**arguments)
        net.fit(**arguments)
        assert bits(net) == bits(whole)


def test_blocks_and_arrays_take_turns():
    """Epochs go on counting; the optimiser goes on."""
    optimizer, net = rn.Adam(0.01), network()
    options = {"optimizer": optimizer, "epochs": 2, "callbacks": []}
    steps = 0
    for arguments, per_epoch in ((call, 5), (block_call, 7), (call, 5)):
        epoch = 0 if net._state is None else net._state.epoch
        net.fit(**arguments(**options))
        steps += 2 * per_epoch
        assert (net._state.epoch, net._state.step) == (epoch + 2, steps)


def test_a_checkpoint_of_other_blocks_is_refused(tmp_path):
    path = tmp_path / "run"
    network().fit(**block_call(path, epochs=2))
    for other in (
        block_call(sizes=(20, 33, 17)),
        block_call(sizes=(70,)),
        call(),
        block_call(X=call()["X"] + 1),
    ):
        with pytest.raises(ValueError, match="belongs to another call of fit"):
            network().fit(**other, resume_from=path)


@pytest.mark.parametrize(
    "change",
    [
        lambda noted: noted[:, :2],
        lambda noted: noted + 7,
        lambda noted: noted * np.nan,
    ],
)
def test_a_checkpoint_with_other_losses_of_blocks_is_refused(
    change, tmp_path, monkeypatch
):
    path = tmp_path / "run"
    with interrupt(monkeypatch, 4):
        network().fit(**block_call(path))
    net, (values, arrays) = model_file.load_with_state(rn.Network, path)
    arrays["blocks"] = change(arrays["blocks"])
    model_file.save(net, path, (values, arrays))
    with pytest.raises(rn.ModelFileError, match="blocks"):
        network().fit(**block_call(), resume_from=path)


def test_early_stopping_puts_the_best_weights_back():
    net = network()
    stop = rn.EarlyStopping(patience=2)
    history = net.fit(**block_call(callbacks=[stop], epochs=60))
    assert history.stopped_early and len(history["val_loss"]) < 60
    best = min(history["val_loss"])
    assert net.evaluate(*call()["validation_data"])["loss"] == pytest.approx(best)


# ---- what is wrong -------------------------------------------------------------------


GOOD = (np.ones((4, 5)), np.zeros(4, int))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "source is empty"),
        ((3,), "source is 3, expected a list of tuples"),
        (([np.ones((4, 5))],), "block 0 is .* ndarray, expected a tuple"),
        (([GOOD, (np.ones((0, 5)), np.ones(0))],), r"X of block 1 has shape \(0, 5\)"),
        ((len,), "count is None"),
        (([GOOD], 2), "count is 2, the source is a list"),
        ((lambda i: GOOD, 2, [4]), "rows has 1 entries, count is 2"),
        ((lambda i: GOOD, 1, [0]), "rows is 0, expected at least 1"),
    ],
)
def test_a_wrong_source(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        rn.Blocks(*arguments)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ((np.ones((4, 6)), GOOD[1]), "block 1: X has 6 columns, the network expects 5"),
        ((np.full((4, 5), np.nan), GOOD[1]), "block 1: X has nan in row 0, column 0"),
        ((GOOD[0], np.full(4, 3)), "block 1: labels go from 3 to 3"),
        ((GOOD[0], GOOD[1][:3]), "block 1: y has 3 rows, X has 4"),
        ((np.ones((3, 5)), np.zeros(3, int)), "block 1: it has 3 rows, it had 4"),
    ],
)
def test_a_wrong_block(block, message):
    """The first is refused before anything, a later one when its turn comes."""
    blocks = rn.Blocks(lambda i: block if i == 1 else GOOD, 3, rows=[4, 4, 4])
    net = network()
    with pytest.raises((TypeError, ValueError), match=message):
        net.fit(blocks, epochs=1)
    assert all(np.isfinite(w).all() for w in net.get_weights())
    before, blocks = bits(net), rn.Blocks(lambda i: block, 3, rows=[4, 4, 4])
    with pytest.raises((TypeError, ValueError), match=message.replace("1", "0", 1)):
        net.fit(blocks)
    assert bits(net) == before


def test_an_error_of_the_function_comes_out():
    def block(i):
        if i:
            raise OSError("the disk is gone")
        return GOOD

    with pytest.raises(OSError, match="the disk is gone"):
        network().fit(rn.Blocks(block, 2, rows=[4, 4]))


def test_blocks_have_their_targets():
    for name in ("y", "sample_weight"):
        with pytest.raises(TypeError, match=f"a Blocks object, which has its {name}"):
            network().fit(rn.Blocks([GOOD]), **{name: np.zeros(4, int)})


def test_divergence_names_the_epoch_and_the_step_in_it():
    x = np.ones((40, 5), np.float32)
    far = x * np.float32(1e30)
    y = np.ones((40, 1), np.float32)
    net = rn.Network([rn.Dense(5, 1)])
    net.set_weights([np.full((5, 1), 1e30), np.zeros(1)])
    blocks = rn.Blocks([(x * 0, y * 0), (far, y)])
    with pytest.raises(rn.DivergenceError, match="epoch 0, step 4 in layer 0"):
        net.fit(blocks, batch_size=10, shuffle=False)


# ---- datasets ------------------------------------------------------------------------


def frame():
    arguments = call()
    data = {f"x{i}": arguments["X"][:, i] for i in range(5)}
    return data | {"y": arguments["y"], "w": arguments["sample_weight"]}


def writer(form):
    name = {"parquet": "write_table", "csv": "write_csv", "feather": "write_feather"}
    return getattr(importlib.import_module(f"pyarrow.{form}"), name[form])


def write(path, form, sizes=SIZES):
    """A folder with a file per block."""
    pa = pytest.importorskip("pyarrow")
    table, first = pa.table(frame()), 0
    path.mkdir()
    for number, n in enumerate(sizes):
        part = table.slice(first, n)
        first += n
        writer(form)(part, path / f"{number}.{form}")
    return path


@pytest.mark.parametrize("form", ["parquet", "csv", "feather"])
def test_files_have_the_bits_of_arrays(form, tmp_path):
    folder = write(tmp_path / "data", form)
    blocks = rn.Blocks(folder, target="y", weight="w", block_rows=1)
    assert blocks.lengths == list(SIZES)
    arguments = block_call()
    whole = trained(network(), **arguments)
    assert trained(network(), **arguments | {"X": blocks}) == whole
    joined = rn.Blocks(folder, target="y", weight="w")
    assert joined.lengths == [70]
    assert trained(network(), **arguments | {"X": joined}) == trained(
        network(), **call()
    )


def test_row_groups_are_blocks(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    path = tmp_path / "all.parquet"
    pq.write_table(pa.table(frame()), path, row_group_size=10)
    blocks = rn.Blocks(path, target="y", columns=["x1", "x0"], block_rows=20)
    assert blocks.lengths == [20, 20, 20, 10]
    X, y, weight = blocks.read(1)
    np.testing.assert_array_equal(X, call()["X"][20:40, [1, 0]])
    np.testing.assert_array_equal(y, call()["y"][20:40])
    assert weight is None and "all.parquet" in repr(blocks)


def test_partitioned_folders_on_any_file_system(tmp_path):
    """The folders' names are a column; a dataset may be on a file system of its own."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.dataset
    import pyarrow.fs

    data = {"x": np.arange(6.0), "g": [7, 8, 7, 8, 7, 8], "y": np.arange(6)}
    options = {"format": "parquet", "partitioning": ["g"]}
    pyarrow.dataset.write_dataset(
        pa.table(data), tmp_path / "d", partitioning_flavor="hive", **options
    )
    blocks = rn.Blocks(tmp_path / "d", target="y", columns=["g", "x"], block_rows=1)
    assert blocks.lengths == [3, 3]
    np.testing.assert_array_equal(blocks.read(1)[0], [[8, 1], [8, 3], [8, 5]])
    system = pyarrow.fs.SubTreeFileSystem(str(tmp_path), pyarrow.fs.LocalFileSystem())
    dataset = pyarrow.dataset.dataset("d", filesystem=system, partitioning="hive")
    there = rn.Blocks(dataset, target="y", columns=["g", "x"], block_rows=1)
    for number in (0, 1):
        for got, want in zip(there.read(number), blocks.read(number), strict=True):
            np.testing.assert_array_equal(got, want)


def test_columns_of_several_tables_and_types():
    pa = pytest.importorskip("pyarrow")
    rng, n = np.random.default_rng(0), 300
    data = {f"x{k}": rng.standard_normal(n) for k in range(23)}
    data |= {"x3": data["x3"].astype("f4"), "x7": rng.integers(0, 99, n)}
    data |= {"i": np.arange(n, dtype="i2"), "j": np.arange(n), "h": data["x0"] > 0}
    tables = [pa.table(data).slice(a, 100) for a in (0, 100, 200)]
    for names in (["x3"], ["x3", "i"], [f"x{k}" for k in range(23)], ["i", "j"], ["h"]):
        columns = [data[name] for name in names]
        got = blocks._matrix(tables, names, n)
        assert got.dtype == np.result_type(*columns)
        np.testing.assert_array_equal(got, np.stack(columns, axis=1))


def test_wrong_datasets(tmp_path):
    pa = pytest.importorskip("pyarrow")
    folder = write(tmp_path / "data", "parquet")
    with pytest.raises(TypeError, match="target is None"):
        rn.Blocks(folder)
    with pytest.raises(ValueError, match="has no column 'z'"):
        rn.Blocks(folder, target="z")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        rn.Blocks(tmp_path / "nowhere", target="y")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="expected parquet, csv or feather"):
        rn.Blocks(tmp_path / "empty", target="y")
    import pyarrow.dataset

    data = {"a": [1.0, None], "b": ["u", "v"], "y": [0, 1]}
    wrong = pyarrow.dataset.dataset(pa.table(data))
    with pytest.raises(ValueError, match="column 'a' has 1 missing values"):
        rn.Blocks(wrong, target="y", columns=["a"]).read(0)
    with pytest.raises(TypeError, match="column 'b' has the type string"):
        rn.Blocks(wrong, target="y", columns=["b"]).read(0)


def test_a_block_that_changes_during_training_is_refused():
    x = np.random.default_rng(0).standard_normal((3, 40, 5))
    calls = []

    def block(i):
        calls.append(i)
        if len(calls) > 8:
            x[1, 39, 2] = 0.5
        return x[i], np.zeros(40, int)

    net = network()
    with pytest.raises(ValueError, match="block 1: its rows have changed since"):
        net.fit(rn.Blocks(block, 3, rows=[40] * 3), epochs=9)
    assert 6 < len(calls) < 12 and np.isfinite(net.predict(x[0])).all()
