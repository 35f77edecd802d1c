"""Checkpoints: a call that was cut short and resumed has the bits of one that was not."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import OPTIMIZERS as NAMES
from running import POSIX, all_pairs, every_line, interrupted_at

import regnet_c as rn
from regnet_c import schedules
from regnet_c._core import team, training
from regnet_c._files import model_file

RATE = schedules.CosineDecay(0.01, 4, warmup_epochs=0.5)
OPTIMIZERS = {
    "sgd": lambda: rn.SGD(RATE),
    "momentum": lambda: rn.SGD(RATE, momentum=0.9),
    "nesterov": lambda: rn.SGD(RATE, momentum=0.9, nesterov=True),
    "adagrad": lambda: rn.Adagrad(RATE),
    "rmsprop": lambda: rn.RMSprop(RATE),
    "adam": lambda: rn.Adam(RATE),
    "adamw": lambda: rn.AdamW(RATE),
    "ftrl": lambda: rn.FTRL(RATE),
}
PENALTIES = {
    "none": None,
    "cumulative": rn.L1(1e-3),
    "proximal": rn.ElasticNet(1e-3, 1e-3, rule="proximal"),
    "groups": rn.GroupLasso(1e-2),
    "inputs": rn.SparseGroupLasso(1e-3, 1e-2, groups="inputs"),
}


def network(penalty=PENALTIES["cumulative"], rate=0.3, dtype="float32", **options):
    layers = [
        rn.Dense(5, 8, "tanh", penalty, max_norm=2.0),
        rn.Dense(8, 3, weight_penalty=penalty, bias_penalty=rn.L2(1e-3)),
    ]
    if rate:
        layers = [rn.Dropout(rate / 2), layers[0], rn.Dropout(rate), layers[1]]
    options = {"loss": "softmax_cross_entropy", "seed": 6} | options
    return rn.Network(layers, dtype=dtype, **options)


def call(path=None, optimizer=None, **changes):
    """Arguments of `fit`; new objects for every call, as after a restart."""
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((90, 5)), rng.integers(0, 3, 90)
    callbacks = [rn.EarlyStopping(patience=9)]
    if path is not None:
        callbacks.insert(0, rn.Checkpoint(path))
    return {
        "X": x[:70],
        "y": y[:70],
        "epochs": 4,
        "batch_size": 16,
        "optimizer": optimizer or rn.Adam(RATE),
        "validation_data": (x[70:], y[70:]),
        "sample_weight": np.linspace(0.5, 2, 70),
        "update_tau": 0.1,
        "callbacks": callbacks,
    } | changes


def outcome(net, history):
    """All that has to be the same, as bytes and numbers."""
    state = net._state
    arrays = [*net.get_weights(), state.m, state.v, state.q, state.ema]
    return SimpleNamespace(
        bits=[None if a is None else a.tobytes() for a in arrays],
        scalars=state.scalars.get(),
        position=(state.progress.epoch, state.progress.row),
        history=history.history,
        ended=(history.epochs, history.samples, history.stopped_early),
    )


def trained(net, **arguments):
    return outcome(net, net.fit(**arguments))


@contextlib.contextmanager
def interrupt(monkeypatch, step):
    """Ctrl-C after so many steps, at one step per call of the core."""
    left = [step]

    def rows(self, row, loss):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        patch.setattr(training, "_SLICE_SECONDS", 0.0)
        patch.setattr(training.ProgressBar, "rows", rows)
        yield


# ---- the same bits -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "penalty", "rate", "dtype"),
    all_pairs(
        kind=NAMES, penalty=PENALTIES, rate=[0.0, 0.3], dtype=["float32", "float64"]
    ),
)
def test_resumed_training_has_the_bits_of_uninterrupted(
    kind, penalty, rate, dtype, tmp_path, monkeypatch
):
    """Ctrl-C in the middle of an epoch (5 steps each), at its end, and in the last one."""
    path = tmp_path / "run"

    def fresh():
        return network(PENALTIES[penalty], rate, dtype)

    whole = trained(fresh(), **call(optimizer=OPTIMIZERS[kind]()))
    resume, taken = {}, 0
    for step in (7, 3, 9):  # after 7 steps, after 10, after 19 of 20
        with interrupt(monkeypatch, step):
            fresh().fit(**call(path, OPTIMIZERS[kind]()), **resume)
        resume = {"resume_from": path}
        taken += step
        _, (values, _) = model_file.load_with_state(rn.Network, path)
        assert values["training"]["step"] == taken
    parts = trained(fresh(), **call(path, OPTIMIZERS[kind]()), **resume)
    assert parts == whole
    assert whole.position == (4, 0) and whole.scalars["step"] == 20


@pytest.mark.parametrize("members", [1, 2])
def test_schedules_of_dropout_and_decay_are_resumed(members, tmp_path, monkeypatch):
    """In the middle of an epoch they are those of its first step."""
    path, rate = tmp_path / "run", schedules.ExponentialDecay(0.6, 0.5)
    decay = schedules.ExponentialDecay(9.0, 0.5)

    def fresh():
        layers = [rn.Dense(5, 8, "tanh"), rn.Dropout(rate), rn.Dense(8, 3)]
        return rn.Network(layers, "softmax_cross_entropy", members=members)

    def arguments(*path):
        return call(*path, rn.AdamW(0.01, weight_decay=decay))

    whole, resume = trained(fresh(), **arguments(None)), {}
    assert whole.scalars["weight_decay"] == pytest.approx(9 / 8)
    for step in (7, 3, 9):  # after 7 steps, after 10, after 19 of 20
        with interrupt(monkeypatch, step):
            fresh().fit(**arguments(path), **resume)
        resume = {"resume_from": path}
    assert trained(fresh(), **arguments(path), **resume) == whole
    other = call(optimizer=rn.AdamW(0.01, weight_decay=decay.replace(decay=0.6)))
    with pytest.raises(ValueError, match="another call of fit: optimizer="):
        fresh().fit(**other, **resume)


def test_the_state_of_every_array_matters(tmp_path):
    """Else the test above could not see a moment or a debt that is lost."""
    path, whole = tmp_path / "run", trained(network(), **call())
    network().fit(**call(path, epochs=2))
    _, (values, arrays) = model_file.load_with_state(rn.Network, path)
    assert set(arrays) >= {"m", "v", "q", "ema"}
    for name in ("m", "v", "q", "ema"):
        changed = arrays | {name: np.zeros_like(arrays[name])}
        model_file.save(rn.Network.load(path), tmp_path / "other", (values, changed))
        parts = trained(network(), **call(), resume_from=tmp_path / "other")
        assert parts.bits != whole.bits


def test_an_interrupt_at_every_third_line_loses_and_repeats_nothing(
    tmp_path, monkeypatch
):
    """The file of the interrupt, or of the epoch before, leads to the same end."""
    monkeypatch.setattr(training, "_SLICE_SECONDS", 0.0)
    clock = SimpleNamespace(perf_counter=lambda: 0.0, monotonic=lambda: 0.0)
    monkeypatch.setattr(training, "time", clock)  # for files with the same bytes
    path, stops, resumed = tmp_path / "run", 0, set()
    whole = trained(network(), **call(epochs=2, batch_size=32))

    def fit():
        path.unlink(missing_ok=True)
        net, arguments = network(), call(path, epochs=2, batch_size=32)
        return functools.partial(net.fit, **arguments)

    fit()()
    for line in every_line(fit())[::3]:
        stops += interrupted_at(line, fit())
        if not path.exists() or path.read_bytes() in resumed:
            continue  # the user begins again, or from a file that was right
        resumed.add(path.read_bytes())
        arguments = call(path, epochs=2, batch_size=32)
        assert trained(network(), **arguments, resume_from=path) == whole, line
    assert stops > 230 and len(resumed) > 6


SCRIPT = """
    import sys, time
    import numpy as np, regnet_c as rn
    path, resume = sys.argv[1], sys.argv[2:] == ["resume"]
    x = np.random.default_rng(0).standard_normal((3000, 20))
    net = rn.Network([rn.Dense(20, 30, "relu", rn.L1(1e-4)), rn.Dropout(0.5),
                      rn.Dense(30, 1)], seed=1)
    print("ready", flush=True)
    try:
        net.fit(x, x[:, 0], 160, 8, rn.Adam(1e-3), callbacks=[rn.Checkpoint(path)],
                resume_from=path if resume else None)
    except KeyboardInterrupt:
        sys.exit(130)
    net.save(path + ".end")
