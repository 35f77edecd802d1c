"""Rounds on a Dask cluster: the bits do not depend on who works, or dies, or comes."""

import copy
import dataclasses
import hashlib
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import assert_close
from running import POSIX

import regnet_c as rn
from regnet_c import kernels
from regnet_c._core.listeners import Listeners

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
# half a minute, several on a crowded machine; CI has the time
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
    made = distributed.LocalCluster(n_workers=2, dashboard_address=None, **options)
    yield made
    made.close(timeout=60)


@pytest.fixture
def client(local_cluster):
    """By the address: given a cluster, it would wait for workers that start or end."""
    address = local_cluster.scheduler_address
    with distributed.Client(address, timeout=60) as made:
        made.wait_for_workers(1, timeout=60)
        yield made


# ---- what a round is -----------------------------------------------------------------


def some_shards():
    x, y = (part.compute() for part in data())
    y = np.unique(y, return_inverse=True)[1]
    weight = np.linspace(0.5, 2, 150)
    return [
        rounds.Shard(x[:150], y[:150], weight),
        rounds.Shard(x[150:], y[150:], None),
    ]


SOFTMAX = rn.Network([rn.Dense(1, 1)], "softmax_cross_entropy", "float64", seed=5)


def started(
    layers, optimizer, shards, epochs_per_round=1.0, batch_size=32, like=SOFTMAX
):
    """Rounds on these shards that have not begun; `like` has loss, dtype and seed."""
    how = like.loss, like.dtype, like.seed, optimizer, batch_size, epochs_per_round
    job = rounds.Task(layers, *how)
    sizes = tuple(rounds.measure(s, job, k) for k, s in enumerate(shards))
    return rounds.Rounds(dataclasses.replace(job, sizes=sizes), Listeners([]), 9)


def one_round(course, shards):
    arguments = course.task, course.position(), course.done
    steps = [rounds.take_steps(s, *arguments, number=k) for k, s in enumerate(shards)]
    course.report(course.finish(steps))
    return steps


@pytest.mark.parametrize("optimizer", [rn.Adam(0.01), rn.AdamW(0.01, weight_decay=0.1)])
def test_steps_do_not_grow_with_the_shards_where_gradients_agree(optimizer):
    """Shards of the same rows, each of them a batch: one process goes as far."""
    shard = some_shards()[1]
    layers = [rn.Dense(6, 5, "tanh", rn.L1(1e-3)), rn.Dense(5, 3)]
    moved = []
    for count in (1, 8):
        course = started(layers, optimizer, count * [shard], batch_size=count * 250)
        before = course.network.get_weights()
        for _ in range(20):
            one_round(course, count * [shard])
        after = course.network.get_weights()
        pairs = zip(before, after, strict=True)
        moved.append(np.concatenate([(b - a).ravel() for a, b in pairs]))
    assert moved[0] @ moved[1] > 0.99 * np.linalg.norm(moved[0]) ** 2
    assert np.linalg.norm(moved[1] - moved[0]) < 0.15 * np.linalg.norm(moved[0])


def flat(arrays):
    return np.concatenate([a.ravel() for a in arrays])


def test_a_shard_returns_the_mean_gradients_of_its_steps():
    """Of 1, 2, 4, 8 ... steps, weighted as Adam weights them; 7 of 9 here."""
    layers, shard = [rn.Dense(6, 5, "tanh"), rn.Dense(5, 3)], some_shards()[1]
    course = started(layers, rn.Adam(0.01), [shard], 0.45, batch_size=13)
    job, start = course.task, course.position()
    got = rounds.take_steps(shard, job, start, 3, 0)
    net, optimizer, found = job.network(0), rn.Adam(0.01), []
    net.set_weights(net._plan.views(start.params))
    for epoch, first, end in job.batches(0, 3):
        order = kernels.permutation(250, net.seed, epoch)[first:end]
        for at in range(0, end - first, 13):
            batch = [part[order[at : at + 13]] for part in shard[:2]]
            found.append(flat(net.loss_and_gradients(*batch)[1]))
            net.train_step(*batch, optimizer)
    assert len(found) == got.steps == 9 and len(got.gradients) == 4
    for k, mean in enumerate(got.gradients):
        group = found[2**k - 1 : 2 ** (k + 1) - 1]
        want = np.average(group, axis=0, weights=0.9 ** np.arange(len(group))[::-1])
        assert_close(flat(net._plan.views(mean)), want, scale=1.0)


