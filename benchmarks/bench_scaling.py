"""Data larger than memory, and rounds on many workers: rows a second, memory, bytes.

    python benchmarks/bench_scaling.py [--gigabytes 8] [--files 16] [--folder FOLDER]
                                       [--markdown FILE]
    python benchmarks/bench_scaling.py --part stream|dask|zeros

The first part writes Parquet files of random numbers (32 columns and y, float32) and trains
one epoch on each, as `rn.Blocks` with the file on the disk and with the file in the page
cache, and from arrays in another process that has loaded it; these take turns, all with
one thread and then all with as many as there are CPUs.  A plain read of the file states
what the disk gives.  In the end one fit has all files.  Where another program has a CPU,
reading counts against the steps: the part of the time in which the training thread waits
for a CPU tells how far that is so (Linux; elsewhere nan).  With few files, `--files` keeps
them long enough that the first block, which nothing hides, does not count.

The second part simulates workers without having as many CPUs: it takes the steps of every
shard one after the other and counts their CPU seconds.  A round of W workers lasts as
long as the worker with the most of them, then this process's averages, then one
synchronisation, which a cluster of two processes on this machine measures.

The third part compares accuracy and zeros of rounds with those of one process, seed by
seed, because zeros vary by two points from seed to seed.
"""

import argparse
import itertools
import math
import os
import pickle
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from report import say
from worker import Worker

import regnet_c as rn

COLUMNS = [f"x{i}" for i in range(32)]
GROUP = 1 << 16  # rows of a row group
ROW = 4 * (len(COLUMNS) + 1)  # bytes
NETWORKS = {"32-64-32-1": (64, 32), "32-256-128-1": (256, 128)}
SHARDS = 8
WORKERS = (1, 2, 4, 8)
PARTS = ("stream", "dask", "zeros")


def network(hidden):
    """A regression with L1."""
    sizes = [len(COLUMNS), *hidden]
    layers = [
        rn.Dense(a, b, activation="relu", weight_penalty=rn.L1(1e-5))
        for a, b in itertools.pairwise(sizes)
    ]
    return rn.Network([*layers, rn.Dense(sizes[-1], 1)], loss="mse", seed=0)


# ---- files ---------------------------------------------------------------------------


def write_files(folder, gigabytes, count):
    """`count` Parquet files with so many bytes in all; their paths."""
    import pyarrow as pa
    from pyarrow import parquet

    groups = math.ceil(gigabytes * 1e9 / count / (GROUP * ROW))
    schema = pa.schema([(name, pa.float32()) for name in [*COLUMNS, "y"]])
    paths = [Path(folder, f"{number}.parquet") for number in range(count)]
    for number, path in enumerate(paths):
        if path.exists() and parquet.read_metadata(path).num_rows == groups * GROUP:
            continue
        rng = np.random.default_rng(number)
        with parquet.ParquetWriter(path, schema, use_dictionary=False) as file:
            for _ in range(groups):
                x = rng.standard_normal((len(COLUMNS), GROUP), dtype=np.float32)
                y = np.abs(x[0] + x[1]) + x[2]
                table = pa.table([*x, y], schema=schema)
                file.write_table(table, row_group_size=GROUP)
    return paths


