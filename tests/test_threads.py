"""Python threads at the same time: separate networks, one network, one run.

With a free-threaded interpreter these are the tests of its guarantee; with the GIL they
test what the core does while it has let go of it.
"""

import sys
import sysconfig
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import regnet_c as rn
from regnet_c._core import binding

THREADS = 4


def make_network(seed=0):
    layers = [
        rn.Dense(12, 24, activation="relu", weight_penalty=rn.L1(1e-4)),
        rn.Dropout(0.2),
        rn.Dense(24, 3),
    ]
    return rn.Network(layers, loss="softmax_cross_entropy", seed=seed)


@pytest.fixture
def data(rng):
    X = rng.standard_normal((600, 12)).astype(np.float32)
    return X, rng.integers(0, 3, 600)


def in_threads(call, arguments):
    """call(argument) for every argument, all starting at the same moment."""
    start = threading.Barrier(len(arguments))

    def wait_and_call(argument):
        start.wait()
        return call(argument)

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(wait_and_call, arguments))


def test_networks_train_side_by_side_to_the_bits_they_reach_alone(data):
    def train(seed):
        net = make_network(seed)
        net.fit(*data, epochs=3, optimizer=rn.Adam(1e-2), threads=2)
        return net.get_weights()

    together = in_threads(train, range(THREADS))
    for seed, weights in enumerate(together):
        for got, want in zip(weights, train(seed), strict=True):
            np.testing.assert_array_equal(got, want)


def test_threads_predict_with_one_network(data):
    net = make_network()
    want = net.predict(data[0])

    def predict(rows):
        return [net.predict(data[0][:rows], threads=2) for _ in range(20)]

    sizes = (1, 7, 64, 600)
    for rows, found in zip(sizes, in_threads(predict, sizes), strict=True):
        for got in found:
            np.testing.assert_array_equal(got, want[:rows])


def test_one_network_is_trained_by_one_thread_at_a_time(data):
    net, trained = make_network(), []

    def train(number):
        try:
            net.fit(*data, epochs=30)
            trained.append(number)
        except RuntimeError as error:
            assert "another thread" in str(error)

    in_threads(train, range(THREADS))
    assert trained
    assert all(np.isfinite(w).all() for w in net.get_weights())


def make_run(net, data):
    """A run of the core whose steps never end by themselves."""
    X, y = data
    model, progress = net._plan.model(), binding.Progress()
    params = net._weights.params.copy()
    model.bind(params, q=np.zeros_like(params))
    run = binding.Run(
        model,
        binding.Optimizer(),
        progress,
        binding.Source(X),
        None,
        y,
        None,
        batch_size=1,
        block_rows=600,
        piece_rows=0,
        n_threads=1,
        by_layer=False,
    )
    return run, progress


def test_a_run_refuses_a_second_thread():
    rng = np.random.default_rng(0)
    rows = 200_000
    data = rng.standard_normal((rows, 12)).astype(np.float32), np.zeros(rows, np.int64)
    run, progress = make_run(make_network(), data)
    run.start_epoch(None)
    rates = np.zeros(rows)
    worker = threading.Thread(target=run.advance, args=(rates, np.inf, 1))
    worker.start()
    refused = 0
    while worker.is_alive() and not refused:
        if progress.row:  # the other thread is in the core
            with pytest.raises(RuntimeError, match="another thread"):
                run.start_epoch(None)
            with pytest.raises(RuntimeError, match="another thread"):
                run.advance(rates, 0.0, 1)
            refused += 1
        time.sleep(0)
    worker.join()
    assert refused and progress.epoch == 1
    run.start_epoch(None)  # free again


def test_a_run_keeps_the_variant_its_memory_was_made_for(data, isa):
    def train(meanwhile):
        net = make_network()
        run, _ = make_run(net, data)
        run.start_epoch(None)
        meanwhile()
        run.advance(np.full(100, 1e-2), np.inf, 1)
        binding.set_isa(isa)
        return net.get_weights()

    want = train(lambda: None)
    for other in binding.available_isas():
        for got, weights in zip(
            train(lambda other=other: binding.set_isa(other)), want, strict=True
        ):
            np.testing.assert_array_equal(got, weights)


@pytest.mark.skipif(
    sysconfig.get_config_var("Py_GIL_DISABLED") != 1, reason="this Python has a GIL"
)
def test_the_import_leaves_the_gil_off():
    assert not sys._is_gil_enabled()
