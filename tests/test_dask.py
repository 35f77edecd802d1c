"""Rounds on a Dask cluster: the bits do not depend on who works, or dies, or comes."""

import copy
import hashlib
import os
import pickle
import signal
import threading

import numpy as np
import pytest
from conftest import assert_close
from running import POSIX

import regnet_c as rn

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
pytest.importorskip("sklearn")

from regnet_c.dask import (  # noqa: E402
    DaskRegNetClassifier,
    DaskRegNetRegressor,
    cluster,
    estimators,
    rounds,
)

# distributed warns of slow machines, of ports and of connections that end
# a minute on a crowded machine; CI has the time
CLUSTER = pytest.mark.skipif(
    not {"CI", "REGNET_C_CLUSTER"} & os.environ.keys(),
    reason="starts processes: REGNET_C_CLUSTER=1 runs it",
)
pytestmark = pytest.mark.filterwarnings("default")


def data():
    """400 rows in partitions of which two are empty."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((400, 6)).astype(np.float32)
    y = np.array(["no", "yes", "maybe"])[np.argmax(x[:, :3], axis=1)]
    chunks = (90, 0, 60, 110, 100, 0, 40)
    return da.from_array(x, (chunks, 6)), da.from_array(y, (chunks,))


def model(**options):
    options = {"l1": 1e-3, "group_l1": 1e-3, "dropout": 0.2, "n_shards": 3} | options
    options = {"rounds": 6, "batch_size": 32, "learning_rate": "cosine"} | options
    options = {"learning_rate_init": 0.02} | options
    return DaskRegNetClassifier((12,), **options)


def digest(fitted):
    weights = b"".join(w.tobytes() for w in fitted.network_.get_weights())
    return hashlib.sha256(weights).hexdigest()


@pytest.fixture(scope="module")
def serial():
    return model(client="serial").fit(*data())


@pytest.fixture(scope="module")
def local_cluster():
    options = {"processes": True, "threads_per_worker": 1, "memory_limit": 0}
    with distributed.LocalCluster(
        n_workers=2, dashboard_address=None, **options
    ) as made:
        yield made


@pytest.fixture
def client(local_cluster):
    with distributed.Client(local_cluster) as made:
        yield made


# ---- what a round is -----------------------------------------------------------------


def task(layers, optimizer, shards=2):
    loss = rn.Loss("softmax_cross_entropy")
    return rounds.Task(layers, loss, np.dtype("f8"), 5, optimizer, 16, 2, shards)


def some_shards():
    x, y = (part.compute() for part in data())
    y = np.unique(y, return_inverse=True)[1]
    weight = np.linspace(0.5, 2, 150)
    return [
        rounds.Shard(x[:150], y[:150], weight),
        rounds.Shard(x[150:], y[150:], None),
    ]


@pytest.mark.parametrize("penalty", [rn.L1(0.01), rn.L1(0.01, rule="proximal")])
@pytest.mark.parametrize(
    "optimizer", [rn.SGD(0.1), rn.SGD(0.1, momentum=0.5), rn.Adam(0.01)]
)
def test_the_first_round_shrinks_the_mean_once(optimizer, penalty):
    """By l1 times what the steps made of a unit gradient, in the optimiser's metric."""
    layers = [rn.Dense(6, 5, "tanh", penalty), rn.Dense(5, 3)]
    job, shards = task(layers, optimizer), some_shards()
    course = rounds.Rounds(job)
    start = course.network.get_weights()
    results = [rounds.take_steps(s, job, start, 0, k) for k, s in enumerate(shards)]
    course.finish(results)
    total = [s.weight for s in shards]
    assert total == [pytest.approx(187.5), 250] and [r.steps for r in results] == [
        20,
        32,
    ]
    share = np.array(total) / sum(total)
    made = zip(*(r.weights for r in results), strict=True)
    mean = [share[0] * first + share[1] * second for first, second in made]
    response = {0.0: 0.1, 0.5: 0.1 * 2}.get(optimizer.constants()["momentum"])
    if isinstance(optimizer, rn.Adam):
        response = 0.01
        roots = [r.divisors[0] for r in results]
        root = share[0] * roots[0] + share[1] * roots[1]
    else:
        root = 1.0
    steps = share @ [20, 32]
    if optimizer.constants()["momentum"]:  # 1 + (1 + mu) + ... falls short of 2 a step
        steps -= share @ [2 * (1 - 0.5**20) / 2, 2 * (1 - 0.5**32) / 2]
    want = penalty.prox(mean[0], 0.0)
    want = np.sign(want) * np.maximum(np.abs(want) - 0.01 * response * steps / root, 0)
    got = course.network.get_weights()
    assert_close(got[0], want, scale=np.abs(mean[0]))
    assert (got[0] == 0).any()
    for i in (1, 2, 3):
        assert_close(got[i], mean[i])