"""


@POSIX
def test_a_process_that_is_stopped_again_and_again_comes_to_the_same_end(tmp_path):
    """By SIGINT and SIGKILL in turn."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(script)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, timeout=60)
    path, stops = tmp_path / "parts", 0
    for number_of_run in range(100):
        resume = ["resume"] if path.exists() else []
        process = subprocess.Popen(
            [*command, str(path), *resume], stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"ready\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.03 * (1 + number_of_run) if stops < 4 else None)
        if process.poll() is None:
            process.send_signal((signal.SIGINT, signal.SIGKILL)[stops % 2])
            stops += 1
        process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode in (130, -signal.SIGINT, -signal.SIGKILL)
    ends = [Path(f"{tmp_path / name}.end").read_bytes() for name in ("whole", "parts")]
    assert ends[0] == ends[1] and stops > 3


def test_a_checkpoint_of_one_thread_is_resumed_by_three(dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(team, "_STEP_WORK", 1)
    monkeypatch.setattr(team, "_CALL_WORK", 1)
    path = tmp_path / "run"
    whole = trained(network(dtype=dtype), **call(threads=1))
    network(dtype=dtype).fit(**call(path, epochs=2, threads=1))
    parts = trained(network(dtype=dtype), **call(threads=3), resume_from=path)
    assert parts == whole


def test_a_checkpoint_of_one_variant_is_resumed_by_another(
    dtype, tmp_path, each_fused_isa
):
    path = tmp_path / "run"
    each_fused_isa(lambda: network(dtype=dtype).fit(**call(path, epochs=2)))

    def resumed():
        return trained(network(dtype=dtype), **call(), resume_from=path).bits

    assert len({tuple(bits) for bits in each_fused_isa(resumed).values()}) <= 1


# ---- what is resumed -----------------------------------------------------------------


def test_a_finished_run_is_resumed_at_its_end(tmp_path):
    path = tmp_path / "run"
    whole = trained(network(), **call(path))
    assert trained(network(), **call(path), resume_from=path) == whole
    more = trained(network(), **call(epochs=6), resume_from=path)
    assert more == trained(network(), **call(epochs=6))
    less = trained(network(), **call(epochs=1), resume_from=path)
    assert less.ended == (4, 280, False)


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    path = tmp_path / "run"

    def stopping():
        callbacks = [rn.Checkpoint(path), rn.EarlyStopping("loss", 0, min_delta=9.0)]
        return call(callbacks=callbacks)

    whole = trained(network(), **stopping())
    assert whole.ended[0] == 2 and whole.ended[2]
    assert trained(network(), **stopping(), resume_from=path) == whole


def test_best_weights_and_patience_survive(tmp_path):
    """The best epoch lies before the interruption; waiting continues where it was."""
    path = tmp_path / "run"

    def stopping():
        callbacks = [rn.EarlyStopping("val_loss", 2, min_delta=0.5, mode="max")]
        return call(epochs=9, callbacks=[*callbacks, rn.Checkpoint(path)])

    net = network()
    whole = trained(net, **stopping())
    assert whole.ended[0] == 4 and net._state.progress.epoch == 4
    network().fit(**stopping() | {"epochs": 3})
    arguments = stopping()
    assert trained(network(), **arguments, resume_from=path) == whole
    early = arguments["callbacks"][0]
    assert early.best_epoch == 0 and early.best == whole.history["val_loss"][0]


def test_two_calls_with_one_optimizer_are_resumed_in_the_second(tmp_path):
    path = tmp_path / "run"

    def two_calls(epochs, **resume):
        net, arguments = network(), call(path)
        if not resume:
            net.fit(**call(epochs=3, optimizer=arguments["optimizer"]))
        return trained(net, **arguments | {"epochs": epochs}, **resume)

    whole = two_calls(4)
    assert whole.position == (7, 0) and whole.ended[0] == 4
    two_calls(2)
    assert two_calls(4, resume_from=path) == whole


def test_the_optimizer_goes_on_after_a_resumed_call(tmp_path):
    path, arguments, net = tmp_path / "run", call(), network()
    net.fit(**arguments)
    whole = trained(net, **arguments)
    network().fit(**call(path, epochs=2))
    parts, arguments = network(), call()
    parts.fit(**arguments, resume_from=path)
    assert trained(parts, **arguments) == whole


def test_a_checkpoint_is_a_model(tmp_path):
    path, net = tmp_path / "run", network(rate=0.0)
    net.metadata = {"a": [1, "b"]}
    net.fit(**call(path, callbacks=[rn.Checkpoint(path)]))
    loaded = rn.Network.load(path)
    assert loaded.layers == net.layers and loaded.metadata == net.metadata
    for a, b in zip(loaded.get_weights(), net.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    arrays = pytest.importorskip("safetensors.numpy").load_file(path)
    assert arrays["m"].shape == (5 * 8 + 8 + 8 * 3 + 3,)
    assert arrays["history.loss"].tolist() == net.history["loss"]


def test_a_network_without_some_inputs_is_resumed(tmp_path):
    path, weights = tmp_path / "run", network(rate=0.0).get_weights()
    weights[0][2] = 0

    def small():
        net = network(rate=0.0)
        net.set_weights(weights)
        return net.compact()

    assert small().kept_inputs.tolist() == [0, 1, 3, 4]
    whole = trained(small(), **call())
    small().fit(**call(path, epochs=2))
    assert trained(small(), **call(), resume_from=path) == whole
    other = rn.Network(small().layers, "softmax_cross_entropy", seed=6)
    x = call()["X"][:, 1:]
    with pytest.raises(ValueError, match=r"inputs='4 of 5, .*'4 of 4"):
        other.fit(**call(X=x, validation_data=(x, call()["y"])), resume_from=path)


def test_pruned_networks_are_resumed(tmp_path, monkeypatch):
    """Zeros stay zeros, and the next ones are pruned in their epoch."""
    path = tmp_path / "run"

    def pruning():
        callbacks = [rn.Prune(0.3, 1, 3), rn.Checkpoint(path)]
        return call(keep_zeros=True, callbacks=callbacks)

    whole = trained(network(), **pruning())
    with interrupt(monkeypatch, 12):
        network().fit(**pruning())
    net = network()
    assert trained(net, **pruning(), resume_from=path) == whole
    assert net.zeros() > 0.6
    with pytest.raises(ValueError, match="keep_zeros=True in the file, False here"):
        network().fit(**pruning() | {"keep_zeros": False}, resume_from=path)


def test_the_form_of_the_data_does_not_matter(tmp_path):
    path, x = tmp_path / "run", call()["X"].astype(np.float32)
    whole = trained(network(), **call(X=x))
    network().fit(**call(path, epochs=2, X=x))
    odd = np.asfortranarray(x.astype(np.float64))[:, ::-1][:, ::-1]
    labels = call()["y"].astype(np.uint8)
    assert trained(network(), **call(X=odd, y=labels), resume_from=path) == whole


# ---- what is refused -----------------------------------------------------------------


def arguments_with(name, value):
    def change(arguments):
        arguments[name] = value(arguments[name]) if callable(value) else value

    return change


def fewer_rows(arguments):
    for name in ("X", "y", "sample_weight"):
        arguments[name] = arguments[name][:69]


def other_row(arguments):
    arguments["X"] = arguments["X"].copy()
    arguments["X"][-1, 2] += 1


OTHER_CALLS = {
    "rows": (fewer_rows, "rows=70 in the file, 69 here"),
    "batch": (arguments_with("batch_size", 8), "batch_size=16 in the file, 8 here"),
    "rate": (
        arguments_with("optimizer", rn.Adam(0.1)),
        r"optimizer='Adam\(CosineDecay\(.*' in the file, 'Adam\(0.1\)' here",
    ),
    "optimizer": (arguments_with("optimizer", rn.SGD(0.1)), r"here"),
    "shuffle": (
        arguments_with("shuffle", False),
        "shuffle=True in the file, False here",
    ),
    "tau": (
        arguments_with("update_tau", None),
        "update_tau=0.1 in the file, None here",
    ),
    "validation": (
        arguments_with("validation_data", None),
        "validation_rows=20 in the file, None here",
    ),
    "values": (other_row, "data_checksum='.*' in the file, '.*' here"),
    "labels": (arguments_with("y", lambda y: y[::-1]), "data_checksum"),
    "weights": (arguments_with("sample_weight", None), "data_checksum"),
    "callbacks": (
        arguments_with("callbacks", []),
        r"callbacks=\['EarlyStopping'\] in the file, \[\] here",
    ),
    "patience": (
        arguments_with("callbacks", [rn.EarlyStopping(patience=3)]),
        "EarlyStopping.*patience=9 in the file, patience=3 in this call",
    ),
}
OTHER_NETWORKS = {
    "dtype": ({"dtype": "float64"}, "dtype='float32' in the file, 'float64' here"),
    "seed": ({"seed": 7}, "seed=6 in the file, 7 here"),
    "layers": ({"rate": 0.0}, "layers=4 in the file, 2 here"),
    "rate": ({"rate": 0.2}, r"layers\[2\]=Dropout\(0.3\) in the file, Dropout\(0.2\)"),
    "smoothing": (
        {"loss": rn.Loss("softmax_cross_entropy", label_smoothing=0.1)},
        "loss={.*'label_smoothing': 0.0} in the file, {.*'label_smoothing': 0.1} here",
    ),
    "penalty": ({"penalty": rn.L1(0.5)}, r"L1\(0.001\).* in the file, .*L1\(0.5\)"),
}


@pytest.fixture
def checkpoint(tmp_path):
    network().fit(**call(tmp_path / "run", epochs=2))
    return tmp_path / "run"


@contextlib.contextmanager
def nothing_changes(net):
    """The weights, the history and the optimiser's memory stay as they are."""
    before = [w.tobytes() for w in net.get_weights()]
    history, state = net.history, net._state
    yield
    assert [w.tobytes() for w in net.get_weights()] == before
    assert net.history is history and net._state is state


@pytest.mark.parametrize("name", OTHER_CALLS)
def test_another_call_is_refused_with_both_values(name, checkpoint):
    change, message = OTHER_CALLS[name]
    net, arguments = network(), call()
    change(arguments)
    with nothing_changes(net), pytest.raises(ValueError, match=message):
        net.fit(**arguments, resume_from=checkpoint)


@pytest.mark.parametrize("name", OTHER_NETWORKS)
def test_another_network_is_refused_with_both_values(name, checkpoint):
    options, message = OTHER_NETWORKS[name]
    net = network(**options)
    with nothing_changes(net), pytest.raises(ValueError, match=message):
        net.fit(**call(), resume_from=checkpoint)


def test_other_files_are_refused(tmp_path):
    net = network()
    net.save(tmp_path / "model")
    with pytest.raises(rn.ModelFileError, match="model without a state of training"):
        net.fit(**call(), resume_from=tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        net.fit(**call(), resume_from=tmp_path / "nothing")
    (tmp_path / "text").write_text("no model")
    with pytest.raises(rn.ModelFileError, match="is not a regnet_c model"):
        net.fit(**call(), resume_from=tmp_path / "text")
    with pytest.raises(TypeError):
        net.fit(**call(), resume_from=1.5)


def test_every_damage_is_noticed(checkpoint):
    content = checkpoint.read_bytes()
    rng = np.random.default_rng(0)
    damages = [content[:size] for size in rng.integers(0, len(content), 300)]
    for bit in rng.integers(0, 8 * len(content), 700):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        damages.append(changed)
    for damaged in damages:
        checkpoint.write_bytes(damaged)
        with pytest.raises(rn.ModelFileError):
            rn.Network.load(checkpoint)


def in_training(**changes):
    return lambda values, arrays: values["training"].update(changes)


def in_history(**changes):
    return lambda values, arrays: values["history"].update(changes)


def in_callback(**changes):
    return lambda values, arrays: values["callbacks"][0][1].update(changes)


def with_array(name, array):
    return lambda values, arrays: arrays.__setitem__(name, np.asarray(array))


def without(name):
    return lambda values, arrays: arrays.pop(name)


FLAT = np.zeros(75, np.float32)
HOSTILE = {
    "row behind the end": in_training(row=80),
    "row of no batch": in_training(row=5),
    "row too large": in_training(row=2**80),
    "row below zero": in_training(row=-16),
    "row of text": in_training(row="0"),
    "row of a float": in_training(row=16.0),
    "row of a truth value": in_training(row=False),
    "row while an epoch waits": lambda v, a: (
        v["training"].update(epoch=3, row=16) or v["history"].update(epochs=2)
    ),
    "epoch before the first": in_training(epoch=1),
    "epoch far ahead": in_training(epoch=4),
    "epoch too large": in_training(epoch=2**63),
    "step below zero": in_training(step=-1),
    "step too large": in_training(step=2**64),
    "average from the future": in_training(ema_start=11),
    "another kind": in_training(kind=0),
    "another decay": in_training(credit_decay=0.5),
    "a power of text": in_training(beta1_power="1"),
    "a whole power": in_training(beta1_power=1),
    "an unknown value": in_training(more=1),
    "a missing value": lambda values, arrays: values["training"].pop("credit"),
    "training is a list": lambda values, arrays: values.update(training=[1]),
    "arguments are a number": lambda values, arrays: values.update(arguments=3),
    "no history": lambda values, arrays: values.pop("history"),
    "history is text": lambda values, arrays: values.update(history="x"),
    "epochs below zero": in_history(epochs=-1),
    "epochs of text": in_history(epochs="2"),
    "too many epochs": in_history(epochs=3),
    "first epoch too large": in_history(first_epoch=2**70),
    "seconds below zero": in_history(seconds=-1.0),
    "stopped by a number": in_history(stopped_early=1),
    "callbacks are a number": lambda values, arrays: values.update(callbacks=1),
    "a callback of three": lambda values, arrays: values["callbacks"][0].append(1),
    "a callback of text": lambda values, arrays: values.update(callbacks=["ab"]),
    "an unknown callback": lambda v, a: v["callbacks"][0].__setitem__(0, "Monitor"),
    "waited below zero": in_callback(wait=-1),
    "waited for text": in_callback(wait="0"),
    "best epoch of text": in_callback(best_epoch="x"),
    "best of no epoch": in_callback(best_epoch=None),
    "best is twice there": in_callback(best=0.5),
    "best is no array": lambda values, arrays: (
        in_callback(best=0.5)(values, arrays),
        arrays.pop("callbacks.0.best"),
    ),
    "more of a callback": in_callback(more=1),
    "m too short": with_array("m", FLAT[:-1]),
    "m of two dimensions": with_array("m", FLAT.reshape(3, 25)),
    "m of another dtype": with_array("m", FLAT.astype(float)),
    "no m": without("m"),
    "no q": without("q"),
    "no average": without("ema"),
    "an unknown array": with_array("more", FLAT),
    "array of no callback": with_array("callbacks.1.best", np.array(1.0)),
    "history too short": with_array("history.loss", np.zeros(1)),
    "history of a number": with_array("history.loss", np.array(1.0)),
    "best without a number": with_array("callbacks.0.best", np.array(np.nan)),
    "best of many numbers": with_array("callbacks.0.best", np.zeros(2)),
    "best weights too short": with_array("callbacks.0.best_weights", FLAT[:-1]),
    "best weights not finite": with_array("callbacks.0.best_weights", FLAT + np.nan),
    "no best weights": without("callbacks.0.best_weights"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_state_is_refused(name, checkpoint):
    """It is sealed with a checksum of its own; nothing has changed when it is refused."""
    net, (values, arrays) = model_file.load_with_state(rn.Network, checkpoint)
    HOSTILE[name](values, arrays)
    model_file.save(net, checkpoint, (values, arrays))
    net, arguments = network(), call()
    with nothing_changes(net), pytest.raises(ValueError, match="run"):
        net.fit(**arguments, resume_from=checkpoint)
    early = arguments["callbacks"][0]
    fresh = trained(network(), **call())
    assert trained(net, **arguments) == fresh and early.best_epoch is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"format_version":"2"', '"format_version":"1"'),
        ('"metadata":"{}","state":"', '"state":"{}","metadata":"'),
        ('"m":{"dtype":"F32"', '"m":{"dtype":"I32"'),
        ('"v":{"dtype":"F32"', '"m":{"dtype":"F32"'),
        ('"v":{"dtype"', '"v\\u0000":{"dtype"'),
        ('"m":{"dtype":"F32","shape":[75]', '"m":{"dtype":"F32","shape":[075]'),
        ('"m":{"dtype":"F32","shape":[75]', '"m":{"dtype":"F32","shape":[74]'),
        ('"m":{"dtype":"F32","shape":[75]', '"m":{"dtype":"F32","shape":[75,2]'),
    ],
)
def test_a_state_in_another_header_is_refused(old, new, checkpoint, monkeypatch):
    """With the checksum and the length put right, and not noticed while saving."""
    compose = model_file.compose
    net, state = model_file.load_with_state(rn.Network, checkpoint)

    def forged(*args):
        text = compose(*args)[8:].decode().rstrip(" ")
        assert old in text
        text = text.replace(old, new)
        text = (text + " " * (-len(text) % 8)).encode()
        return len(text).to_bytes(8, "little") + text

    monkeypatch.setattr(model_file, "compose", forged)
    monkeypatch.setattr(model_file, "_check_what_will_be_read", lambda *args: None)
    model_file.save(net, checkpoint, state)
    with pytest.raises(rn.ModelFileError, match="header|format version|twice"):
        rn.Network.load(checkpoint)


# ---- Checkpoint and states of callbacks ----------------------------------------------


def epochs_written(path, monkeypatch, **arguments):
    """Epochs after which the callbacks of a call write."""
    written, save = [], model_file.save

    def record(net, where, state=None):
        written.append((os.path.basename(where), net._state.progress.epoch))
        save(net, where, state)

    monkeypatch.setattr(model_file, "save", record)
    network().fit(**call(**arguments))
    return written


def test_every_so_many_epochs_and_the_last(tmp_path, monkeypatch):
    callbacks = [
        rn.Checkpoint(tmp_path / "a", every=3),
        rn.Checkpoint(tmp_path / "b", 7),
    ]
    written = epochs_written(tmp_path, monkeypatch, epochs=7, callbacks=callbacks)
    assert written == [("a", 3), ("a", 6), ("a", 7), ("b", 7)]


def best_epochs(losses, best):
    """Epochs, counted from 1, whose loss is better than all before."""
    return [
        n + 1
        for n, loss in enumerate(losses)
        if loss not in losses[:n] and best(losses[: n + 1]) == loss
    ]


def test_the_best_is_written_and_stays_the_best(tmp_path, monkeypatch):
    losses, path = network().fit(**call(epochs=6))["loss"], tmp_path / "best"
    for mode, best in (("max", max), ("min", min), ("auto", min)):
        one = rn.Checkpoint(path, monitor="loss", mode=mode)
        written = epochs_written(path, monkeypatch, callbacks=[one], epochs=6)
        assert [epoch for _, epoch in written] == best_epochs(losses, best)
    assert best_epochs(losses, max) != best_epochs(losses, min)


def test_a_resumed_call_knows_the_best_so_far(tmp_path, monkeypatch):
    losses = network().fit(**call(epochs=6))["loss"]
    for mode, best in (("max", max), ("min", min)):

        def callbacks(mode=mode):
            one = rn.Checkpoint(tmp_path / "best", monitor="loss", mode=mode)
            return [one, rn.Checkpoint(tmp_path / "last")]

        network().fit(**call(epochs=3, callbacks=callbacks()))
        written = epochs_written(
            tmp_path,
            monkeypatch,
            callbacks=callbacks(),
            epochs=6,
            resume_from=tmp_path / "last",
        )
        want = [epoch for epoch in best_epochs(losses, best) if epoch > 3]
        assert [epoch for name, epoch in written if name == "best"] == want
    other = [rn.Checkpoint(tmp_path / "best", monitor="loss", mode="max")]
    with pytest.raises(ValueError, match="mode='min' in the file, mode='max'"):
        network().fit(**call(callbacks=other), resume_from=tmp_path / "last")


def test_the_best_is_resumed_too(tmp_path):
    path = tmp_path / "best"
    callbacks = [rn.Checkpoint(path, monitor="loss", mode="max")]
    network().fit(**call(callbacks=callbacks))
    whole = trained(network(), **call(callbacks=[]))
    callbacks = [rn.Checkpoint(path, monitor="loss", mode="max")]
    assert trained(network(), **call(callbacks=callbacks), resume_from=path) == whole


def test_divergence_leaves_the_last_checkpoint(tmp_path):
    path = tmp_path / "run"
    network().fit(**call(path, epochs=1))
    before = path.read_bytes()
    with pytest.raises(rn.DivergenceError):
        network().fit(**call(path, optimizer=rn.SGD(1e30)))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: rn.Checkpoint(3), TypeError, "path|PathLike"),
        (lambda: rn.Checkpoint("a", every=0), ValueError, "every"),
        (
            lambda: rn.Checkpoint("a", every=2, monitor="loss"),
            ValueError,
            "one of them",
        ),
        (lambda: rn.Checkpoint("a", monitor=3), TypeError, "monitor is 3"),
        (lambda: rn.Checkpoint("a", monitor="loss", mode="x"), ValueError, "mode"),
    ],
)
def test_impossible_checkpoints_are_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_a_missing_quantity_and_a_missing_folder_are_named(tmp_path):
    best = rn.Checkpoint(tmp_path / "a", monitor="val_auc")
    with pytest.raises(ValueError, match="Checkpoint monitors 'val_auc'"):
        network().fit(**call(callbacks=[best]))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        network().fit(**call(tmp_path / "nowhere" / "a"))


class Counter(rn.Callback):
    """A user's callback, with numbers, text, infinities and arrays of two kinds."""

    def __init__(self):
        self.seen, self.sum = [], np.zeros((2, 3))

    def on_epoch_end(self, epoch, logs):
        self.seen.append(epoch)
        self.sum = self.sum + logs["loss"]

    def get_state(self):
        parts = [np.full(2, 1.5, np.float32), np.full(3, 2.5, np.float32)]
        most = np.array(np.inf)
        return {"seen": self.seen, "sum": self.sum, "parts": parts, "most": most}

    def set_state(self, state):
        self.seen, self.sum, self.read = state["seen"], state["sum"].copy(), state


def test_the_state_of_a_users_callback_comes_back(tmp_path):
    path, whole, first, second = tmp_path / "run", Counter(), Counter(), Counter()
    network().fit(**call(callbacks=[whole]))
    network().fit(**call(epochs=2, callbacks=[rn.Checkpoint(path), first]))
    network().fit(**call(callbacks=[second]), resume_from=path)
    assert whole.seen == second.seen == [0, 1, 2, 3]
    assert whole.sum.tobytes() == second.sum.tobytes()
    assert second.read["parts"].tolist() == [1.5, 1.5, 2.5, 2.5, 2.5]
    assert second.read["parts"].dtype == np.float32 and np.isinf(second.read["most"])


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        ({"a": np.arange(3)}, TypeError, "dtype int64, expected float32"),
        ({"a b": np.zeros(3)}, ValueError, "an array of the state is called"),
        ({"a": object()}, TypeError, "serializable"),
        ({"a": float("nan")}, ValueError, "JSON compliant"),
    ],
)
def test_a_state_that_cannot_be_saved_is_named(state, error, message, tmp_path):
    class Odd(rn.Callback):
        def get_state(self):
            return state

    path = tmp_path / "run"
    with pytest.raises(error, match=message):
        network().fit(**call(callbacks=[rn.Checkpoint(path), Odd()]))
    assert not path.exists()


