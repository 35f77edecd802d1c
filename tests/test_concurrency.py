"""Threads of the program: one model for many, many models, one model for two trainers."""

import itertools
import signal
import sys
import threading

import pytest
from running import HERE, bits, in_threads, network, run, some_data, trained_bits

import regnet_c as rn


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


def test_other_threads_read_beside_training_and_write_only_after_it(tmp_path):
    """get_weights and save have the last epoch's weights; callbacks may write."""
    net, (x, y) = network(), some_data(2000)
    weights, failures, read = net.get_weights(), [], []
    training = []

    calls = {
        "set_weights": lambda: net.set_weights(weights),
        "train_step": lambda: net.train_step(x, y, rn.SGD(0.1)),
        "checkpoint": lambda: training[0].save(tmp_path / "run"),
        "get_weights": lambda: read.append(bits(net)),
        "save": lambda: net.save(tmp_path / "m"),
    }

    def attempt():
        for name, call in calls.items():
            try:
                call()
            except RuntimeError as error:
                assert "another thread is training" in str(error)
                failures.append(name)

    class Ask(rn.Callback):
        def on_checkpoint(self, fit):
            training.append(fit)
            want = bits(net)
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join(30)
            assert read == [want]
            assert bits(rn.Network.load(tmp_path / "m")) == want
            net.set_weights(net.get_weights())
            net.save(tmp_path / "mine")
            with pytest.raises(RuntimeError, match="is being trained, by the call"):
                net.fit(x, y, 1)

    net.fit(x, y, 1, callbacks=[Ask()])
    assert failures == list(calls)[:3] and not (tmp_path / "run").exists()
    attempt()
    assert failures == list(calls)[:3]


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_threads_of_the_team_handle_no_signals():
    """A signal handled there would not wake a main thread that sleeps."""
    script = f"""
        import sys; sys.path.insert(0, {str(HERE)!r})
        import running
        before = running.threads_of_this_process()
        running.use_real_threads()
        running.trained_bits(threads=3)
        team = running.threads_of_this_process() - before
        assert len(team) == 2
        for number in team:
            status = dict(
                line.split(":\\t") for line in open(f"/proc/self/task/{{number}}/status")
            )
            blocked = int(status["SigBlk"], 16)
            print([blocked >> n - 1 & 1 for n in map(int, sys.argv[1:])])
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGSEGV)
    out = run(script, *(str(int(number)) for number in numbers))
    assert out == "[1, 1, 1, 0]\n" * 2


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
        trained = net._state.progress.epoch if net._state else 0
        net.fit(x, y, 2 - trained, 50, optimizer)
        assert bits(net) == trained_bits()