@pytest.mark.parametrize("count", [1, 4, 20])
def test_second_moments_are_those_of_whole_batches(count):
    """Shards of the same rows: k times those of one, though gradients fall at once."""
    shard, found = some_shards()[1], []
    for k in (1, 4):
        shards = k * [shard]
        course = started([rn.Dense(6, 3)], rn.Adam(0.5), shards, 15, k * 250)
        for _ in range(count):
            one_round(course, shards)
        found.append(course.state.v.sum() / k)
    assert found[1] == pytest.approx(found[0], rel=0.15)


PENALTIES = [
    None,
    rn.L2(0.01),
    rn.ElasticNet(0.03, 0.01),
    rn.GroupLasso(0.1, "inputs"),
    rn.SparseGroupLasso(0.02, 0.03, groups=[[0, 1], [2, 3], [4, 5]]),
]


OPTIMIZERS = [
    rn.SGD(0.05, momentum=0.5, nesterov=True),
    rn.Adam(0.01),
    rn.AdamW(0.01, weight_decay=0.1),
    rn.RMSprop(0.003),
    rn.FTRL(0.3, beta=0.3),
]


def check_rounds_are_one_training(layers, optimizer, epochs_per_round):
    """What a round undoes and charges is what single steps charge; the network."""
    shard = some_shards()[1]._replace(sample_weight=np.linspace(0.5, 2, 250))
    course = started(layers, optimizer, [shard], epochs_per_round)
    net = course.task.network(0)
    net.set_weights(course.network.get_weights())
    net.fit(*shard[:2], 4, 32, optimizer, sample_weight=shard.sample_weight)
    for _ in range(round(4 / epochs_per_round)):
        one_round(course, [shard])
    for got, want in zip(course.network.get_weights(), net.get_weights(), strict=True):
        assert_close(got, want, scale=1.0)
    assert course.network.zeros() == net.zeros()
    return net


@pytest.mark.parametrize("epochs_per_round", [0.4, 2])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rounds_of_one_shard_are_one_training(optimizer, penalty, epochs_per_round):
    layers = [rn.Dense(6, 5, "tanh", penalty), rn.Dropout(0.2), rn.Dense(5, 3)]
    net = check_rounds_are_one_training(layers, optimizer, epochs_per_round)
    if penalty is PENALTIES[2] and not isinstance(optimizer, rn.FTRL):
        assert net.zeros() > 0


@pytest.mark.parametrize("optimizer", [OPTIMIZERS[1], OPTIMIZERS[4]])
def test_frozen_arrays_are_charged_nothing(optimizer):
    first = rn.Dense(6, 5, "tanh", PENALTIES[2], learning_rate_factor=0.5)
    frozen = rn.Dense(5, 3, weight_penalty=rn.L1(0.03), learning_rate_factor=0)
    check_rounds_are_one_training([first, frozen], optimizer, 0.4)


@pytest.mark.parametrize("penalty", PENALTIES[2:])
def test_the_mean_is_charged_once(penalty):
    """By all that is owed, in the metric of the mean of the second moments."""
    own_rate = rn.Dense(6, 5, "tanh", penalty, learning_rate_factor=0.5)
    layers = [own_rate, rn.Dense(5, 3)]
    shards = some_shards()
    course = started(layers, rn.RMSprop(0.01), shards)
    steps = one_round(course, shards)
    assert [s.weight for s in steps] == [pytest.approx(187.5), 250]
    share = np.array([187.5, 250]) / 437.5
    parts = [(s.position.params, *s.position.arrays.values()) for s in steps]
    parts = [
        share[0] * one + share[1] * other for one, other in zip(*parts, strict=True)
    ]
    w, v, q = (course.network._plan.views(part)[0] for part in parts)
    fields = penalty.fields()
    rate = 0.005 * np.sqrt(2) / (np.sqrt(v) + rn.RMSprop(0.01).constants()["epsilon"])
    owed = steps[0].position.counters["credit"]
    got = course.network.get_weights()[0]
    l1, group = fields.get("l1", 0), fields.get("group_strength", 0)
    size = np.sqrt(2) if isinstance(fields.get("group"), tuple) else 1
    u = w - (group * size or l1) * rate * q
    after = np.sign(u) * np.maximum(np.abs(u) - l1 * owed * rate, 0)
    if not group:
        assert_close(got, after, scale=1.0)
    for rows in [[0, 1], [2, 3], [4, 5]] if size > 1 else np.arange(6)[:, None]:
        x, t = got[rows], group * size * owed * rate[rows]
        if x.any():  # the condition of the minimum
            assert_close(after[rows] - x, t * x / np.linalg.norm(x), scale=1.0)
        elif group:
            assert np.linalg.norm(after[rows] / t) <= 1 + 1e-9
    assert l1 == 0 or (got == 0).any()


