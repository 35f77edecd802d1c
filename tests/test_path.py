"""regularization_path: the strengths, the steps, the choices, the plot."""

import copy

import numpy as np
import pytest

import regnet_c as rn
from regnet_c.path import steps
from regnet_c.path.problem import Problem
from regnet_c.path.recipe import make_recipe

PENALTIES = ["group_inputs", "l1", "lassonet"]
QUICK = {
    "hidden": (16,),
    "optimizer": rn.Adam(0.01),
    "batch_size": 32,
    "epochs": (30, 5),
    "n_lambdas": 12,
}


def problem(n=500, n_in=12, seed=0):
    """Columns 3 and 7 decide the class."""
    x = np.random.default_rng(seed).standard_normal((n, n_in)).astype(np.float32)
    return x, (x[:, 3] * x[:, 7] > 0).astype(int)


@pytest.fixture(scope="module", params=PENALTIES)
def path(request):
    x, y = problem()
    return rn.regularization_path(
        x[:350],
        y[:350],
        penalty=request.param,
        validation_data=(x[350:], y[350:]),
        **QUICK,
    )


def test_path_goes_from_many_features_to_none(path):
    assert path.n_features[0] >= 4
    assert path.n_features[-1] == 0 and np.all(path.n_features[:-1] > 0)
    assert np.all(np.diff(path.n_features) <= 0)
    for more, fewer in zip(path.selected, path.selected[1:], strict=False):
        assert set(fewer) <= set(more)


def test_strengths_are_evenly_spaced_around_lambda_max(path):
    ratios = path.strengths[1:] / path.strengths[:-1]
    np.testing.assert_allclose(ratios, 0.01 ** (-1 / 11), rtol=1e-9)
    assert path.strengths[0] == pytest.approx(0.01 * path.lambda_max)
    assert len(path) <= 2 * 12


def test_the_right_columns_are_selected(path):
    assert path.select(k=2).tolist() == [3, 7]
    assert path.select(rule="1se").tolist() == [3, 7]
    assert set(path.ranking()[:2]) == {3, 7}
    best = path.step("best")
    assert path.validation_scores[best] == path.validation_scores.max() > 0.9


