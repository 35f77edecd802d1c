"""What tests share: small networks and data, new processes, threads, interruptions."""

import collections
import functools
import itertools
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import regnet_c as rn
from regnet_c._core import team

HERE = Path(__file__).parent
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def network(dtype="float32", **options):
    """12 -> 20 -> 3 with penalties, a dropout schedule, smoothed labels, rate factors."""
    layers = [
        rn.Dense(12, 20, "tanh", rn.L1(1e-3), learning_rate_factor=0.7),
        rn.Dropout(rn.schedules.LinearDecay(0.2, 3)),
        rn.Dense(20, 3, weight_penalty=rn.GroupLasso(1e-3)),
    ]
    loss = rn.Loss("softmax_cross_entropy", label_smoothing=0.1)
    return rn.Network(layers, loss, dtype=dtype, seed=2, **options)


def some_data(n=500):
    rng = np.random.default_rng(4)
    return rng.standard_normal((n, 12)), rng.integers(0, 3, n)


def bits(net):
    return [w.tobytes() for w in net.get_weights()]


def trained_bits(threads=None, epochs=2):
    """What a fresh network becomes, in this process and now."""
    net = network()
    net.fit(*some_data(), epochs=epochs, batch_size=50, threads=threads)
    return bits(net)


def use_real_threads(set_attribute=setattr):
    """Use as many threads as asked for, however small the network and busy the CPUs."""
    set_attribute(team, "_STEP_WORK", 1)
    set_attribute(team, "_CALL_WORK", 1)
    set_attribute(team.Pace, "threads", property(lambda pace: pace._most))


def threads_of_this_process():
    """Numbers of its threads as the system sees them (Linux)."""
    return set(os.listdir("/proc/self/task"))


def all_pairs(**values):
    """Few of all combinations, such that every pair of values of two names is in one.

    Greedy: the combination with the most new pairs is next, the first of equals.
    """
    choices, sizes = (
        [list(v) for v in values.values()],
        [len(v) for v in values.values()],
    )
    rows = np.indices(sizes).reshape(
        len(sizes), -1
    )  # of each name: which of its values
    pairs, count = [], 0  # of each two names: the number of the pair in a combination
    for i, j in itertools.combinations(range(len(sizes)), 2):
        pairs.append(count + rows[i] * sizes[j] + rows[j])
        count += sizes[i] * sizes[j]
    pairs, missing, chosen = np.transpose(pairs), np.ones(count, bool), []
    while missing.any():
        best = missing[pairs].sum(axis=1).argmax()
        missing[pairs[best]] = False
        chosen.append(tuple(c[k] for c, k in zip(choices, rows[:, best], strict=True)))
    return chosen