def test_a_batch_is_shared_by_the_shards():
    course = started([rn.Dense(6, 3)], rn.SGD(0.1), some_shards(), 0.3)
    job = course.task
    assert job.steps == 13 and [job.cut(k) for k in (0, 1)] == [(12, 13), (20, 13)]
    for number, rows in enumerate((150, 250)):
        parts = [p for r in range(10) for p in job.batches(number, r)]
        ends = [(epoch, end) for epoch, _, end in parts]
        starts = [(epoch, first) for epoch, first, _ in parts]
        for (epoch, end), following in zip(ends, starts[1:], strict=False):
            assert following == ((epoch + 1, 0) if end == rows else (epoch, end))
        assert starts[0] == (0, 0) and ends[-1] == (2, rows)


def test_every_round_has_a_step():
    """A shard may have fewer steps than the rows of all make batches: 20 here, not 23."""
    x, y = np.ones((98, 6)), np.zeros(98, int)
    shards = [rounds.Shard(x, y, None)] * 2
    course = started([rn.Dense(6, 3)], rn.SGD(0.1), shards, 1 / 49, batch_size=4)
    assert course.task.steps == 49
    counts = [one_round(course, shards)[0].steps for _ in range(49)]
    assert counts == [1] * 49
    with pytest.raises(ValueError, match="an epoch has 20 steps"):
        started([rn.Dense(6, 3)], rn.SGD(0.1), shards, 1 / 22, batch_size=9)


def test_shards_and_rounds_have_their_own_order_and_masks():
    shard = some_shards()[1]
    course = started([rn.Dropout(0.5), rn.Dense(6, 3)], rn.SGD(0.1), [shard, shard])
    start = course.position()
    found = {
        rounds.take_steps(shard, course.task, start, r, k).position.params.tobytes()
        for r in range(3)
        for k in range(2)
    }
    assert len(found) == 6


def test_the_end_of_a_schedule_changes_nothing():
    layers, shards = [rn.Dense(6, 3, weight_penalty=rn.L1(0.01))], some_shards()
    optimizer = rn.Adam(rn.schedules.LinearDecay(0.01, 2))
    course = started(layers, optimizer, shards)
    for _ in range(2):
        one_round(course, shards)
    before = course.network.get_weights()
    one_round(course, shards)
    assert course.history["learning_rate"][2] == 0
    for got, want in zip(course.network.get_weights(), before, strict=True):
        assert_close(got, want, scale=1.0)
        assert ((got == 0) == (want == 0)).all()


def test_the_decay_of_a_schedule_counts_rounds():
    decay = rn.schedules.StepDecay(0.4, 0.5, 1)
    shards = some_shards()
    course = started([rn.Dense(6, 3)], rn.AdamW(0.01, weight_decay=decay), shards)
    found = [course.task.local_optimizer(k).weight_decay for k in (0, 1, 2)]
    np.testing.assert_allclose(found, [0.4, 0.2 / 2**0.5, 0.1 / 2**0.5])
    one_round(course, shards)


def test_rounds_have_no_epochs_for_a_dropout_schedule():
    rate = rn.schedules.LinearDecay(0.2, 3)
    with pytest.raises(ValueError, match="dropout is LinearDecay.* expect numbers"):
        model(client="serial", dropout=rate).fit(*data())


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


def test_a_regressor_and_its_validation(capsys):
    x, _ = data()
    y = x[:, 0] - 2 * x[:, 1]
    both = da.stack([y, -y], axis=1).rechunk({1: -1})
    options = {"client": "serial", "rounds": 20, "optimizer": "adam", "verbose": True}
    options |= {"learning_rate_init": 0.01, "batch_size": 20}
    fitted = DaskRegNetRegressor((20,), **options)
    fitted.fit(x, y, eval_set=[(x, y)])
    assert re.search(r"rounds: 100%.* 20/20 .*loss 0\.", capsys.readouterr().err)
    assert fitted.to_local().score(x.compute(), y.compute()) > 0.9
    assert len(fitted.history_["val_loss"]) == 20
    several = DaskRegNetRegressor((20,), **options).fit(x, both)
    assert several.predict(x).compute().shape == (400, 2)