def test_the_divisors_of_ftrl_have_the_l2_owed():
    """A weight whose input is zero has no gradient of the data."""
    x, y = np.zeros((40, 6)), np.zeros(40, int)
    job = task([rn.Dense(6, 3, weight_penalty=rn.L2(0.02))], rn.FTRL(0.5, beta=0.3), 1)
    start = rounds.Rounds(job).network.get_weights()
    result = rounds.take_steps(rounds.Shard(x, y, None), job, start, 0, 0)
    want = 0.3 + 2 * 0.02 * 0.5 * result.steps
    np.testing.assert_allclose(result.divisors[0], want, rtol=1e-2)


def test_a_group_is_charged_once():
    layers = [rn.Dense(6, 5, "tanh", rn.GroupLasso(0.02, "inputs")), rn.Dense(5, 3)]
    job, shards = task(layers, rn.SGD(0.1)), some_shards()
    course = rounds.Rounds(job)
    start = course.network.get_weights()
    results = [rounds.take_steps(s, job, start, 0, k) for k, s in enumerate(shards)]
    course.finish(results)
    share = np.array([187.5, 250]) / 437.5
    mean = share[0] * results[0].weights[0] + share[1] * results[1].weights[0]
    want = layers[0].weight_penalty.prox(mean, 0.1 * (share @ [20, 32]))
    assert_close(course.network.get_weights()[0], want, scale=np.abs(mean))


def test_the_ledger_pays_over_the_rounds_what_single_steps_pay():
    """With no gradient but L1, rounds of k steps end where k times as many steps do."""
    x, y = np.zeros((32, 4)), np.zeros((32, 1))
    layers = [rn.Dense(4, 1, weight_penalty=rn.L1(0.1), use_bias=False)]
    job = rounds.Task(
        layers, rn.Loss("squared_error"), np.dtype("f8"), 0, rn.SGD(0.1), 16, 1, 1
    )
    course, net = rounds.Rounds(job), rn.Network(layers, dtype="float64", seed=0)
    for _ in range(5):
        weights, round_ = course.network.get_weights(), course.done
        shard = rounds.Shard(x, y, None)
        course.finish([rounds.take_steps(shard, job, weights, round_, 0)])
    net.fit(x, y, epochs=5, batch_size=16, optimizer=rn.SGD(0.1))
    assert_close(course.network.get_weights()[0], net.get_weights()[0], scale=1.0)


def test_shards_and_rounds_have_their_own_order_and_masks():
    layers = [rn.Dropout(0.5), rn.Dense(6, 3)]
    job, shard = task(layers, rn.SGD(0.1)), some_shards()[1]
    weights = rn.Network(layers, job.loss, job.dtype).get_weights()
    found = {
        rounds.take_steps(shard, job, weights, r, k).weights[0].tobytes()
        for r in range(3)
        for k in range(2)
    }
    assert len(found) == 6


# ---- here ----------------------------------------------------------------------------


def test_the_serial_result_is_a_good_network(serial):
    x, y = data()
    assert serial.to_local().score(x.compute(), y.compute()) > 0.6
    assert serial.history_.epochs == 6 and serial.n_features_in_ == 6
    assert list(serial.classes_) == ["maybe", "no", "yes"]
    one = model(client="serial", n_shards=1).fit(*data())
    assert digest(one) != digest(serial)


def test_predictions_are_lazy(serial):
    x, _ = data()
    local, array = serial.to_local(), x.compute()
    lazy = serial.predict(x)
    assert isinstance(lazy, da.Array) and lazy.chunks == x.chunks[:1]
    assert (lazy.compute() == local.predict(array)).all()
    proba = serial.predict_proba(x)
    assert proba.shape == (400, 3)
    np.testing.assert_array_equal(proba.compute(), local.predict_proba(array))
    np.testing.assert_array_equal(serial.predict(array), local.predict(array))


def test_frames_have_the_bits_of_arrays(serial):
    dd = pytest.importorskip("dask.dataframe")
    pd = pytest.importorskip("pandas")
    x, y = (part.compute() for part in data())
    frame = pd.DataFrame(x, columns=list("abcdef")).assign(y=y)
    frame = dd.from_pandas(frame, npartitions=4)
    sizes = tuple(frame.map_partitions(len).compute())
    arrays = [da.from_array(a, (sizes, *a.shape[1:])) for a in (x, y)]
    expected = model(client="serial").fit(*arrays)
    X = frame[list("abcdef")]
    fitted = model(client="serial").fit(X, frame["y"])
    assert digest(fitted) == digest(expected)
    assert (fitted.predict(X).compute().to_numpy() == expected.predict(x)).all()
    proba = fitted.predict_proba(X).compute()
    assert list(proba.columns) == ["maybe", "no", "yes"] and len(proba) == 400
    unknown = X.to_dask_array(), frame["y"].to_dask_array()
    assert np.isnan(unknown[0].chunks[0]).all()
    assert digest(model(client="serial").fit(*unknown)) == digest(expected)


