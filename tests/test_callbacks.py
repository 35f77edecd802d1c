"""Callbacks: who is called, in which order, and what happens when one of them fails."""

import sys

import numpy as np
import pytest

import regnet_c as rn

X = np.eye(4)


class Noted:
    """A callback of one's own that writes down what is called; `fails` raises."""

    def __init__(self, name, calls, fails=()):
        self._name, self._calls, self._fails = name, calls, fails

    def _note(self, what):
        self._calls.append(f"{self._name} {what}")
        if what in self._fails:
            raise RuntimeError(f"{self._name} fails in {what}")

    def on_train_begin(self, network):
        self._note("begin")

    def on_epoch_end(self, epoch, logs):
        self._note("epoch")

    def on_train_end(self):
        self._note("end")


def fit(callbacks, epochs=1, **options):
    net = rn.Network([rn.Dense(4, 1)])
    return net.fit(X, X[:, :1], epochs, callbacks=callbacks, **options)


@pytest.mark.parametrize(
    ("failing", "called"),
    [
        ("none", "begin abc, epoch abc, end abc"),
        ("begin", "begin ab, end a"),
        ("epoch", "begin abc, epoch ab, end abc"),
        ("end", "begin abc, epoch abc, end abc"),
    ],
)
def test_every_callback_that_began_is_ended(failing, called):
    calls = []
    callbacks = [Noted("a", calls), Noted("b", calls, (failing,)), Noted("c", calls)]
    if failing == "none":
        fit(callbacks)
    else:
        with pytest.raises(RuntimeError, match=f"b fails in {failing}"):
            fit(callbacks)
    parts = [part.split() for part in called.split(", ")]
    assert calls == [f"{name} {what}" for what, names in parts for name in names]


def test_two_failures_at_the_end_are_both_told():
    calls = []
    callbacks = [Noted("a", calls, ("end",)), Noted("b", calls, ("end",))]
    with pytest.raises(RuntimeError) as caught:
        fit(callbacks)
    told = {str(caught.value), str(caught.value.__context__)}
    assert told == {"a fails in end", "b fails in end"}


def test_a_failing_end_does_not_hide_that_training_failed():
    callbacks = [Noted("a", [], ("epoch", "end"))]
    with pytest.raises(RuntimeError, match="a fails in end") as caught:
        fit(callbacks)
    assert str(caught.value.__context__) == "a fails in epoch"


def test_best_weights_come_back_though_a_later_callback_fails():
    net = rn.Network([rn.Dense(4, 1)])
    stopping = rn.EarlyStopping("loss")
    callbacks = [Noted("a", [], ("end",)), stopping]
    with pytest.raises(RuntimeError):  # the loss rises: the first epoch is the best
        net.fit(X, X[:, :1], 5, 4, rn.SGD(3.0), callbacks=callbacks)
    twin = rn.Network([rn.Dense(4, 1)])
    twin.fit(X, X[:, :1], stopping.best_epoch + 1, 4, rn.SGD(3.0))
    for a, b in zip(net.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


METHODS = {
    "on_train_begin": lambda self, network: None,
    "on_epoch_end": lambda self, epoch, logs: epoch == 1,
    "on_checkpoint": lambda self, training: None,
    "on_train_end": lambda self: None,
    "get_state": lambda self: {"n": 1},
    "set_state": lambda self, state: None,
}


@pytest.mark.parametrize("name", METHODS)
def test_an_object_may_have_any_one_of_the_methods(name, tmp_path):
    names = ["get_state", "set_state"] if name == "get_state" else [name]
    own = type("Own", (), {name: METHODS[name] for name in names})()
    path = tmp_path / "run.safetensors"
    history = fit([own, rn.Checkpoint(path)], epochs=3)
    assert history.epochs == (2 if name == "on_epoch_end" else 3)
    resumed = fit([own, rn.Checkpoint(path)], epochs=3, resume_from=path)
    assert resumed["loss"] == history["loss"]


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (object(), "has none of the methods on_train_begin, on_epoch_end"),
        (type("Own", (), {"get_state": repr})(), "has get_state but no set_state"),
        (rn.EarlyStopping, r"the class EarlyStopping, expected an instance"),
        (type("Own", (), {"on_epoch_end": 3})(), "on_epoch_end of .* cannot be called"),
    ],
)
def test_what_is_no_callback_is_refused(callback, message):
    with pytest.raises(TypeError, match=message):
        fit([callback])
    with pytest.raises(
        TypeError, match="callbacks is an EarlyStopping, expected a list"
    ):
        fit(rn.EarlyStopping())


def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path):
    """Callbacks that had already taken their state are ended; the weights stay."""

    class Picky:
        refuses = False

        def get_state(self):
            return {"n": 1}

        def set_state(self, state):
            if self.refuses:
                raise ValueError("not mine")

    path, picky, calls = tmp_path / "run.safetensors", Picky(), []
    callbacks = [rn.EarlyStopping("loss"), picky, Noted("a", calls)]
    fit([*callbacks, rn.Checkpoint(path)], 3)
    picky.refuses, net = True, rn.Network([rn.Dense(4, 1)])
    before = net.get_weights()
    calls.clear()
    with pytest.raises(ValueError, match="does not fit this call: not mine"):
        net.fit(X, X[:, :1], 5, callbacks=callbacks, resume_from=path)
    for a, b in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert calls == ["a begin", "a end"]


def test_progress_without_a_stderr(monkeypatch):
    """As under pythonw, where there is none."""
    monkeypatch.setattr(sys, "stderr", None)
    assert fit([], epochs=2, progress=True).epochs == 2