def test_row_weights_are_those_of_the_shards():
    """Real ones, some zero, against rounds on the same rows without Dask."""
    x, _ = data()
    y = x[:, 0] - 2 * x[:, 1]
    rows = np.linspace(0, 2, 400)
    weight = da.from_array(rows, x.chunks[:1])
    options = {"client": "serial", "rounds": 3, "n_shards": 2, "l1": 1e-3}
    fitted = DaskRegNetRegressor((5,), **options, batch_size=32)
    fitted.fit(x, y, sample_weight=weight)
    x, y = x.compute(), y.compute()[:, None]
    shards = [rounds.Shard(x[p], y[p], rows[p]) for p in (np.s_[:150], np.s_[150:])]
    net, optimizer = fitted.network_, rn.Adam(0.001)
    course = started(net.layers, optimizer, shards, like=net)
    for _ in range(3):
        one_round(course, shards)
    for got, want in zip(net.get_weights(), course.network.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)
    assert fitted.history_["loss"] == course.history["loss"]


def test_class_weights_are_row_weights():
    x, y = data()
    weight = da.where(y == "no", 3.0, 1.0)
    by_class = model(client="serial", class_weight={"no": 3.0}).fit(x, y)
    by_row = model(client="serial").fit(x, y, sample_weight=weight)
    assert digest(by_class) == digest(by_row)


def test_pickles_and_copies_have_no_client(serial):
    fitted = copy.copy(serial)
    fitted.client = object()
    again = pickle.loads(pickle.dumps(fitted))
    assert again.client is None and digest(again) == digest(serial)
    assert pickle.loads(pickle.dumps(serial)).client == "serial"


def test_ctrl_c_keeps_the_last_round(monkeypatch):
    run, done = cluster.Serial.run, []

    def interrupted(runner, function, *arguments):
        done.extend([1] * (function is rounds.take_steps))
        if len(done) == 4:
            raise KeyboardInterrupt
        return run(runner, function, *arguments)

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


def test_a_checkpoint_has_the_last_round(monkeypatch, tmp_path, serial, capsys):
    run, done, path = cluster.Serial.run, [], tmp_path / "rounds.safetensors"

    def interrupted(runner, function, *arguments):
        done.extend([1] * (function is rounds.take_steps))
        if len(done) == 4:
            raise KeyboardInterrupt
        return run(runner, function, *arguments)

    def fresh(**options):
        callbacks = [rn.Checkpoint(path, every=5)]
        return model(client="serial", callbacks=callbacks, **options)

    with monkeypatch.context() as patch:
        patch.setattr(cluster.Serial, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fresh().fit(*data())
    assert len(rn.Network.load(path).get_weights()) == 4
    capsys.readouterr()
    resumed = fresh(verbose=True).fit(*data(), resume_from=path)
    assert re.search(r"rounds: +50%.* 3/6 .* 6/6 ", capsys.readouterr().err, re.DOTALL)
    assert digest(resumed) == digest(serial)
    assert resumed.history_["loss"] == serial.history_["loss"]
    assert digest(fresh().fit(*data(), resume_from=path)) == digest(serial)
    x, y = data()
    with pytest.raises(ValueError, match="another call of fit"):
        fresh().fit(x + 1, y, resume_from=path)
    with pytest.raises(ValueError, match="batch_size=32 in the file, 16 here"):
        fresh(batch_size=16).fit(x, y, resume_from=path)


def test_callbacks_see_rounds():
    x, y = data()
    stop = rn.EarlyStopping(patience=1, min_delta=10.0)
    fitted = model(client="serial", callbacks=[stop]).fit(x, y, eval_set=(x, y))
    assert fitted.history_.epochs == 3 and fitted.history_.stopped_early


RATES = (0.02 * (1 + np.cos(np.pi * np.arange(6) / 6)) / 2).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"client": None}, "no Dask client"),
        ({"client": 3}, "client is an int, expected a distributed.Client"),
        ({"n_shards": 9}, "n_shards is 9, X has 7 partitions"),
        ({"epochs_per_round": 0.01}, "expected at least one step in a round"),
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


