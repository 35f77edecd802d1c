"""Every allocation and every thread may be refused: MemoryError, no leak, no harm.

tests/failing_memory.c is preloaded into processes of their own.
"""

import gc
import os
import shutil
import subprocess
import sys

import pytest
from running import HERE, network, run, some_data


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
    import running as t
    from regnet_c import Adam, Checkpoint, Dense, Network

    t.use_real_threads()
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
        convert=lambda: net.predict(x.tolist()),
        evaluate=lambda: net.evaluate(x, y),
        set_weights=lambda: net.set_weights(net.get_weights()),
        gradients=lambda: net.loss_and_gradients(x, y),
        train_step=lambda: net.train_step(x, y, optimizer),
        save=lambda: net.save(path),
        load=lambda: Network.load(path),
        compact=net.compact,
        checkpoint=lambda: t.network().fit(
            x, y, 2, 70, Adam(), callbacks=[Checkpoint(path + ".run")]
        ),
        resume=lambda: t.network().fit(
            x,
            y,
            2,
            70,
            Adam(),
            callbacks=[Checkpoint(path + ".run")],
            resume_from=path + ".run",
        ),
    )
    rng = np.random.default_rng(0)
    wide = Network([Dense(120, 100, "relu"), Dense(100, 3)])
    rows = rng.standard_normal((100, 120))
    thin = wide.get_weights()
    thin[0] *= rng.random(thin[0].shape) < 0.1

    def predict_sparse():
        wide.set_weights(thin)
        wide.predict(rows)
        assert wide._weights.sparse.made[1] is not None

    calls["sparse"] = predict_sparse
    want = t.trained_bits()

    def is_pythons(error):
        # json of Python 3.12.1 says MemoryError beside a result, files call it a lock
        last = traceback.extract_tb(error.__traceback__)[-1]
        reason = str(error)
        return (
            isinstance(error, SystemError)
            and "_json" in reason
            or "lock" in reason and "open" in last.line
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
                assert is_pythons(other), traceback.format_exc()
                error = True
            made = shim.fail_disarm()
            if made <= k:
                assert error is None
                return k
            if error is None:
                survived.append(k)
            assert all(np.isfinite(w).all() for w in net.get_weights())

    for name in sys.argv[2:]:  # json.loads of Python 3.13.0 crashes
        del calls[name]
    for name, call in calls.items():
        call()
        for attempt in range(2):  # caches grow the first time, leaks every time
            survived = []
            gc.collect()
            live = shim.fail_live()
            count = fail_each(call)
            gc.collect()
            grown = shim.fail_live() - live
            if grown < 2048:
                break
        print(name, count, len(survived), grown)
        assert t.trained_bits() == want
"""


def json_survives(shim):
    """Whether this Python's own json.loads does: that of 3.13.0 crashes."""
    script = """if True:
        import contextlib, ctypes, json, os
        shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
        text = json.dumps({name: {"value": 1} for name in "abcdefghi"})
        for k in range(100):
            with contextlib.suppress(MemoryError):
                shim.fail_arm(k)
                json.loads(text)
            shim.fail_disarm()
    """
    environment = {**os.environ, "LD_PRELOAD": shim, "PYTHONMALLOC": "malloc"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, check=False).returncode == 0


def test_every_allocation_may_fail(shim, tmp_path):
    """MemoryError, no leak, and the next fit has the same bits."""
    arguments = [str(tmp_path / "m")]
    if not json_survives(shim):
        arguments += ["load", "resume"]
    script = FAILING.format(here=str(HERE))
    out = run(script, *arguments, timeout=600, LD_PRELOAD=shim)
    rows = [line.split() for line in out.splitlines()]
    assert len(rows) == 15 - len(arguments)
    for name, failures, _, grown in rows:
        assert int(failures) > 0, name
        assert int(grown) < 2048, (name, grown)


def test_estimators_say_memory_error(shim):
    """Where NumPy, in this package or in scikit-learn's checks, says SystemError."""
    pytest.importorskip("sklearn")
    script = f"""
        import ctypes, os, sys
        sys.path.insert(0, {str(HERE)!r})
        import running as t
        from regnet_c import RegNetClassifier
        shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
        x, y = t.some_data(300)
        model = RegNetClassifier((8,), max_iter=2).fit(x, y)
        plain = RegNetClassifier((8,), preset="plain", max_iter=2).fit(x, y)
        for call in (model.predict_log_proba, plain.predict):
            call(x)
            refused = 0
            for k in range(10**6):
                shim.fail_arm(k)
                try:
                    call(x)
                except MemoryError:
                    refused += 1
                if shim.fail_disarm() <= k:
                    break
            print(refused)
    """
    out = run(script, timeout=600, LD_PRELOAD=shim, PYTHONWARNINGS="ignore")
    log_proba, plain = map(int, out.split())
    assert log_proba > 10 and plain > 1


def test_predict_says_how_much_work_memory_it_did_not_get(shim):
    script = f"""
        import ctypes, os, sys
        sys.path.insert(0, {str(HERE)!r})
        import running as t
        shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
        net, (x, _) = t.network(), t.some_data(300)
        net.predict(x)
        for k in range(10**6):
            shim.fail_arm(k)
            try:
                net.predict(x)
            except MemoryError as error:
                print(str(error))
            if shim.fail_disarm() <= k:
                break
    """
    assert " bytes to predict 300 rows\n" in run(script, LD_PRELOAD=shim)


def test_refused_threads_are_done_without(shim, tmp_path):
    """A call survives when the system starts no thread, with the same bits."""
    script = f"""
        import ctypes, os, sys
        sys.path.insert(0, {str(HERE)!r})
        import running as t
        t.use_real_threads()
        want = t.trained_bits(threads=1)
        import resource
        with open("/proc/self/statm") as file:  # a free-threaded Python reserves more
            size = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, -1))
        assert t.trained_bits(threads=250) == want
    """
    run(script)


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

    for _ in range(300):
        once()
    gc.collect()
    before = resident_bytes()
    for _ in range(1000):
        once()
    gc.collect()
    assert resident_bytes() - before < 2**20 / 3
