"""What else can happen to a process: Ctrl-C, threads, forks, no memory, odd numbers.

Scripts run in processes of their own where a fault would take the tests along.
"""

import contextlib
import ctypes
import ctypes.util
import gc
import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import regnet_c as rn
from regnet_c import _kernels, training

HERE = Path(__file__).parent
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
ANSWER = 0.1  # seconds within which Ctrl-C is answered


def network(dtype="float32", **options):
    """12 -> 20 -> 3 with a penalty and dropout."""
    layers = [
        rn.Dense(12, 20, "tanh", rn.L1(1e-3)),
        rn.Dropout(0.2),
        rn.Dense(20, 3, weight_penalty=rn.GroupLasso(1e-3)),
    ]
    return rn.Network(layers, "softmax_cross_entropy", dtype=dtype, seed=2, **options)


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


@pytest.fixture
def real_threads(monkeypatch):
    """Use as many threads as asked for, however small the network."""
    monkeypatch.setattr(training, "_STEP_WORK", 1)
    monkeypatch.setattr(training, "_CALL_WORK", 1)
    monkeypatch.setattr(training.Crowd, "threads", lambda crowd, wanted: wanted)


def run(script, *arguments, timeout=60, **environment):
    """Run a script in a new process; its output, or a failure with its errors."""
    done = subprocess.run(
        [
            sys.executable,
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


# ---- Ctrl-C ----------------------------------------------------------------------------


@contextlib.contextmanager
def ctrl_c(after):
    """KeyboardInterrupt in `after` seconds; gives [seconds it then took] at the end."""
    handled, late = [], []

    def handler(signum, frame):
        handled.append(time.perf_counter())
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    start = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield late
        late.append(time.perf_counter() - start - after)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def million_rows(width=100):
    """A million rows that take the memory of one."""
    row = np.random.default_rng(0).standard_normal((1, width)).astype(np.float32)
    return np.broadcast_to(row, (10**6, width)), np.broadcast_to(np.int8(1), 10**6)


LONG_CALLS = {
    "fit": lambda net, x, y: net.fit(x, y, 50, 32),
    "fit full batch": lambda net, x, y: net.fit(x, y, 50, len(x)),
    "fit validation": lambda net, x, y: net.fit(
        x[:1], y[:1], 50, validation_data=(x, y)
    ),
    "train_step": lambda net, x, y: net.train_step(x, y, rn.SGD(0.1)),
    "predict": lambda net, x, y: net.predict(x, threads=1),
    "evaluate": lambda net, x, y: net.evaluate(x, y),
    "gradients": lambda net, x, y: net.loss_and_gradients(x, y),
    "diagnose": lambda net, x, y: net.diagnose(x, y),
}


@POSIX
@pytest.mark.parametrize("call", LONG_CALLS)
def test_ctrl_c_is_answered_at_once(call):
    """In the middle of a million rows; other programs may delay one try, not three."""
    net = rn.Network(
        [rn.Dense(100, 400, "relu"), rn.Dense(400, 3)], "softmax_cross_entropy"
    )
    x, y = million_rows()
    times = []
    for after in (0.13, 0.21, 0.29):
        with ctrl_c(after) as late:
            LONG_CALLS[call](net, x, y)
        times += late
        if times[-1] < ANSWER:
            break
    assert min(times) < ANSWER
    assert all(np.isfinite(w).all() for w in net.get_weights())
    net.fit(x[:10], y[:10], 1)


@POSIX
def test_ctrl_c_is_answered_while_looking_for_nan():
    net = rn.Network([rn.Dense(100, 1)])
    x = np.broadcast_to(np.zeros((1, 1), np.float16), (10**8, 100))
    with ctrl_c(0.1) as late, contextlib.suppress(MemoryError):
        rn.arrays.as_source(x, "X", net.dtype)
    assert late[0] < 2 * ANSWER


class Stop(Exception):
    """Raised where a signal could have come."""


def interrupted_at(line, call):
    """Run `call` with Stop at the so-maniest line of the package; True if it came."""
    left = [line]

    def trace(frame, event, argument):
        if "regnet_c" not in frame.f_code.co_filename:
            return None
        frame.f_trace_lines = True
        if event == "line" and not _is_with(frame):
            left[0] -= 1
            if left[0] == 0:
                raise Stop
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Stop:
        return True
    finally:
        sys.settrace(before)
    return False


_sources = {}


def _is_with(frame):
    """At the end of a `with` block its line comes again; no signal is looked for there."""
    name = frame.f_code.co_filename
    if name not in _sources:
        _sources[name] = Path(name).read_text().splitlines()
    line = _sources[name][frame.f_lineno - 1].strip()
    return line.startswith("with ")


def test_an_interrupt_at_any_line_of_fit_loses_and_repeats_nothing(monkeypatch):
    """However far it came: going on gives the bits of a run that was never stopped."""
    monkeypatch.setattr(training, "_SLICE_SECONDS", 0.0)  # one step per call
    x, y = some_data(60)
    whole, optimizer = network(), rn.Adam(0.01)
    whole.fit(x, y, 3, 25, optimizer)
    lines = 0
    for line in itertools.count(1, 3):
        net, optimizer = network(), rn.Adam(0.01)

        def fit(net=net, optimizer=optimizer):
            net.fit(x, y, 3, 25, optimizer)

        if not interrupted_at(line, fit):
            break
        lines += 1
        done = 0 if net._state is None else net._state.epoch
        net.fit(x, y, 3 - done, 25, optimizer)
        assert bits(net) == bits(whole), line
    assert lines > 100


def test_an_interrupt_at_any_line_of_a_step_takes_it_or_not():
    x, y = some_data(30)
    states = set()
    for line in itertools.count(1, 2):
        net, optimizer = network(), rn.SGD(0.1)
        stopped = interrupted_at(line, lambda: net.train_step(x, y, optimizer))  # noqa: B023
        states.add(tuple(bits(net)))
        assert net._state is None or net._state.position == (0, 0)
        net.train_step(x, y, optimizer)
        if not stopped:
            break
    assert len(states) == 2


@POSIX
def test_ctrl_c_ends_the_command_with_a_saved_model(tmp_path):
    model = tmp_path / "m"
    command = [
        sys.executable,
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
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: the model is as it was" in out
    assert rn.Network.load(model).predict(np.zeros((1, 64))).shape == (1, 10)


@POSIX
def test_a_handler_that_saves_gets_a_whole_model(tmp_path):
    """SIGTERM in the middle of training: the handler may save; training goes on."""
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


# ---- threads ---------------------------------------------------------------------------


def in_threads(count, call):
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
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]
    return results


def test_eight_threads_predict_with_one_model(real_threads):
    net, (x, _) = network(), some_data(3000)
    want = net.predict(x).tobytes()

    def predict(number):
        return {net.predict(x, threads=1 + number % 3).tobytes() for _ in range(20)}

    assert in_threads(8, predict) == [{want}] * 8


def test_threads_train_models_of_their_own(real_threads):
    want = trained_bits(threads=1)
    assert in_threads(4, lambda number: trained_bits(1 + number)) == [want] * 4


def test_of_threads_that_train_one_model_one_succeeds():
    net, (x, y) = network(), some_data(20_000)

    def train(number):
        try:
            net.fit(x, y, 2, 8)
        except RuntimeError as error:
            assert "another thread is training this network" in str(error)
            return "refused"
        return "trained"

    results = in_threads(4, train)
    assert results.count("trained") >= 1 and results.count("refused") >= 1
    other = network()
    for _ in range(results.count("trained")):
        other.fit(x, y, 2, 8)
    assert bits(net) == bits(other)


def test_no_thread_gets_weights_in_the_middle_of_a_step(tmp_path):
    """get_weights, set_weights and save refuse; a callback may use them."""
    net, (x, y) = network(), some_data(2000)
    weights, failures = net.get_weights(), []
    calls = {
        "get_weights": net.get_weights,
        "set_weights": lambda: net.set_weights(weights),
        "save": lambda: net.save(tmp_path / "m"),
        "train_step": lambda: net.train_step(x, y, rn.SGD(0.1)),
    }

    def attempt():
        for name, call in calls.items():
            try:
                call()
            except RuntimeError as error:
                assert "another thread is training" in str(error)
                failures.append(name)

    class Ask(rn.Callback):
        def on_epoch_end(self, epoch, logs):
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join(30)
            net.set_weights(net.get_weights())
            net.save(tmp_path / "mine")
            with pytest.raises(RuntimeError, match="is being trained, by the call"):
                net.fit(x, y, 1)

    net.fit(x, y, 1, callbacks=[Ask()])
    assert failures == list(calls) and not (tmp_path / "m").exists()
    attempt()
    assert failures == list(calls)


def test_callbacks_that_fail_leave_a_network_that_works():
    class Fail(rn.Callback):
        def __init__(self, where, error):
            self.where, self.error = where, error

        def _maybe(self, name):
            if name == self.where:
                raise self.error

        def on_train_begin(self, network):
            self._maybe("begin")

        def on_epoch_end(self, epoch, logs):
            self._maybe("epoch")

        def on_train_end(self):
            self._maybe("end")

    x, y = some_data()
    for where, error in itertools.product(
        ("begin", "epoch", "end"), (KeyboardInterrupt, SystemExit, ZeroDivisionError)
    ):
        net, optimizer = network(), rn.Adam()
        with pytest.raises(error):
            net.fit(x, y, 1, 50, optimizer, callbacks=[Fail(where, error)])
        net.fit(x, y, 2 - net._state.epoch, 50, optimizer)
        assert bits(net) == trained_bits()


# ---- processes -------------------------------------------------------------------------


def _child(queue, threads):
    queue.put(trained_bits(threads))


@POSIX
def test_parent_and_child_both_train_after_a_fork(real_threads):
    want = trained_bits(threads=3)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, b"y" if trained_bits(threads=3) == want else b"n")
        finally:
            os._exit(0)
    os.close(writer)
    assert trained_bits(threads=3) == want
    with os.fdopen(reader, "rb") as file:
        assert file.read() == b"y"
    os.waitpid(child, 0)


@POSIX
@pytest.mark.filterwarnings("ignore:This process")
def test_a_fork_during_training_leaves_two_processes_that_work(real_threads):
    """Another thread trains at that moment: its network is refused, others are not."""
    want, (x, y) = trained_bits(threads=2), some_data(20_000)
    net, stop = network(), threading.Event()

    class Until(rn.Callback):
        def on_epoch_end(self, epoch, logs):
            return stop.is_set()

    options = {"epochs": 10**6, "batch_size": 8, "threads": 2, "callbacks": [Until()]}
    thread = threading.Thread(target=net.fit, args=(x, y), kwargs=options)
    thread.start()
    time.sleep(0.2)
    try:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with pytest.raises(RuntimeError, match="another thread"):
                    net.fit(x, y, 1)
                with pytest.raises(RuntimeError, match="another thread"):
                    net.get_weights()
                status = 0 if trained_bits(threads=2) == want else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join(60)
    assert trained_bits(threads=2) == want


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_multiprocessing(method, monkeypatch):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    want = trained_bits(threads=2)
    script = f"""
        import multiprocessing, sys
        sys.path.insert(0, {str(HERE)!r})
        import test_runtime
        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            test_runtime.trained_bits(threads=2)
            queue = context.Queue()
            args = queue, 2
            children = [
                context.Process(target=test_runtime._child, args=args) for _ in range(2)
            ]
            for child in children: child.start()
            results = [queue.get(timeout=50) for _ in children]
            for child in children: child.join()
            assert results[0] == results[1] == test_runtime.trained_bits(threads=2)
            print(hash(results[0][0]))
    """
    assert run(script, PYTHONHASHSEED="0").strip()
    assert trained_bits(threads=2) == want


def _train_on(x, y):
    assert not x.flags.writeable and isinstance(x, np.memmap)
    net = network()
    net.fit(x, y, 2, 50)
    return bits(net)


def test_joblib_with_read_only_memory_maps():
    joblib = pytest.importorskip("joblib")
    x, y = some_data(20_000)
    net = network()
    net.fit(x, y, 2, 50)
    script = f"""
        import sys; sys.path.insert(0, {str(HERE)!r})
        import joblib, test_runtime
        x, y = test_runtime.some_data(20_000)
        work = joblib.delayed(test_runtime._train_on)
        results = joblib.Parallel(2, max_nbytes=1000)(work(x, y) for _ in range(3))
        net = test_runtime.network()
        net.fit(x, y, 2, 50)
        assert all(r == test_runtime.bits(net) for r in results)
    """
    assert (
        joblib and run(script, PYTHONPATH=os.pathsep.join([str(HERE), *sys.path])) == ""
    )


EXITS = {
    "end of the script": "",
    "sys.exit": "sys.exit(0)",
    "os._exit": "os._exit(0)",
    "exit while predicting": "T(target=lambda: [net.predict(x) for _ in range(10**6)],"
    " daemon=True).start(); time.sleep(0.1)",
}


@pytest.mark.parametrize("end", EXITS)
def test_the_interpreter_may_end_while_threads_train(end):
    script = f"""
        import os, sys, threading, time
        sys.path.insert(0, {str(HERE)!r})
        import test_runtime
        T = threading.Thread
        for i in range(3):
            net, (x, y) = test_runtime.network(), test_runtime.some_data(20_000)
            T(target=net.fit, args=(x, y, 10**6, 4), daemon=True).start()
        time.sleep(0.3)
        {EXITS[end]}
    """
    run(script)


def test_sub_interpreters_are_refused_or_work():
    """An ImportError in the sub-interpreter, and the main one trains as before."""
    script = f"""
        import sys; sys.path.insert(0, {str(HERE)!r})
        import test_runtime
        try:
            import _xxsubinterpreters as sub
        except ImportError:
            import _interpreters as sub
        want = test_runtime.trained_bits()
        one = sub.create()
        code = "import sys; sys.path[:] = %r\\nimport regnet_c" % (sys.path,)
        try:
            print(sub.run_string(one, code) or "")
        except Exception as error:
            print(error)
        sub.destroy(one)
        assert test_runtime.trained_bits() == want
        print("alive")
    """
    out = run(script)
    assert out.endswith("alive\n")
    assert out == "\nalive\n" or "Error" in out


# ---- no memory, no threads -------------------------------------------------------------


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """failing_memory.c as a library to preload."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not (compiler and sys.platform == "linux"):
        pytest.skip("needs a C compiler and glibc")
    if os.environ.get("LD_PRELOAD"):
        pytest.skip("another library is preloaded")
    path = tmp_path_factory.mktemp("shim") / "failing_memory.so"
    source = HERE / "failing_memory.c"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", path, source, "-ldl"], check=True
    )
    return str(path)


FAILING = """
    import ctypes, gc, os, sys, traceback
    sys.path.insert(0, {here!r})
    import numpy as np
    import test_runtime as t
    from regnet_c import Network, Adam, training

    training._STEP_WORK = training._CALL_WORK = 1
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    shim.fail_live.restype = ctypes.c_longlong
    path = sys.argv[1]
    x, y = t.some_data(300)
    net, optimizer = t.network(), Adam()
    weight = np.ones(300)
    data = x, y, weight
    calls = dict(
        build=t.network,
        fit=lambda: net.fit(
            x, y, 2, 70, optimizer, weight, validation_data=data, threads=3
        ),
        predict=lambda: net.predict(x, threads=3),
        evaluate=lambda: net.evaluate(x, y),
        gradients=lambda: net.loss_and_gradients(x, y),
        train_step=lambda: net.train_step(x, y, optimizer),
        save=lambda: net.save(path),
        load=lambda: Network.load(path),
    )
    want = t.trained_bits()

    def numpys_or_pythons(error):
        # NumPy's reductions forget to say MemoryError, Python's files call it a lock
        last = traceback.extract_tb(error.__traceback__)[-1]
        return (
            isinstance(error, SystemError) and "without" in str(error)
            or "lock" in str(error) and "open" in last.line
        )

    def fail_each(call):
        for k in range(10**6):
            error = None
            shim.fail_arm(k)
            try:
                call()
            except MemoryError:
                error = True
            except Exception as other:
                shim.fail_disarm()
                assert numpys_or_pythons(other), traceback.format_exc()
                error = True
            made = shim.fail_disarm()
            if made <= k:
                assert error is None
                return k
            if error is None:
                survived.append(k)
            assert all(np.isfinite(w).all() for w in net.get_weights())

    for name, call in calls.items():
        survived = []
        call()
        count = fail_each(call)
        fail_each(call)
        gc.collect()
        live = shim.fail_live()
        for _ in range(3):
            fail_each(call)
        gc.collect()
        print(name, count, len(survived), shim.fail_live() - live)
        assert t.trained_bits() == want
"""


def test_every_allocation_may_fail(shim, tmp_path):
    """MemoryError, no leak, and the next fit has the same bits."""
    out = run(FAILING.format(here=str(HERE)), str(tmp_path / "m"), LD_PRELOAD=shim)
    rows = [line.split() for line in out.splitlines()]
    assert len(rows) == 8
    for name, failures, _, grown in rows:
        assert int(failures) > 0, name
        assert int(grown) < 4096, (name, grown)


def test_refused_threads_are_done_without(shim, tmp_path):
    """A call survives when the system starts no thread, with the same bits."""
    script = f"""
        import ctypes, os, sys
        sys.path.insert(0, {str(HERE)!r})
        import test_runtime as t
        from regnet_c import training
        training._STEP_WORK = training._CALL_WORK = 1
        want = t.trained_bits(threads=1)
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (2**29 + 2**28, -1))
        assert t.trained_bits(threads=250) == want
    """
    run(script)


# ---- numbers ---------------------------------------------------------------------------

LOSSES = ["softmax_cross_entropy", "binary_cross_entropy", "mse", "huber", "poisson"]
OPTIMIZERS = {
    "sgd": rn.SGD,
    "momentum": lambda rate: rn.SGD(rate, momentum=0.9),
    "adagrad": rn.Adagrad,
    "rmsprop": rn.RMSprop,
    "adam": rn.Adam,
    "adamw": rn.AdamW,
}


def finite_or_error(net, call):
    """The call works or diverges; either way the model is finite and predicts."""
    error = None
    try:
        call()
    except rn.DivergenceError as diverged:
        error = diverged
        assert "not finite" in str(diverged)
    assert all(np.isfinite(w).all() for w in net.get_weights())
    return error


@pytest.mark.parametrize("scale", [1e-310, 1e-40, 1e-30, 1e4, 1e19, 1e38, 1e154, 1e308])
@pytest.mark.parametrize("loss", LOSSES)
def test_features_of_any_size_give_a_finite_model_or_an_error(loss, scale, dtype):
    x = np.where(np.arange(120).reshape(20, 6) % 3 == 1, -scale, scale)
    y = (np.arange(60).reshape(20, 3) % 3 == 1).astype(float)
    for name, activation in itertools.product(OPTIMIZERS, ("relu", "tanh", "identity")):
        net = rn.Network(
            [rn.Dense(6, 5, activation), rn.Dense(5, 3)], loss, dtype.name, seed=1
        )
        if scale > float(np.finfo(dtype).max):
            with pytest.raises(ValueError, match="too large for float32"):
                net.fit(x, y)
            continue
        finite_or_error(net, lambda: net.fit(x, y, 3, 7, OPTIMIZERS[name](0.1)))  # noqa: B023
        try:
            assert not np.isnan(net.predict(x)).any()
            assert not np.isnan(net.evaluate(x, y)["loss"])
        except OverflowError as error:
            assert "overflow" in str(error)
            assert scale >= 1e4


@pytest.mark.parametrize("rate", [1e300, 1e40, 1e10, 1e-300])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_any_learning_rate_gives_a_finite_model_or_an_error(kind, rate, dtype):
    x, y = some_data(100)
    for epochs, batch, penalty in itertools.product(
        (1, 3), (100, 30), (None, rn.L1(0.1), rn.L2(0.1), rn.GroupLasso(0.1))
    ):
        layers = [rn.Dense(12, 7, "relu", penalty), rn.Dense(7, 3, "identity", penalty)]
        net = rn.Network(layers, "softmax_cross_entropy", dtype.name)
        optimizer = OPTIMIZERS[kind](rate)
        finite_or_error(net, lambda: net.fit(x, y, epochs, batch, optimizer))  # noqa: B023
        before = bits(net)
        error = finite_or_error(net, lambda: net.train_step(x, y, optimizer))  # noqa: B023
        if error and "put back" in str(error):
            assert bits(net) == before
        finite_or_error(net, lambda: net.fit(x, y, 1, batch, optimizer))  # noqa: B023


def test_a_last_step_into_infinity_is_noticed():
    """No batch comes after it that could have a loss that is not finite."""
    x, y = some_data(50)
    net, optimizer = network(), rn.SGD(1e300)
    before = bits(net)
    with pytest.raises(rn.DivergenceError, match="a weight is not finite.*put back"):
        net.fit(x, y, 1, 50, optimizer)
    assert bits(net) == before
    net.fit(x, y, 2, 50, rn.Adam())
    want = network()
    want.fit(x, y, 2, 50, rn.Adam())
    assert bits(net) == bits(want)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_divergence_does_not_poison_the_optimiser(kind, dtype):
    """Moments that became infinite are forgotten: the same object trains again."""
    x, y = some_data(50)
    targets, huge = np.eye(3)[y], float(np.finfo(dtype).max) ** 0.6
    net, optimizer = (
        rn.Network([rn.Dense(12, 3)], dtype=dtype.name),
        OPTIMIZERS[kind](0.01),
    )
    net.fit(x, targets, 1, 10, optimizer)
    with pytest.raises(rn.DivergenceError):
        net.fit(huge * x, huge * targets, 9, 50, optimizer)
    before = net.evaluate(x, targets)["loss"]
    net.fit(x, targets, 20, 10, optimizer)
    assert net.evaluate(x, targets)["loss"] < before


@pytest.mark.parametrize("logit", [1e4, -1e4, 88.8, -104, 710, -746, 3e38])
def test_extreme_logits_have_finite_losses(logit, dtype):
    with np.errstate(over="ignore"):
        z = np.array([[logit, 0, -logit], [0, logit, 0]], dtype)
    for loss in ("softmax_cross_entropy", "binary_cross_entropy"):
        for y in (
            np.array([[1.0, 0, 0], [0, 0, 1]]),
            np.array([[0.0, 0, 1], [0, 1, 0]]),
        ):
            rows, dz = rn.kernels.loss_rows(loss, z, y.astype(dtype))
            assert np.isfinite(rows).all() or abs(logit) > 1e38
            assert np.isfinite(dz).all() and np.abs(dz).max() <= 1
    p = rn.kernels.softmax_forward(z)
    assert np.isfinite(p).all() and (p.sum(axis=1) == 1).all()


def test_probabilities_of_zero_and_one_are_targets_and_predictions(dtype):
    """A network sure of itself is exactly right or pays its logit."""
    net = rn.Network([rn.Dense(1, 2)], "binary_cross_entropy", dtype.name)
    net.set_weights([[[1e4, -1e4]], [0, 0]])
    np.testing.assert_array_equal(net.predict([[1.0]]), [[1, 0]])
    right = net.evaluate([[1.0]], [[1, 0]])
    wrong = net.evaluate([[1.0]], [[0, 1]])
    assert right["loss"] == 0 and right["accuracy"] == 1
    assert wrong["loss"] == pytest.approx(2e4) and wrong["accuracy"] == 0
    net.fit([[1.0]], [[0, 1]], 3, optimizer=rn.SGD(0.1))
    assert all(np.isfinite(w).all() for w in net.get_weights())


# ---- denormal numbers and the floating-point mode --------------------------------------


def step_seconds(x, y, steps, net=None):
    """Process time per step; a small network, one thread."""
    if net is None:
        net = rn.Network([rn.Dense(40, 60, "tanh"), rn.Dense(60, 2)], dtype="float64")
    optimizer = net._state.optimizer if net._state else rn.SGD(1e-3)
    epochs = max(1, steps * 16 // len(x))
    start = time.process_time()
    net.fit(x, y, epochs, 16, optimizer, threads=1)
    return (time.process_time() - start) / steps


def ratio(one, other, tries=7):
    """Best time of one() by the best of other(), measured in turns."""
    times = [(one(), other()) for _ in range(tries)]
    return min(t for t, _ in times) / min(t for _, t in times)


def test_denormal_features_cost_no_time():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((640, 40)), rng.standard_normal((640, 2))
    for scale in (1e-310, 1e-318):
        slower = ratio(
            lambda: step_seconds(x * scale, y, 400),  # noqa: B023
            lambda: step_seconds(x, y, 400),
        )
        assert slower < 1.2


def test_strong_l1_for_100_000_steps_costs_no_time():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 8)), rng.standard_normal((64, 2))
    for rule in ("cumulative", "subgradient"):
        layers = [rn.Dense(8, 8, "tanh", rn.L1(0.5, rule)), rn.Dense(8, 2)]
        net = rn.Network(layers, dtype="float64")
        late = rn.Network(layers, dtype="float64")
        late.fit(x, y, 25_000, 16, rn.SGD(1e-3, momentum=0.9), threads=1)
        assert late._state.step == 100_000

        def fresh(net=net):
            net._state = None
            net.fit(x, y, 1, 16, rn.SGD(1e-3, momentum=0.9), threads=1)
            return step_seconds(x, y, 8000, net=net)

        assert ratio(lambda: step_seconds(x, y, 8000, net=late), fresh, 4) < 1.2  # noqa: B023


def floating_point_mode():
    """The control words of this thread, without the flags that say what has happened."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    environment = (ctypes.c_uint8 * 64)()
    libm.fegetenv(environment)
    control = bytes(environment[:2])  # of the x87
    mxcsr = int.from_bytes(bytes(environment[28:32]), "little") & ~0x3F
    return control, mxcsr