def kill_one(workers, killed):
    """kill -9 of a worker that its nanny knows to run: only then it starts another one."""
    running, end = distributed.core.Status.running, time.monotonic() + 60
    while time.monotonic() < end:
        for nanny in [*workers.values()]:
            process = nanny.process
            if process and process.status == running and process.pid not in killed:
                killed.append(process.pid)
                os.kill(process.pid, signal.SIGKILL)
                return
        time.sleep(0.01)


@POSIX
@CLUSTER
def test_lost_and_new_workers_change_no_bit(serial, client, local_cluster, monkeypatch):
    """A worker killed in the first, the fifth and the last round, one more in the third;
    then with three workers, some of them restarted, and with one."""
    run, done, killed, timers = cluster.Cluster.run, [], [], []

    def disturbed(runner, function, *arguments):
        done.extend([1] * (function is rounds.take_steps))
        if len(done) in (1, 5, 6):
            victims = local_cluster.workers, killed
            timers.append(threading.Timer(0.02, kill_one, victims))
            timers[-1].start()
        if len(done) == 3:
            local_cluster.scale(3)
        return run(runner, function, *arguments)

    assert digest(model(client=client).fit(*data())) == digest(serial)
    with monkeypatch.context() as patch:
        patch.setattr(cluster.Cluster, "run", disturbed)
        assert digest(model().fit(*data())) == digest(serial)
    assert len(done) == 6
    for timer in timers:
        timer.join()
    assert len(killed) == 3
    for workers in (3, 1):
        local_cluster.scale(workers)
        client.wait_for_workers(workers, timeout=120)
        assert digest(model().fit(*data())) == digest(serial)


@CLUSTER
def test_joblib_sends_folds_and_candidates_to_the_cluster(client):
    joblib = pytest.importorskip("joblib")
    from sklearn.model_selection import GridSearchCV

    x, y = (part.compute() for part in data())
    options = {"n_lambdas": 3, "hidden": (4,), "epochs": (5, 1)}
    here = rn.regularization_path(x, y, cv=3, **options)
    grid = {"l1": [1e-4, 1e-1]}
    search = GridSearchCV(
        rn.RegNetClassifier((4,), max_iter=3, random_state=0), grid, cv=2
    )
    with joblib.parallel_config("dask"):
        there = rn.regularization_path(x, y, cv=3, **options)
        stable = there.stability(x, y, n_subsamples=4)
        search.fit(x, y)
    np.testing.assert_array_equal(here.validation_scores, there.validation_scores)
    want = here.stability(x, y, n_subsamples=4).frequencies
    np.testing.assert_array_equal(stable.frequencies, want)
    assert search.best_params_ == {"l1": 1e-4}


@CLUSTER
def test_two_trainings_share_a_cluster(serial, client):
    with ThreadPoolExecutor(2) as pool:
        fits = [pool.submit(model(client=client).fit, *data()) for _ in range(2)]
    assert [digest(fit.result()) for fit in fits] == [digest(serial)] * 2


SCHEDULER = """
import time, distributed, regnet_c.dask
options = {"processes": False, "dashboard_address": None, "protocol": "tcp"}
print(distributed.LocalCluster(n_workers=1, **options).scheduler_address, flush=True)
time.sleep(100)
"""


@POSIX
@CLUSTER
def test_a_stopped_or_dead_scheduler_is_a_clean_error(monkeypatch):
    """Within 30 seconds; the rounds that ended before are kept."""
    run, done, signals = cluster.Cluster.run, [], {2: signal.SIGSTOP, 5: signal.SIGKILL}
    command = [sys.executable, "-c", SCHEDULER]
    monkeypatch.setattr(cluster, "_GRACE", 3.0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def disturbed(runner, function, *arguments):
            if function is rounds.take_steps:
                done.append(time.monotonic())
                process.send_signal(signals.get(len(done), 0))
            return run(runner, function, *arguments)

        monkeypatch.setattr(cluster.Cluster, "run", disturbed)
        address = process.stdout.readline().strip()
        with distributed.Client(address, timeout=60) as client:
            try:
                stopped = model(client=client, timeout=3)
                with pytest.raises(TimeoutError, match="the scheduler does not answer"):
                    stopped.fit(*data())
                process.send_signal(signal.SIGCONT)
                dead = model(client=client)
                with pytest.raises(ConnectionError, match="the Dask scheduler is lost"):
                    dead.fit(*data())
            finally:
                process.kill()
        assert time.monotonic() - done[-1] < 23
    assert stopped.history_.epochs == 1 and dead.history_.epochs == 2


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