def test_a_history_with_gaps_is_not_saved(tmp_path):
    class Now(rn.Callback):
        def on_train_begin(self, network):
            self.network = network

        def on_epoch_end(self, epoch, logs):
            if epoch != 1:
                self.network.history.history.setdefault("odd", []).append(1.0)

    with pytest.raises(ValueError, match=r"history\['odd'\] has 1 entries.* 2 epochs"):
        network().fit(**call(callbacks=[rn.Checkpoint(tmp_path / "run"), Now()]))
    assert len(rn.Network.load(tmp_path / "run").get_weights()) == 4


def test_an_error_of_a_callback_while_resuming_changes_nothing(checkpoint):
    class EarlyStopping(rn.Callback):  # the name in the file
        def get_state(self):
            return {}

        def set_state(self, state):
            raise ValueError("no thanks")

    net = network()
    with (
        nothing_changes(net),
        pytest.raises(ValueError, match="fit this call: no thanks"),
    ):
        net.fit(**call(callbacks=[EarlyStopping()]), resume_from=checkpoint)


def test_an_interrupted_epochs_loss_is_that_of_the_whole_epoch(monkeypatch):
    """Also without a checkpoint, when the same network simply continues."""
    whole = network().fit(**call())
    net, arguments = network(), call()
    with interrupt(monkeypatch, 3):
        net.fit(**arguments)
    assert net.fit(**arguments)["loss"] == whole["loss"]