@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="x86-64 Linux"
)
def test_no_call_changes_the_floating_point_mode(isa, tmp_path, real_threads):
    net, (x, y) = network(), some_data(300)
    before = floating_point_mode()
    assert before[1] & 0x8040 == 0
    calls = {
        "fit": lambda: net.fit(x, y, 1, threads=2),
        "diverge": lambda: net.fit(1e30 * x, y, 5, 50, rn.SGD(1e30)),
        "refuse": lambda: net.fit(x * np.nan, y),
        "predict": lambda: net.predict(x, threads=2),
        "one row": lambda: net.predict(x[:1]),
        "evaluate": lambda: net.evaluate(x, y),
        "gradients": lambda: net.loss_and_gradients(x, y),
        "step": lambda: net.train_step(x, y, rn.SGD(0.1)),
        "diagnose": lambda: net.diagnose(x, y),
        "save": lambda: net.save(tmp_path / "m"),
        "load": lambda: rn.Network.load(tmp_path / "m"),
        "exp": lambda: rn.kernels.exp(x),
        "dense": lambda: rn.kernels.dense_forward(x, x.T),
        "update": lambda: rn.kernels.update(np.ones(9), np.ones(9), "adam", {}),
    }
    for name, call in calls.items():
        with contextlib.suppress(ValueError, rn.DivergenceError):
            call()
        assert floating_point_mode() == before, name