def test_weights_scores_and_importances_belong_together(path):
    x, y = problem()
    for step in (0, len(path) // 2):
        network = path.network(step)
        accuracy = network.evaluate(x[:350], y[:350])["accuracy"]
        assert accuracy == pytest.approx(path.train_scores[step], abs=0.01)
        used = np.any(path.weights[step][0], axis=1)
        if path.weights[step][-1].ndim == 2:  # the linear map of a LassoNet
            used |= np.any(path.weights[step][-1], axis=1)
        if len(path.weights[step]) == 4:
            used = np.any(path.weights[step][0], axis=1)
        np.testing.assert_array_equal(path.importances[step] > 0, used)


def test_refit_trains_on_the_selected_columns_alone(path):
    x, y = problem()
    network = path.refit(x[:350], y[:350], k=2, epochs=60)
    assert network.metadata["columns"] == [3, 7]
    assert network.get_weights()[0].shape == (2, 16)
    assert network.zeros() == 0
    assert network.evaluate(x[350:][:, [3, 7]], y[350:])["accuracy"] > 0.93
    early = path.refit(
        x, y, rule="1se", validation_data=(x, y), patience=0, epochs=1000
    )
    assert early.history.stopped_early


def test_ways_to_choose_that_make_no_sense_are_refused(path):
    with pytest.raises(ValueError, match="k is 13, the path has only ever used"):
        path.select(k=13)
    with pytest.raises(ValueError, match="k is 0, expected at least 1"):
        path.select(k=0)
    with pytest.raises(ValueError, match="expected one of them"):
        path.select(k=2, rule="1se")
    with pytest.raises(ValueError, match="rule"):
        path.select(rule="2se")


def test_1se_takes_the_sparsest_step_within_one_standard_error():
    x, y = problem()
    recipe, learned = steps_recipe(), Problem(x, y)
    weights = recipe.network(0.0).get_weights()
    fake = [
        steps.Step(float(i + 1), weights, np.arange(12) < n, (0.0, 0.0), (score, 0.02))
        for i, (n, score) in enumerate([(9, 0.9), (6, 0.92), (4, 0.905), (2, 0.89)])
    ]
    path = rn.RegularizationPath(learned, recipe, "up", fake, 1.0, False, None)
    assert (path.step("best"), path.step("1se")) == (1, 2)
    assert path.select().tolist() == [0, 1, 2, 3]


def steps_recipe(**options):
    x, y = problem()
    penalty = options.pop("penalty", "group_inputs")
    return make_recipe(Problem(x, y), len(x), penalty, **options)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_nothing_enters_at_lambda_max_and_something_below(penalty):
    x, _ = problem()
    y = (x[:, 3] + 0.5 * x[:, 7] > 0).astype(int)
    options = {"optimizer": rn.SGD(0.02), "batch_size": len(x), "epochs": (5, 300)}
    recipe = steps_recipe(
        penalty=penalty, hidden=(8,), patience=(5, 300), adaptive=0.0, **options
    )
    start = steps.empty_start(recipe)
    top = steps.critical_strength(recipe, start, x, y)
    # the biases would move and change the gradient: one step is exact
    for factor, enters in ((1.001, False), (0.95, True)):
        network = recipe.network(top * factor)
        network.set_weights(start)
        network.train_step(x, y, rn.SGD(0.02))
        used = steps.importance(penalty, network.get_weights())
        assert used.any() == enters


def test_down_starts_empty_and_ends_with_many():
    x, y = problem()
    y = (x[:, 3] + x[:, 7] > 0).astype(int)
    path = rn.regularization_path(x, y, direction="down", **QUICK)
    assert len(path) == 12 and path.strengths[0] == pytest.approx(path.lambda_max)
    assert np.all(np.diff(path.strengths) < 0)
    assert path.n_features[0] <= 1 < path.n_features[-1]
    assert path.select(k=2).tolist() == [3, 7]


def test_every_step_starts_from_the_one_before():
    x, y = problem()
    start = steps.fit_dense(steps_recipe(**small()), x, y, None)
    frozen = {**small(), "optimizer": rn.SGD(1e-12), "adaptive": 0.0}
    walk = steps.Walk(steps_recipe(**frozen), start, x, y, None)
    found = list(walk.steps([1e-9, 2e-9]))
    for step in found:
        for w, first in zip(step.weights, start, strict=True):
            np.testing.assert_allclose(w, first, atol=1e-6)


def small():
    return {key: value for key, value in QUICK.items() if key != "n_lambdas"}


def test_an_empty_network_stays_empty_as_the_strength_grows():
    x, y = problem()
    recipe = steps_recipe(**small())
    walk = steps.Walk(recipe, steps.fit_dense(recipe, x, y, None), x, y, None)
    found = list(walk.steps([1e3, 2e3]))
    assert not any(step.importance.any() for step in found)
    assert [step.strength for step in found] == [1e3, 2e3]


def test_equal_seeds_give_equal_bits():
    x, y = problem(200)
    a, b = (rn.regularization_path(x, y, seed=4, threads=t, **QUICK) for t in (1, 2))
    np.testing.assert_array_equal(a.importances, b.importances)


def test_regression_scores_are_minus_the_loss():
    x, _ = problem()
    y = 2 * x[:, 5] + x[:, 2]
    path = rn.regularization_path(
        x[:350], y[:350], validation_data=(x[350:], y[350:]), **QUICK
    )
    assert path.select(k=2).tolist() == [2, 5]
    assert np.all(path.validation_scores <= 0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"penalty": "l2"}, ValueError, "unknown penalty 'l2'"),
        ({"direction": "left"}, ValueError, "unknown direction 'left'"),
        ({"hidden": ()}, ValueError, "hidden is"),
        ({"epochs": 5}, TypeError, "expected a pair"),
        ({"lambda_min_ratio": 1.0}, ValueError, "lambda_min_ratio"),
        ({"adaptive": 2}, ValueError, "adaptive is 2"),
        ({"cv": 1}, ValueError, "cv is 1"),
        ({"validation_data": 3}, TypeError, "validation_data must be a tuple"),
        ({"nonsense": 3}, TypeError, "nonsense"),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        rn.regularization_path(*problem(50), **{**QUICK, **change})