def forget(path):
    """Drop a file from the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds_to_read(path):
    """Of a plain read, in pieces of 4 MiB."""
    start = time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass
    return time.perf_counter() - start


def seconds_without_cpu():
    """How long this thread has been ready to run, but another one had the CPU."""
    try:
        text = Path("/proc/thread-self/schedstat").read_text()
    except OSError:
        return math.nan
    return int(text.split()[1]) / 1e9


class Trainer:
    """Trains one epoch on a file, in a process of its own."""

    def __init__(self):
        self._rows = None

    def load(self, path):
        """Keep a file as arrays."""
        self._rows = None
        self._rows = rn.Blocks(path, target="y", block_rows=2**62).read(0)[:2]

    def from_memory(self, hidden, threads):
        """As `from_files`, on the arrays."""
        return self._fit(hidden, threads, *self._rows)

    def from_files(self, hidden, threads, path):
        """(rows, seconds, CPU seconds, seconds without a CPU) of an epoch."""
        return self._fit(hidden, threads, rn.Blocks(path, target="y"))

    def _fit(self, hidden, threads, *rows):
        net, ready = network(hidden), seconds_without_cpu()
        cpu, start = time.process_time(), time.perf_counter()
        options = {"epochs": 1, "batch_size": 1024, "threads": threads}
        net.fit(*rows, optimizer=rn.Adam(1e-3), **options)
        seconds = time.perf_counter() - start
        cpu, ready = time.process_time() - cpu, seconds_without_cpu() - ready
        return net.history.samples, seconds, cpu, ready

    def peak(self):
        """Bytes of resident memory, at most so far."""
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        return None


def streams(paths, few):
    """The table of the first part; networks but the first only on a few files."""
    most = rn.cpu_info()["threads"]
    lines = [
        "| network | files | threads | from | rows/s | CPU µs/row | of memory | no CPU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    stream, memory = (Worker("bench_scaling:Trainer", most) for _ in range(2))
    reads = []
    for place, (name, hidden) in enumerate(NETWORKS.items()):
        chosen = paths if place == 0 else paths[:few]
        if not chosen:
            continue
        found = {
            (threads, where): []
            for threads in sorted({1, most})
            for where in ("disk", "page cache", "memory")
        }
        for path in chosen:
            memory.call("load", str(path))
            if place == 0:
                forget(path)
                reads.append(os.path.getsize(path) / seconds_to_read(path))
            for (threads, where), runs in found.items():
                if where == "disk":
                    forget(path)
                if where == "memory":
                    runs.append(memory.call("from_memory", hidden, threads))
                else:
                    runs.append(stream.call("from_files", hidden, threads, str(path)))
            say(f"{name} {path.name}: " + _rates(found))
        for (threads, where), runs in found.items():
            rows, seconds, cpu, ready = map(sum, zip(*runs, strict=True))
            ratio = statistics.median(
                run[0] / run[1] / (whole[0] / whole[1])
                for run, whole in zip(runs, found[threads, "memory"], strict=True)
            )
            lines.append(
                f"| {name} | {len(chosen)} | {threads} | {where} | {rows / seconds:,.0f} "
                f"| {cpu / rows * 1e6:.2f} | {ratio:.0%} | {ready / seconds:.0%} |"
            )
    memory.close()
    return [*lines, "", _all_files(paths, stream, statistics.median(reads), most)]


def _all_files(paths, stream, speed, threads):
    """What one fit of all files needs."""
    rows, seconds, _, _ = stream.call(
        "from_files", NETWORKS["32-64-32-1"], threads, str(paths[0].parent)
    )
    size = sum(map(os.path.getsize, paths))
    return (
        f"A fit of all {len(paths)} files, {size / 1e9:.2f} GB and {rows:,} rows: "
        f"{rows / seconds:,.0f} rows/s, {stream.call('peak') / 1e6:.0f} MB resident at "
        f"most. A plain read of the files from the disk: {speed / 1e6:,.0f} MB/s, which is "
        f"{speed / size * rows:,.0f} rows/s."
    )


def _rates(found):
    parts = [
        f"{threads} {where} {runs[-1][0] / runs[-1][1]:,.0f}"
        for (threads, where), runs in found.items()
    ]
    return ", ".join(parts) + " rows/s"


# ---- rounds against one process ------------------------------------------------------


def digits():
    """(rows to train on, rows to test on) of the embedded digits."""
    x, y = rn.datasets.load_digits()
    x, test = x / np.float32(x.max()), np.arange(len(x)) % 5 == 0
    return (x[~test], y[~test]), (x[test], y[test])


def generated(rows):
    """Classes that a random network tells apart, with some noise."""
    rng, held = np.random.default_rng(0), 20_000
    first = rng.standard_normal((40, 12)) * (rng.random((40, 12)) < 0.25)
    second = rng.standard_normal((12, 4))
    x = rng.standard_normal((rows + held, 40), dtype=np.float32)
    z = 2 * np.tanh(x @ first) @ second
    y = np.argmax(z + 0.25 * rng.gumbel(size=z.shape), axis=1)
    return (x[:rows], y[:rows]), (x[rows:], y[rows:])


def agreement(rows, seeds):
    """The table of accuracies and zeros, 8 shards against one process."""
    lines = [
        "| data | rounds | accuracy, one | rounds | zeros, one | rounds | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    small = {"hidden_layer_sizes": (64,), "l1": 1e-3, "batch_size": 76, "max_iter": 100}
    large = {"hidden_layer_sizes": (64, 32), "l1": 3e-4, "max_iter": 20}
    large["batch_size"] = math.ceil(rows / 245)
    for name, (train, test), options, cuts in (
        ("digits", digits(), small, (1,)),
        (f"{rows:,} generated rows", generated(rows), large, (16, 4)),
    ):
        one = [_alone(train, test, options, seed) for seed in range(seeds)]
        for cut in cuts:
            many = [_rounds(train, test, options, seed, cut) for seed in range(seeds)]
            say(f"{name}, seeds of one process {one}, of rounds {many}")
            pairs = zip(np.mean(one, 0), np.mean(many, 0), strict=True)
            figures = " | ".join(f"{a:.1%} | {b:.1%}" for a, b in pairs)
            more = 100 * np.subtract(many, one)[:, 1]
            error = more.std(ddof=1) / math.sqrt(seeds)
            figures += f" | {more.mean():+.1f} ± {error:.1f}"
            lines.append(f"| {name} | {cut * options['max_iter']} | {figures} |")
            say(lines[-1])
    note = f"Means of {seeds} seeds; differences in points with their standard errors."
    return [*lines, "", note]


_RATES = {"learning_rate": "cosine", "learning_rate_init": 3e-3}


def _alone(train, test, options, seed):
    """(accuracy, zeros) of one process."""
    model = rn.RegNetClassifier(
        preset="plain", optimizer="adam", random_state=seed, **_RATES, **options
    ).fit(*train)
    return model.score(*test), model.network_.zeros()


def _rounds(train, test, options, seed, cut):
    """(accuracy, zeros) of 8 shards with `cut` rounds an epoch."""
    import dask.array as da

    from regnet_c.dask import DaskRegNetClassifier

    options = dict(options)
    model = DaskRegNetClassifier(
        rounds=options.pop("max_iter") * cut,
        epochs_per_round=1 / cut,
        n_shards=SHARDS,
        random_state=seed,
        client="serial",
        **_RATES,
        **options,
    )
    chunk = math.ceil(len(train[0]) / SHARDS)
    x, y = (da.from_array(part, (chunk, *part.shape[1:])) for part in train)
    model.fit(x, y)
    return model.to_local().score(*test), model.network_.zeros()


# ---- rounds --------------------------------------------------------------------------


def shards_of(rows):
    """So many generated rows in shards."""
    from regnet_c.dask.rounds import Shard

    rng, n = np.random.default_rng(0), rows // SHARDS
    for _ in range(SHARDS):
        x = rng.standard_normal((n, len(COLUMNS)), dtype=np.float32)
        yield Shard(x, (np.abs(x[:, 0] + x[:, 1]) + x[:, 2]).reshape(-1, 1), None)


def rounds_of(hidden, shards, epochs_per_round):
    """Rounds that have not begun."""
    from regnet_c._core.listeners import Listeners
    from regnet_c.dask.rounds import Rounds, Task, measure

    net = network(hidden)
    task = Task(
        net.layers, net.loss, net.dtype, 0, rn.Adam(1e-3), 4096, epochs_per_round
    )
    sizes = tuple(measure(shard, task, number=k) for k, shard in enumerate(shards))
    return Rounds(replace(task, sizes=sizes), Listeners([]), 10**6)


def simulated(hidden, shards, epochs_per_round, repeats=5):
    """CPU seconds of each shard and of the averages, rows and bytes of a round."""
    from regnet_c.dask.rounds import take_steps

    course = rounds_of(hidden, shards, epochs_per_round)
    per_shard, averages = [], []
    for _ in range(repeats):
        arguments = course.task, course.position(), course.done
        sent = len(pickle.dumps(arguments, protocol=5))
        times, results = [], []
        for number, shard in enumerate(shards):
            start = time.process_time()
            results.append(take_steps(shard, *arguments, number=number))
            times.append(time.process_time() - start)
        start = time.process_time()
        course.report(course.finish(results))
        averages.append(time.process_time() - start)
        per_shard.append(times)
    back = len(pickle.dumps(results[0], protocol=5))
    moved = SHARDS * (sent + back)
    rows = course.history.samples / course.done
    return np.median(per_shard, axis=0), statistics.median(averages), rows, moved


def synchronisation(size, repeats=20):
    """Seconds of a round without steps, on two processes of this machine."""
    import distributed

    from regnet_c.dask.cluster import Cluster

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as made,
        distributed.Client(made) as client,
    ):
        cluster, times = Cluster(client, 60.0, 0), []
        for _ in range(repeats):
            start = time.perf_counter()
            cluster.run(_echo, range(SHARDS), bytes(size))
            times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def _echo(shard, value, number):
    return value


def workers(rows):
    """The table of the second part."""
    shards = list(shards_of(rows))
    steps = 20
    lines = [
        "| network | workers | seconds of a round | rows/s | times one | moved, MB |",
        "|---|---|---|---|---|---|",
    ]
    notes = []
    for name, hidden in NETWORKS.items():
        epochs = steps / math.ceil(rows / 4096)
        times, average, done, moved = simulated(hidden, shards, epochs)
        wait = synchronisation(moved // (2 * SHARDS))
        alone = None
        for count in WORKERS:
            longest = max(times[k::count].sum() for k in range(count))
            seconds = longest + average + wait
            alone = alone or seconds
            lines.append(
                f"| {name} | {count} | {seconds:.3f} | {done / seconds:,.0f} | "
                f"{alone / seconds:.2f} | {moved / 1e6:.2f} |"
            )
        cpu = times.sum() / done
        text = (
            f"{name}: {cpu * 1e6:.2f} µs of a CPU per row, averages {average * 1e3:.1f} "
            f"ms, one synchronisation {wait * 1e3:.0f} ms."
        )
        notes += ["", text, _terabyte(cpu, average + wait, moved, steps)]
        say(notes[-2])
    return lines + notes


def _terabyte(cpu, rest, moved, steps, count=64):
    """What an epoch of 1 TB needs: as many shards as workers, steps of 4096 rows each."""
    rows = 1e12 / ROW
    per_round = steps * 4096 * count
    rounds = rows / per_round
    wait = rest * count / SHARDS  # one process talks to all
    seconds = rows * cpu / count + rounds * wait
    return (
        f"1 TB is {rows / 1e9:.2f}e9 rows; an epoch takes {rows * cpu / 3600:.1f} hours "
        f"of one CPU. With {count} workers of one thread, as many shards and {steps} steps "
        f"of 4096 rows each in a round: {rounds:,.0f} rounds, {seconds / 3600:.2f} hours, "
        f"{rounds * moved * count / SHARDS / 1e9:.0f} GB moved, "
        f"{1e12 / count / 1e9:.1f} GB of rows in each worker's memory."
    )


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--folder", help="of the files, which stay; default: temporary")
    parser.add_argument("--part", choices=PARTS, help="default: all")
    parser.add_argument("--rows", type=int, default=10**6, help="of the rounds")
    parser.add_argument(
        "--few", type=int, default=1, help="files for the large network"
    )
    parser.add_argument("--seeds", type=int, default=8, help="of the third part")
    parser.add_argument("--markdown", type=Path, help="also write the tables there")
    options = parser.parse_args()
    info = rn.cpu_info()
    head = (
        f"regnet_c {rn.__version__}, {info['isa']}, {info['threads']} threads, "
        f"{platform.machine()}, {date.today()}"
    )
    lines = [head, ""]
    if options.part in (None, "stream"):
        with tempfile.TemporaryDirectory() as folder:
            if options.folder:
                folder = options.folder
                Path(folder).mkdir(parents=True, exist_ok=True)
            paths = write_files(folder, options.gigabytes, options.files)
            lines += [*streams(paths, options.few), ""]
    if options.part in (None, "dask"):
        lines += [*workers(options.rows), ""]
    if options.part in (None, "zeros"):
        lines += agreement(options.rows, options.seeds)
    text = "\n".join(lines)
    say(text)
    if options.markdown:
        options.markdown.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
