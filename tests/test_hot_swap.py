"""Readers beside writers: every call that reads a network sees one published set.

The layers are sparse and large, so that predictions make lists of their weights.
"""

import threading

import numpy as np
import pytest
from running import in_threads

import regnet_c as rn
from regnet_c._core import binding, training

ROUNDS = 12
WIDTH = 1000


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(70, WIDTH)).astype(np.float32)


def make_network():
    layers = [rn.Dense(WIDTH, WIDTH, activation="relu"), rn.Dense(WIDTH, 3)]
    return rn.Network(layers, "softmax_cross_entropy")


def sparse_weights(seed, density):
    rng = np.random.default_rng(seed)
    weights = make_network().get_weights()
    weights[0] *= rng.random(weights[0].shape) < density
    return weights


def figures(net, x, y):
    """What four readers say, as bytes."""
    return {
        "predict": net.predict(x).tobytes(),
        "few rows": net.predict(x[:5]).tobytes(),
        "evaluate": repr(net.evaluate(x, y)),
        "get_weights": b"".join(w.tobytes() for w in net.get_weights()),
        "summary": repr(list(net.summary())),
    }


def read_until(done, net, x, y):
    """All different answers of each reader until the event is set."""
    seen = {}
    while True:
        last = done.is_set()
        for name, answer in figures(net, x, y).items():
            seen.setdefault(name, set()).add(answer)
        if last:
            return seen


def assert_published(seen, published, x, y):
    """Every answer is that of one of these sets of weights."""
    want = {}
    for weights in published:
        net = make_network()
        net.set_weights(weights)
        for name, answer in figures(net, x, y).items():
            want.setdefault(name, set()).add(answer)
    for found in seen:
        for name, answers in found.items():
            assert answers <= want[name], name


def test_set_weights_is_atomic_to_readers(x):
    """Three threads swap two sets of different density, five read."""
    sets = [sparse_weights(2, 0.10), sparse_weights(3, 0.24)]
    net, y, done = make_network(), np.arange(len(x)) % 3, threading.Event()
    net.set_weights(sets[0])

    def work(number):
        if number >= 3:
            return read_until(done, net, x, y)
        for turn in range(ROUNDS):
            net.set_weights(sets[(turn + number) % 2])
        done.set()
        return {}

    assert_published(in_threads(8, work, 600), sets, x, y)


def test_readers_beside_fit_see_the_end_of_an_epoch(x, monkeypatch):
    monkeypatch.setattr(training, "_PUBLISH_SECONDS", np.inf)  # not within epochs
    net, y, done = make_network(), np.arange(len(x)) % 3, threading.Event()
    net.set_weights(sparse_weights(2, 0.10))
    published = [net.get_weights()]

    class Record(rn.Callback):
        def on_epoch_end(self, epoch, logs):
            published.append(net.get_weights())

    def work(number):
        if number:
            return read_until(done, net, x, y)
        net.fit(x, y, 3, 25, callbacks=[Record()], keep_zeros=True, threads=1)
        done.set()
        return {}

    assert_published(in_threads(8, work, 600), published, x, y)
    assert len(published) == 4 and (published[-1][0] != published[0][0]).any()


def test_readers_beside_one_long_epoch_see_steps_of_it(x, monkeypatch):
    net, y, done = make_network(), np.arange(len(x)) % 3, threading.Event()
    net.set_weights(sparse_weights(2, 0.10))
    published = [net.get_weights()]
    monkeypatch.setattr(training, "_PUBLISH_SECONDS", 0.0)
    monkeypatch.setattr(training, "_SLICE_SECONDS", 0.0)  # one step per call
    publish = training.TrainingRun._publish_for_readers

    def record(trainer):
        publish(trainer)
        published.append([v.copy() for v in net._store.published.views])

    monkeypatch.setattr(training.TrainingRun, "_publish_for_readers", record)

    def work(number):
        if number:
            return read_until(done, net, x, y)
        net.fit(x, y, 1, 10, keep_zeros=True, threads=1)
        done.set()
        return {}

    seen = in_threads(4, work, 600)
    published.append(net.get_weights())
    assert_published(seen, published, x, y)
    assert len(set().union(*(found.get("predict", ()) for found in seen))) > 2


def test_readers_beside_single_steps_see_whole_steps(x):
    net, y, done = make_network(), np.arange(len(x)) % 3, threading.Event()
    net.set_weights(sparse_weights(2, 0.10))
    published = [net.get_weights()]

    def work(number):
        if number:
            return read_until(done, net, x, y)
        optimizer = rn.SGD(0.1)
        for _ in range(ROUNDS):
            net.train_step(x[:4], y[:4], optimizer)
            published.append([v.copy() for v in net._store.published.views])
        done.set()
        return {}

    assert_published(in_threads(4, work, 600), published, x, y)


def test_training_is_not_disturbed_by_readers(x):
    y, done = np.arange(len(x)) % 3, threading.Event()
    alone, beside = make_network(), make_network()
    alone.fit(x, y, 2, 20)

    def work(number):
        if number:
            return read_until(done, beside, x, y)
        beside.fit(x, y, 2, 20)
        done.set()
        return None

    in_threads(4, work, 600)
    for got, want in zip(beside.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_reader_keeps_what_it_took(x):
    """Memory that a reader may still use is not used for the next steps."""
    net, y, optimizer = make_network(), np.arange(len(x)) % 3, rn.SGD(0.1)
    taken = []
    for _ in range(4):
        net.train_step(x, y, optimizer)
        weights = net._weights
        taken.append((weights, weights.params.tobytes()))
    net.fit(x, y, 2, 10, optimizer)
    for weights, before in taken:
        assert weights.params.tobytes() == before


def test_steps_that_nobody_reads_share_two_pieces_of_memory(x):
    net, y, optimizer = make_network(), np.arange(len(x)) % 3, rn.SGD(0.1)
    places = set()
    for _ in range(6):
        net.train_step(x, y, optimizer)
        places.add(net._store.published.params.ctypes.data)
    assert len(places) == 2


def test_published_weights_cannot_be_written():
    for view in make_network()._weights.views:
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 0


def test_a_full_list_takes_no_more(dtype, isa):
    """Weights that are counted and then grow write nothing beyond the list's end."""
    w = np.ones((40, 2), dtype)
    lanes = binding.SPARSE_UNITS
    value, index = np.zeros(30 * lanes, dtype), np.zeros(30 * lanes, np.int32)
    first = np.array([0, 1], np.int64)
    end = np.array([20 * lanes, 10 * lanes], np.int64)
    binding.sparse_fill(value, index, first, end, w)
    value = value.reshape(30, lanes)
    assert value[:20, 0].all() and not value[20:, 0].any()
    assert value[:10, 1].all() and not value[10:, 1].any()
    assert not value[:, 2:].any()
    with pytest.raises(ValueError, match="beyond"):
        binding.sparse_fill(value.reshape(-1), index, first, end + 30 * lanes, w)
