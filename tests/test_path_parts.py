"""Paths on parts of the data: folds, stability selection; Ctrl-C and the progress bar."""

import _thread
import pickle
import threading

import numpy as np
import pytest
from test_path import QUICK, problem, steps_recipe

import regnet_c as rn
from regnet_c.path import folds, search, steps


def test_cross_validation_scores_the_same_strengths():
    pytest.importorskip("joblib")
    x, y = problem(300)
    one, two = (
        rn.regularization_path(x, y, cv=3, n_jobs=jobs, **QUICK) for jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.validation_scores, two.validation_scores)
    assert one.validation_scores.shape == one.strengths.shape
    assert np.all(one.validation_errors[:-1] > 0)
    assert set(one.select()) >= {3, 7}


def test_folds_are_even_in_the_labels():
    x, _ = problem(90)
    y = np.repeat([0, 1, 2], [60, 20, 10])
    pairs = search.splits_of(5, x, y, steps_recipe())
    for train, test in pairs:
        assert np.bincount(y[test]).tolist() == [12, 4, 2]
        assert sorted([*train, *test]) == list(range(90))
    with pytest.raises(ValueError, match="expected at least 2"):
        search.splits_of([(np.arange(5), np.arange(5, 9))], x, y, steps_recipe())


def test_a_fold_is_a_job_for_another_process():
    """What joblib's backends send there and back."""
    x, y = problem(300)
    recipe, rows = steps_recipe(), np.arange(0, 300, 2)
    parts = folds.Parts(recipe, "up", [0.02, 0.05], x, y)
    number, here = parts.walk(recipe, 3, rows, rows + 1)
    job = pickle.dumps((parts.walk, (recipe, 3, rows, rows + 1)))
    function, arguments = pickle.loads(job)
    there = pickle.loads(pickle.dumps(function(*arguments)))
    assert there[0] == number == 3 and len(here) == len(there[1]) == 2
    for one, other in zip(here, there[1], strict=True):
        assert one.validation == other.validation
        np.testing.assert_array_equal(one.importance, other.importance)


def test_joblib_chooses_where_folds_run(monkeypatch):
    joblib = pytest.importorskip("joblib")
    assert folds._jobs(2) == (2, True)
    with joblib.parallel_config("loky", n_jobs=3):
        assert folds._jobs(None) == (3, False) and folds._jobs(1) == (1, True)


class Interrupt:
    """tqdm's place: Ctrl-C at one of its steps."""

    def __init__(self, at):
        self.at, self.total, self.n = at, 0, 0

    def step(self, n_features):
        self.n += 1
        if self.n == self.at:
            raise KeyboardInterrupt

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


def test_ctrl_c_is_raised_with_the_steps_that_are_done(monkeypatch):
    x, y = problem()
    monkeypatch.setattr(search, "StepBar", lambda *args: Interrupt(4))
    with pytest.raises(KeyboardInterrupt) as stop:
        rn.regularization_path(x, y, cv=3, **QUICK)
    path = stop.value.partial
    assert path.interrupted and len(path) == 4
    assert "interrupted" in repr(path)
    assert np.isnan(path.validation_scores).all()
    with pytest.raises(ValueError, match="there are none"):
        path.select(rule="best")


