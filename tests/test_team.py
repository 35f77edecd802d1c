"""The team of threads: the program tests/team.c, and what a fit guarantees of it."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from running import bits, run_python, threads_of_this_process

import regnet_c as rn

HERE = Path(__file__).parent
CC = shutil.which("cc")


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """The path of the compiled program."""
    if CC is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and /proc")
    program = tmp_path_factory.mktemp("team") / "team"
    csrc = HERE.parent / "csrc"
    sources = [str(HERE / "team.c"), str(csrc / "rn_threads.c")]
    flags = ["-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{csrc}"]
    command = [CC, *flags, *sources, "-pthread", "-o", str(program)]
    subprocess.run(command, check=True)
    return program


@pytest.mark.parametrize("check", ["meetings", "callers", "forks", "idle", "exit"])
def test_team_without_python(team, check):
    done = subprocess.run([team, check], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


EXITS = """
import sys, threading, time
import numpy as np
import regnet_c as rn
from regnet_c._core import team
team.useful_threads = lambda plan, threads, *rest: threads
x = np.ones((20_000, 30), "f4")
net = rn.Network([rn.Dense(30, 20, activation="tanh"), rn.Dense(20, 2)], seed=1,
                 loss="squared_error")
net.fit(x, x[:, :2], 1, 5_000, rn.SGD(1e-3), threads=2)
work = lambda: net.fit(x, x[:, :2], 10_000, 5_000, rn.SGD(1e-3), threads=2)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
sys.exit(7)
"""


def test_program_ends_while_a_daemon_thread_trains(tmp_path):
    done = run_python(EXITS, tmp_path)
    assert (done.returncode, done.stderr) == (7, "")


UPWARD = {"x86_64": 0x800, "aarch64": 0x400000}  # FE_UPWARD of fenv.h


def test_rounding_mode_of_the_caller_changes_no_bit_and_stays(rng, monkeypatch):
    """The team's threads have another one: bits would depend on who does what."""
    machine = os.uname().machine if hasattr(os, "uname") else ""
    if machine not in UPWARD or not sys.platform.startswith("linux"):
        pytest.skip("needs the value of FE_UPWARD")
    monkeypatch.setattr(
        rn._core.team, "useful_threads", lambda plan, threads, *_: threads
    )
    libm = ctypes.CDLL("libm.so.6")
    x = rng.standard_normal((640, 24)).astype("f4")
    upward = UPWARD[machine]

    def trained(mode, threads):
        layers = [rn.Dense(24, 17, activation="gelu"), rn.Dense(17, 3)]
        net = rn.Network(layers, loss="squared_error", seed=3)
        libm.fesetround(mode)
        try:
            net.fit(x, x[:, :3], 3, 160, rn.SGD(0.1), threads=threads)
            prediction = net.predict(x)
            mode_after = libm.fegetround()
        finally:
            libm.fesetround(0)
        assert mode_after == mode
        return b"".join(
            np.ascontiguousarray(a) for a in [*net.get_weights(), prediction]
        )

    want = trained(0, 1)
    for threads in (1, 2, 3):
        assert trained(upward, threads) == want


def test_sixteen_threads_have_the_bits_of_one(real_threads, rng):
    """More threads than CPUs, rows, units or pieces to share."""
    x = rng.standard_normal((700, 24)).astype("f4")
    x[rng.random(x.shape) < 0.8] = 0

    def trained(threads, n, batch_size, dropout, members):
        first = rn.Dense(24, 37, "tanh", rn.SparseGroupLasso(1e-3, 1e-3, "inputs"))
        layers = [first, rn.Dropout(dropout), rn.Dense(37, 3)]
        net = rn.Network(layers, loss="squared_error", seed=3, members=members)
        net.fit(x[:n], x[:n, :3], 3, batch_size, rn.Adam(0.01), threads=threads)
        return [*bits(net), net.predict(x, threads=threads).tobytes()]

    alone = [(210, 7, 0.0, 1), (700, 320, 0.3, 1), (700, 700, 0.0, 1)]
    for settings in (*alone, (700, 100, 0.3, 5)):
        assert trained(16, *settings) == trained(1, *settings)
    if sys.platform.startswith("linux"):
        assert len(threads_of_this_process()) >= 16


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two CPUs and to choose among them",
)
def test_threads_that_part_may_use_all_cpus_again(real_threads):
    """They begin on one CPU, from which a member of the team moves away."""
    tasks = lambda: [int(task) for task in os.listdir("/proc/self/task")]  # noqa: E731
    own = {task: os.sched_getaffinity(task) for task in tasks()}
    x = np.ones((2_000, 300), "f4")
    net = rn.Network([rn.Dense(300, 300), rn.Dense(300, 2)], "squared_error", seed=1)
    for cpus in ({min(own[os.getpid()])}, own[os.getpid()]):
        for task in tasks():
            os.sched_setaffinity(task, cpus if len(cpus) == 1 else own.get(task, cpus))
        net.fit(x, x[:, :2], 3, 100, rn.SGD(1e-6), threads=2)
    assert all(own.get(task, cpus) == os.sched_getaffinity(task) for task in tasks())