def test_bad_data_are_refused():
    x, y = problem(50)
    with pytest.raises(ValueError, match="1 dimension"):
        rn.regularization_path(x[0], y)
    with pytest.raises(ValueError, match="y has|rows"):
        rn.regularization_path(x, y[:-1])
    with pytest.raises(ValueError, match="X_val has 11 columns"):
        rn.regularization_path(x, y, validation_data=(x[:, 1:], y))
    for labels, error, message in (
        (np.array(["a", "b"] * 25), TypeError, "y has dtype <U1"),
        (["a", 1] * 25, TypeError, "text and 1, expected labels of one kind"),
        (np.array(["a", None] * 25, object), ValueError, "missing value in row 1"),
        (["a"] * 50, ValueError, "only one class"),
    ):
        loss = "squared_error" if error is TypeError else None
        with pytest.raises(error, match=message):
            rn.regularization_path(x, labels, loss=loss)


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_plot_draws_scores_and_every_input(path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, given = pyplot.subplots(2)
    above, below = path.plot(ax=given)
    assert above is given[0] and below is given[1]
    assert above.get_xscale() == below.get_xscale() == "log"
    assert above.get_ylabel() == "accuracy"
    drawn = lines(above)
    np.testing.assert_array_equal(
        drawn["validation"].get_ydata(), path.validation_scores
    )
    np.testing.assert_array_equal(drawn["training"].get_ydata(), path.train_scores)
    rule = next(line for label, line in drawn.items() if "rule='1se'" in label)
    assert rule.get_xdata()[0] == path.strengths[path.step("1se")]
    named = lines(below)
    assert {f"column {i}" for i in path.ranking()[:7]} <= set(named)
    np.testing.assert_array_equal(
        named["column 3"].get_ydata()[:2], path.importances[:2, 3]
    )
    ever = (path.importances > 0).any(axis=0).sum()
    assert (
        len([line for line in below.get_lines() if len(line.get_xdata()) > 2]) == ever
    )
    figure.draw_without_rendering()
    for ax in given:  # the legend crosses nothing: it stands beside the panel
        assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
    pyplot.close(figure)


@pytest.mark.parametrize("path", ["group_inputs"], indirect=True)
@pytest.mark.parametrize("low", [1e-5, 0.02, 0.1])
def test_labels_of_the_strengths_do_not_overlap(path, low):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    narrow = copy.copy(path)
    narrow.strengths = np.geomspace(low, 0.5, len(path))
    _, below = narrow.plot()
    below.figure.draw_without_rendering()
    labels = [text for text in below.get_xticklabels(which="both") if text.get_text()]
    left, right = np.array([text.get_window_extent().intervalx for text in labels]).T
    assert len(labels) > 1 and np.all(np.sort(left)[1:] > np.sort(right)[:-1])
    pyplot.close(below.figure)


def test_plot_shows_losses_of_any_size_and_any_name():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pandas = pytest.importorskip("pandas")
    x = problem(200)[0][:, :4]
    frame = pandas.DataFrame(x, columns=["_a", "cost in $ or $", "b" * 40, "c"])
    path = rn.regularization_path(frame, 1e6 * x[:, 0], **QUICK)
    above, below = path.plot()
    above.figure.draw_without_rendering()
    assert above.get_ylabel() == "loss (squared_error)"
    assert above.yaxis.get_offset_text().get_text() == ""
    assert np.all(lines(above)["training"].get_ydata() >= 0)
    shown = [text.get_text() for text in below.get_legend().get_texts()]
    assert sorted(shown) == sorted(
        [" _a", "cost in \\$ or \\$", "b" * 23 + "\u2026", "c"]
    )
    pyplot.close(above.figure)