def test_ctrl_c_in_the_dense_fit_leaves_no_step(monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "start_weights", interrupt)
    with pytest.raises(KeyboardInterrupt) as stop:
        rn.regularization_path(*problem(), **QUICK)
    path = stop.value.partial
    assert path.interrupted and len(path) == 0
    assert repr(path) == "RegularizationPath(0 steps)"
    with pytest.raises(ValueError, match="ever used 0 features"):
        path.select(k=1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_in_the_folds_keeps_the_path(jobs, monkeypatch):
    pytest.importorskip("joblib")
    x, y = problem(300)
    whole = steps.Walk.steps

    def slow(self, strengths):
        for step in whole(self, strengths):
            if self._event is not None and not self._event.is_set():
                if threading.current_thread() is threading.main_thread():
                    raise KeyboardInterrupt
                _thread.interrupt_main()
                self._event.wait(20)
            yield step

    monkeypatch.setattr(steps.Walk, "steps", slow)
    with pytest.raises(KeyboardInterrupt) as stop:
        rn.regularization_path(x, y, cv=3, n_jobs=jobs, **QUICK)
    path = stop.value.partial
    assert path.interrupted and len(path) > 5 and path.n_features[-1] == 0


def test_ctrl_c_keeps_the_scores_of_two_folds(monkeypatch):
    x, y = problem(300)
    whole = rn.regularization_path(x, y, cv=3, **QUICK)
    bar = Interrupt(2 * len(whole) + 3)
    monkeypatch.setattr(folds, "StepBar", lambda *args: bar)
    with pytest.raises(KeyboardInterrupt) as stop:
        rn.regularization_path(x, y, cv=3, **QUICK)
    path = stop.value.partial
    assert path.interrupted and len(path) == len(whole)
    assert np.isfinite(path.validation_scores).all()
    assert np.any(path.validation_scores != whole.validation_scores)
    assert {3, 7} <= set(path.select())


def test_ctrl_c_keeps_the_subsamples_that_are_done(monkeypatch):
    x, y = problem(300)
    path = rn.regularization_path(x, y, **QUICK)
    bar = Interrupt(2 * len(path) + 3)
    monkeypatch.setattr(folds, "StepBar", lambda *args: bar)
    with pytest.raises(KeyboardInterrupt) as stop:
        path.stability(x, y, n_subsamples=6)
    assert stop.value.partial.interrupted and stop.value.partial.n_subsamples == 2


def test_ctrl_c_keeps_a_refit_as_far_as_it_got(monkeypatch):
    x, y = problem(300)
    path = rn.regularization_path(x, y, **QUICK)
    train, inner = rn.Network.fit, []

    def interrupted(network, *args, **kwargs):
        train(network, *args, **{**kwargs, "epochs": 2})
        inner.append(network)
        raise KeyboardInterrupt

    monkeypatch.setattr(rn.Network, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt) as stop:
        path.refit(x, y, k=2)
    monkeypatch.undo()
    network = stop.value.partial
    assert network.predict(x).shape == (300, 2) and network.history.epochs == 2
    scaled = path._problem.data(x, y, "float32")[0][:, path.select(k=2)]
    np.testing.assert_allclose(inner[0].predict(scaled), network.predict(x), atol=1e-6)


def test_progress_shows_features(capsys, monkeypatch):
    x, y = problem(150)
    path = rn.regularization_path(x, y, progress=True, **QUICK)
    assert "0 features" in capsys.readouterr().err
    path.refit(x, y, k=2, epochs=2, progress=True)
    assert "loss" in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr", None)  # a program without a console
    assert len(rn.regularization_path(x, y, progress=True, **QUICK)) == len(path)


def test_stability_finds_the_columns_that_always_count():
    x, _ = problem()
    y = (x[:, 3] + x[:, 7] > 0).astype(int)
    path = rn.regularization_path(x, y, **QUICK)
    found = path.stability(x, y, n_subsamples=6)
    assert found.frequencies.shape == (len(path), 12) and found.n_subsamples == 6
    assert found.select(max_false=4.0).tolist() == [3, 7]
    assert not found.interrupted
    with pytest.raises(ValueError, match="threshold is 0.5"):
        found.select(threshold=0.5)


def test_stability_counts_only_sparse_strengths():
    used = np.ones((4, 3, 10), bool)
    used[:, 1] = np.arange(10) < 3
    used[:, 2] = [[i == 0 for i in range(10)]] * 3 + [[False] * 10]
    found = rn.StabilitySelection([0.1, 0.2, 0.3], used, False)
    # q = 0.75 and 3 inputs: 0.75^2 / 6 and 9 / 6 wrong ones expected at 0.8
    assert found.select(0.8, max_false=1.5).tolist() == [0, 1, 2]
    with pytest.warns(UserWarning, match="select no column: .* 1 of 3, .* 1.00"):
        assert found.select(0.8, max_false=1.4).tolist() == []
    assert found.select(0.75, max_false=0.2).tolist() == [0]
