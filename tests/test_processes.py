"""Forks, multiprocessing, joblib, ends of interpreters, sub-interpreters."""

import multiprocessing
import os
import sys
import threading
import time

import numpy as np
import pytest
from running import (
    HERE,
    POSIX,
    bits,
    network,
    run,
    some_data,
    threads_of_this_process,
    trained_bits,
    use_real_threads,
)

import regnet_c as rn


def _child(queue, threads):
    use_real_threads()
    queue.put(trained_bits(threads))


@POSIX
def test_parent_and_child_both_train_after_a_fork(real_threads):
    want = trained_bits(threads=3)
    assert not os.path.exists("/proc/self/task") or len(threads_of_this_process()) > 2
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
    """Another thread trains at that moment: its network can be read, not trained."""
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
                assert all(np.isfinite(w).all() for w in net.get_weights())
                status = 0 if trained_bits(threads=2) == want else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join(60)
    assert trained_bits(threads=2) == want


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_multiprocessing(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    script = f"""
        import multiprocessing, sys
        sys.path.insert(0, {str(HERE)!r})
        import running, test_processes
        if __name__ == "__main__":
            running.use_real_threads()
            context = multiprocessing.get_context({method!r})
            want = running.trained_bits(threads=2)
            queue = context.Queue()
            children = [
                context.Process(target=test_processes._child, args=(queue, threads))
                for threads in (2, 3)
            ]
            for child in children: child.start()
            results = [queue.get(timeout=50) for _ in children]
            for child in children: child.join()
            assert results == [want] * 2 == [running.trained_bits(threads=3)] * 2
            print("same")
    """
    assert run(script) == "same\n"


def _train_on(x, y, mapped=True):
    assert isinstance(x, np.memmap) == mapped != x.flags.writeable
    use_real_threads()
    net = network()
    net.fit(x, y, 2, 50, threads=2)
    return bits(net)


def test_joblib_with_read_only_memory_maps():
    pytest.importorskip("joblib")
    script = """
        import joblib, running, test_processes
        x, y = running.some_data(5_000)
        want = test_processes._train_on(x, y, mapped=False)
        work = joblib.delayed(test_processes._train_on)
        results = joblib.Parallel(2, max_nbytes=1000)(work(x, y) for _ in range(3))
        assert results == [want] * 3
        print("same")
    """
    path = os.pathsep.join([str(HERE), *sys.path])
    assert run(script, PYTHONPATH=path) == "same\n"


EXITS = {
    "sys.exit": "sys.exit(0)",
    "os._exit": "os._exit(0)",
    "exit while predicting": "mine = running.network()\n"
    "        T(target=lambda: [mine.predict(x) for _ in range(10**6)],"
    " daemon=True).start(); time.sleep(0.1)",
}


@pytest.mark.parametrize("end", EXITS)
def test_the_interpreter_may_end_while_threads_train(end):
    script = f"""
        import os, sys, threading, time
        sys.path.insert(0, {str(HERE)!r})
        import running
        T = threading.Thread
        running.use_real_threads()
        for i in range(3):
            net, (x, y) = running.network(), running.some_data(20_000)
            options = dict(batch_size=40, threads=1 + i)
            T(target=net.fit, args=(x, y, 10**6), kwargs=options, daemon=True).start()
        time.sleep(0.15)
        {EXITS[end]}
    """
    run(script)


def test_sub_interpreters_are_refused():
    """An ImportError in the sub-interpreter, and the main one trains as before."""
    script = f"""
        import sys; sys.path.insert(0, {str(HERE)!r})
        import running
        try:
            import _xxsubinterpreters as sub
        except ImportError:
            import _interpreters as sub
        want = running.trained_bits()
        one = sub.create()
        code = "import sys; sys.path[:] = %r\\nimport regnet_c" % (sys.path,)
        try:
            print(sub.run_string(one, code) or "")
        except Exception as error:
            print(error)
        sub.destroy(one)
        assert running.trained_bits() == want
        print("alive")
    """
    out = run(script)
    assert "ImportError" in out and out.endswith("alive\n")
