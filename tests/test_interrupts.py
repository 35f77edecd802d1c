"""Ctrl-C and signal handlers: answered at once, between two steps, nothing lost.

benchmarks/bench_interrupt.py measures the time to the answer.
"""

import contextlib
import functools
import itertools
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from running import (
    LONG_CALLS,
    POSIX,
    bits,
    every_line,
    interrupted_at,
    million_rows,
    network,
    some_data,
    wide_network,
)

import regnet_c as rn
from regnet_c._core import binding, training


@contextlib.contextmanager
def ctrl_c(after):
    """KeyboardInterrupt in `after` CPU seconds; gives [those until the end] at the end."""
    late = []

    def handler(signum, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGPROF, handler)
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, after)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield late
        late.append(time.process_time() - start - after)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@POSIX
@pytest.mark.parametrize("call", LONG_CALLS)
def test_ctrl_c_is_answered_long_before_the_end(call, tmp_path):
    """Every call takes many seconds; the answer takes a twentieth of one."""
    net, x, y = wide_network(), *million_rows()
    net.fit(x[:10], y[:10], 1)
    with ctrl_c(0.1) as late:
        LONG_CALLS[call](net, x, y, tmp_path)
    assert late[0] < 1
    assert all(np.isfinite(w).all() for w in net.get_weights())
    assert not list(tmp_path.iterdir())
    net.fit(x[:10], y[:10], 1)


class Stop(Exception):
    """Raised where a signal could have come."""


def test_an_interrupt_at_any_line_of_fit_loses_and_repeats_nothing(monkeypatch):
    """Wherever it stopped: continuing gives the bits of a run that was never stopped."""
    monkeypatch.setattr(training, "_SLICE_SECONDS", 0.0)  # one step per call
    x, y = some_data(60)
    whole, optimizer = network(), rn.Adam(0.01)
    whole.fit(x, y, 3, 25, optimizer)
    lines = every_line(functools.partial(network().fit, x, y, 3, 25, rn.Adam(0.01)))
    for line in lines:
        net, optimizer = network(), rn.Adam(0.01)
        fit = functools.partial(net.fit, x, y, optimizer=optimizer, batch_size=25)
        assert interrupted_at(line, functools.partial(fit, epochs=3), Stop), line
        done = 0 if net._state is None else net._state.progress.epoch
        fit(epochs=3 - done)
        assert bits(net) == bits(whole), line
    assert len(lines) > 500


def test_an_interrupt_at_any_line_of_a_step_takes_it_or_not():
    x, y = some_data(30)
    states = set()
    for line in itertools.count(1, 2):
        net, optimizer = network(), rn.SGD(0.1)
        stopped = interrupted_at(line, lambda: net.train_step(x, y, optimizer), Stop)  # noqa: B023
        states.add(tuple(bits(net)))
        progress = binding.Progress() if net._state is None else net._state.progress
        assert (progress.epoch, progress.row) == (0, 0)
        net.train_step(x, y, optimizer)
        if not stopped:
            break
    assert len(states) == 2


@POSIX
def test_ctrl_c_ends_the_command_with_a_saved_model(tmp_path):
    model = tmp_path / "m"
    command = [
        sys.executable,
        "-u",
        "-m",
        "regnet_c",
        "train",
        "--epochs",
        "100000",
        "--quiet",
    ]
    process = subprocess.Popen(
        [*command, "--output", str(model)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    while not process.stdout.readline().startswith("rows"):  # training comes next
        assert process.poll() is None
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: the model is as it was" in out
    assert rn.Network.load(model).predict(np.zeros((1, 64))).shape == (1, 10)


@POSIX
def test_a_handler_that_saves_gets_a_whole_model(tmp_path):
    """SIGTERM in the middle of training: the handler may save; training continues."""
    net, (x, y) = network(), some_data(20_000)
    paths = []

    def handler(signum, frame):
        paths.append(tmp_path / f"{len(paths)}")
        net.save(paths[-1])

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        net.fit(x, y, 10, 4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert paths
    undisturbed = network()
    undisturbed.fit(x, y, 10, 4)
    assert bits(net) == bits(undisturbed)
    for path in paths:
        rn.Network.load(path)