# ---- the same bits, as a matrix --------------------------------------------------------


class InterruptEvery:
    """Stands for the progress bar; Ctrl-C at every so-maniest look."""

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


def after_200_steps(dtype, threads, interrupted, monkeypatch):
    net, (x, y) = network(dtype), some_data(1000)
    optimizer, left = rn.Adam(0.01), 10
    if interrupted:
        bar = InterruptEvery(7)
        monkeypatch.setattr("regnet_c.network.Progress", lambda *args: bar)
        monkeypatch.setattr(training, "_SLICE_SECONDS", 0.0)
    stops = 0
    while left:
        try:
            net.fit(x, y, left, 50, optimizer, threads=threads)
        except KeyboardInterrupt:
            stops += 1
        left = 10 - net._state.epoch
    monkeypatch.undo()
    assert net._state.step == 200 and (stops > 10) == interrupted
    return bits(net)


@pytest.mark.parametrize("interrupted", [False, True], ids=["straight", "interrupted"])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_200_steps_have_the_same_bits(threads, interrupted, dtype, each_fused_isa):
    if "want" not in _matrix.setdefault(dtype.name, {}):
        with pytest.MonkeyPatch.context() as patch:
            _matrix[dtype.name]["want"] = after_200_steps(dtype.name, 1, False, patch)

    def one():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "_STEP_WORK", 1)
            patch.setattr(training, "_CALL_WORK", 1)
            patch.setattr(training.Crowd, "threads", lambda crowd, wanted: wanted)
            return after_200_steps(dtype.name, threads, interrupted, patch)

    results = each_fused_isa(one)
    assert results and all(r == _matrix[dtype.name]["want"] for r in results.values())


_matrix = {}


# ---- a soak ----------------------------------------------------------------------------


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_thousands_of_small_fits_need_no_more_memory():
    """tools/soak.py does it 100 000 times."""
    x, y = some_data(20)

    def once():
        net = network()
        net.fit(x, y, 1)
        net.predict(x)
        with pytest.raises(ValueError, match="columns"):
            net.fit(x[:, :3], y)

    for _ in range(500):
        once()
    gc.collect()
    before = resident_bytes()
    for _ in range(3000):
        once()
    gc.collect()
    assert resident_bytes() - before < 2**20
    assert _kernels.current_isa()