def test_a_regressor_and_its_validation():
    x, _ = data()
    y = x[:, 0] - 2 * x[:, 1]
    both = da.stack([y, -y], axis=1).rechunk({1: -1})
    options = {"client": "serial", "rounds": 20, "optimizer": "adam", "verbose": True}
    options |= {"learning_rate_init": 0.01, "batch_size": 20}
    fitted = DaskRegNetRegressor((20,), **options)
    fitted.fit(x, y, sample_weight=da.ones_like(y), eval_set=[(x, y)])
    assert fitted.to_local().score(x.compute(), y.compute()) > 0.9
    assert len(fitted.history_["val_loss"]) == 20
    several = DaskRegNetRegressor((20,), **options).fit(x, both)
    assert several.predict(x).compute().shape == (400, 2)


def test_pickles_and_copies_have_no_client(serial):
    fitted = copy.copy(serial)
    fitted.client = object()
    again = pickle.loads(pickle.dumps(fitted))
    assert again.client is None and digest(again) == digest(serial)
    assert pickle.loads(pickle.dumps(serial)).client == "serial"


def test_ctrl_c_keeps_the_last_round(monkeypatch):
    run, done = cluster.Serial.run, []

    def interrupted(*arguments):
        done.append(1)
        if len(done) == 4:
            raise KeyboardInterrupt
        return run(*arguments)

    fitted, short = model(client="serial"), model(client="serial")
    with monkeypatch.context() as patch:
        patch.setattr(cluster.Serial, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fitted.fit(*data())
    assert fitted.history_.epochs == 3
    monkeypatch.setattr(rounds.Task, "rate", lambda job, r: RATES[r])
    short.set_params(rounds=3)
    assert fitted.history_["learning_rate"] == [pytest.approx(r) for r in RATES[:3]]
    assert digest(short.fit(*data())) == digest(fitted)


RATES = (0.02 * (1 + np.cos(np.pi * np.arange(6) / 6)) / 2).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"client": None}, "no Dask client"),
        ({"client": 3}, "client is an int, expected a distributed.Client"),
        ({"n_shards": 9}, "n_shards is 9, X has 7 partitions"),
        (
            {"l1_rule": "subgradient", "group_l1": 0.0},
            "rounds expect one of cumulative",
        ),
        ({"class_weight": "balanced"}, "class_weight is 'balanced', expected a dict"),
        ({"rounds": 0}, "rounds is 0"),
        ({"timeout": 0}, "timeout is 0"),
        ({"activation": "rleu"}, "did you mean 'relu'"),
    ],
)
def test_wrong_parameters(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        model(**{"client": "serial"} | change).fit(*data())


def test_wrong_data():
    x, y = data()
    fitted = model(client="serial")
    with pytest.raises(TypeError, match="X is a ndarray, expected a dask array"):
        fitted.fit(x.compute(), y)
    with pytest.raises(ValueError, match="y has 1 partitions, X has 7"):
        fitted.fit(x, y.rechunk(-1))
    with pytest.raises(ValueError, match="partition 2: .* have 60 and 70 rows"):
        fitted.fit(x, y.rechunk(((90, 0, 70, 100, 100, 0, 40),)))
    with pytest.raises(ValueError, match="NaN"):
        fitted.fit(x * np.nan, y)


# ---- on workers ----------------------------------------------------------------------


def kill_one(client):
    """kill -9 of a worker; its nanny starts another one."""
    pids = client.run(os.getpid)
    os.kill(min(pids.values()), signal.SIGKILL)


@POSIX
@CLUSTER
def test_lost_and_new_workers_change_no_bit(serial, client, local_cluster, monkeypatch):
    """A worker killed in the first, the fifth and the last round, one more in the third."""
    run, done = cluster.Cluster.run, []

    def disturbed(runner, *arguments):
        done.append(1)
        if len(done) in (1, 5, 6):
            threading.Timer(0.02, kill_one, [client]).start()
        if len(done) == 3:
            local_cluster.scale(3)
        return run(runner, *arguments)

    assert digest(model(client=client).fit(*data())) == digest(serial)
    monkeypatch.setattr(cluster.Cluster, "run", disturbed)
    assert digest(model().fit(*data())) == digest(serial)
    assert len(done) == 6


@CLUSTER
def test_no_progress_is_an_error_that_names_the_workers(client):
    runner = cluster.Cluster(client, timeout=0.6, retries=0)
    with pytest.raises(TimeoutError, match=r"none of 1 tasks ended in 0.6 .*tcp://"):
        runner.run(lambda shard, number: __import__("time").sleep(2), [None])


@CLUSTER
def test_an_error_of_a_task_comes_out(client):
    runner = cluster.Cluster(client, timeout=60, retries=1)
    with pytest.raises(ZeroDivisionError):
        runner.run(lambda shard, number: 1 / number, [None])


def test_the_parameters_are_those_of_scikit_learn():
    for kind in (DaskRegNetClassifier, DaskRegNetRegressor):
        made = kind((3,), rounds=4)
        assert made.get_params()["rounds"] == 4
        assert isinstance(made, estimators.DaskRegNet)