def run(script, *arguments, timeout=60, **environment):
    """Run a script in a new process; its output, or a failure with its errors."""
    done = subprocess.run(
        [
            sys.executable,
            "-P",  # not the folder of the sources
            "-X",
            "faulthandler",
            "-c",
            textwrap.dedent(script),
            *arguments,
        ],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def run_python(code, folder, **environment):
    """A new process in `folder`, as it ended: not that of the sources, which would
    shadow the package."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def in_threads(count, call, seconds=60):
    """Results of call(0), ..., call(count - 1), all at once; errors are raised."""
    results, errors = [None] * count, []
    barrier = threading.Barrier(count)

    def work(number):
        try:
            barrier.wait(30)
            results[number] = call(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive()
    if errors:
        raise errors[0]
    return results


# ---- interruptions and comparisons ------------------------------------------------------

PACKAGE = str(Path(rn.__file__).parent)
_withs = {}  # file -> its lines that begin a `with`


def _is_with(frame):
    """At the end of a `with` block its line comes again; no signal is looked for there."""
    name = frame.f_code.co_filename
    if name not in _withs:
        lines = enumerate(Path(name).read_text().splitlines(), 1)
        _withs[name] = {n for n, line in lines if line.strip().startswith("with ")}
    return frame.f_lineno in _withs[name]


@functools.cache
def _lines(code):
    return {line for _, _, line in code.co_lines()}


def _call_by_lines(call, on_line, place=None):
    """Run `call`, and on_line(file, line) before each line of the package, or before the
    line of `place` (file, line) alone, which leaves the other functions their speed."""

    def trace(frame, event, argument):
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE):
            return None
        if place and (name != place[0] or place[1] not in _lines(frame.f_code)):
            return None
        if event == "line" and not _is_with(frame):
            on_line(name, frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)


def interrupted_at(line, call, error=KeyboardInterrupt):
    """Run `call` with `error` raised at a line of the package; True if it was.

    The line is the n-th that runs, or one of `every_line`.
    """
    *place, left = line if isinstance(line, tuple) else (line,)

    def count(*here):
        nonlocal left
        left -= not place or here == tuple(place)
        if left == 0:
            raise error

    try:
        _call_by_lines(call, count, place)
    except error:
        return True
    return False


def every_line(call):
    """For `interrupted_at`: (file, line, n) of each line of the package's text that `call`
    runs.

    A line that runs often is taken the first time, another one the second time, ...
    """
    runs = collections.Counter()
    _call_by_lines(call, lambda *place: runs.update([place]))
    return [(*place, i % n + 1) for i, (place, n) in enumerate(runs.items())]


def ulps(got, want, scale=None):
    """Largest |got - want| in units of the last place of `scale` (default: want).

    Denormal numbers count as zero.
    """
    tiny = np.finfo(want.dtype).tiny
    got, want = (np.where(np.abs(y) < tiny, 0, y) for y in (got, want))
    size = np.abs(want if scale is None else scale).astype(want.dtype)
    unit = np.spacing(np.maximum(size, tiny))
    return float((np.abs(got.astype(np.float64) - want) / unit).max())


# ---- calls that take long --------------------------------------------------------------


def wide_network():
    """100 -> 1500 -> 3: a million rows keep it busy for many seconds."""
    layers = [rn.Dense(100, 1500, "relu"), rn.Dense(1500, 3)]
    return rn.Network(layers, "softmax_cross_entropy")


def million_rows(width=100):
    """A million rows that take the memory of one, and their labels."""
    row = np.random.default_rng(0).standard_normal((1, width)).astype(np.float32)
    return np.broadcast_to(row, (10**6, width)), np.broadcast_to(np.int8(1), 10**6)


def _exported():
    """A network of five million weights."""
    return rn.Network([rn.Dense(1200, 2000, "relu"), rn.Dense(2000, 1300)])


def _compacted():
    """A network with a linear layer that takes 10^10 multiply-adds to merge."""
    return rn.Network([rn.Dense(1500, 3000), rn.Dense(3000, 1500)])


def _square():
    """A network whose rows take much longer than their memory is large."""
    layers = [rn.Dense(1500, 1500, "relu"), rn.Dense(1500, 3)]
    return rn.Network(layers, "softmax_cross_entropy")


# name -> call(network, X, y, folder)
LONG_CALLS = {
    "fit": lambda net, x, y, folder: net.fit(x, y, 50, 32),
    "fit full batch": lambda net, x, y, folder: net.fit(x, y, 50, len(x)),
    "validation": lambda net, x, y, folder: net.fit(
        x[:1], y[:1], 50, validation_data=(x, y)
    ),
    "train_step": lambda net, x, y, folder: net.train_step(x, y, rn.SGD(0.1)),
    "predict": lambda net, x, y, folder: net.predict(
        np.broadcast_to(x[:1], (3 * 10**6, x.shape[1])), threads=1
    ),
    "predict unaligned": lambda net, x, y, folder: net.predict(unaligned(x)),
    "evaluate": lambda net, x, y, folder: net.evaluate(x, y),
    "gradients": lambda net, x, y, folder: net.loss_and_gradients(x, y),
    "diagnose": lambda net, x, y, folder: net.diagnose(x, y),
    "check": lambda net, x, y, folder: rn._core.data.Data(
        np.broadcast_to(np.float16(1), (10**9, 100)), None, None, None, net.dtype
    ),
    "to_c": lambda net, x, y, folder: _exported().to_c(folder / "m.c"),
    "calibration": lambda net, x, y, folder: _square().to_c(
        folder / "m.c", "int8", calibration=(million_rows(1500)[0][: 10**5], y[: 10**5])
    ),
    "compact": lambda net, x, y, folder: _compacted().compact(),
}


def unaligned(x):
    """The rows in records of which no number is aligned."""
    record = np.dtype(
        {"names": ["v"], "formats": [(x.dtype, x.shape[1])], "offsets": [1]}
    )
    records = np.zeros(1, record)
    records["v"] = x[0]
    return np.broadcast_to(records, len(x))["v"]
