"""Plots: what is on them, by the labels and the data of the artists."""

import sys

import numpy as np
import pytest
from running import run_python

import regnet_c as rn
from regnet_c import plots

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")


@pytest.fixture
def network():
    """4-3-2 with known weights: 5 of 12 and 0 of 6 are zero; unit 2 is the longest."""
    net = rn.Network([rn.Dense(4, 3, "relu"), rn.Dense(3, 2)], dtype="float64")
    first = [[0, 0.2, -3], [0, 0, 2], [0.1, 0, 1], [0.3, 0, 0.5]]
    second = [[1, -1], [2, -2], [3, -3]]
    net.set_weights([np.array(first), np.zeros(3), np.array(second), np.zeros(2)])
    return net


def lines(ax):
    """label -> y values of the lines."""
    return {line.get_label(): list(line.get_ydata()) for line in ax.get_lines()}


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


HISTORY = {
    "loss": [0.9, 0.5, 0.3],
    "penalty": [0.1, 0.1, 0.1],
    "zeros": [0.0, 0.2, 0.4],
    "val_loss": [1.0, 0.6, 0.5],
    "val_accuracy": [0.5, 0.7, 0.8],
}


def test_history_draws_losses_above_and_shares_below():
    above, below = plots.plot_history(HISTORY)
    assert lines(above) == {
        "training loss": HISTORY["loss"],
        "validation loss": HISTORY["val_loss"],
    }
    assert lines(below) == {
        "validation accuracy": HISTORY["val_accuracy"],
        "weights exactly zero": HISTORY["zeros"],
    }
    assert list(above.get_lines()[0].get_xdata()) == [1, 2, 3]
    assert (above.get_ylabel(), below.get_xlabel()) == ("loss", "epoch")
    assert below.yaxis.get_major_formatter()(0.4) == "40%"
    assert legend(above) == ["training loss", "validation loss"]
    below.figure.draw_without_rendering()
    for ax in (above, below):  # the legend crosses nothing: it stands next to the panel
        assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
    assert all(tick == round(tick) for tick in below.get_xticks())


def test_history_of_a_fit_has_its_numbers():
    x = np.random.default_rng(0).normal(size=(50, 3))
    net = rn.Network([rn.Dense(3, 1, weight_penalty=rn.L1(0.5))])
    history = net.fit(x, x[:, :1], epochs=4)
    above, below = plots.plot_history(history)
    assert lines(above) == {"training loss": history["loss"]}
    assert lines(below) == {"weights exactly zero": history["zeros"]}


def test_history_with_losses_alone_is_one_panel():
    ax = plots.plot_history({"loss": [2.0, 1.0]})
    assert lines(ax) == {"training loss": [2.0, 1.0]} and ax.get_xlabel() == "epoch"


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match="has not finished an epoch"):
        plots.plot_history(rn.History())


def test_weights_have_bars_and_a_labelled_spike(network):
    first, second = plots.plot_weights(network, bins=10)
    shares = [bar.get_height() for bar in first.patches]
    assert len(shares) == 11 and sum(shares) == pytest.approx(7 / 12)
    assert [bar.get_x() + bar.get_width() / 2 for bar in first.patches].count(0) == 1
    (spike,) = first.collections
    (bottom, top) = spike.get_segments()[0]
    assert bottom[0] == top[0] == 0 and top[1] == pytest.approx(5 / 12)
    assert [t.get_text() for t in first.texts] == ["41.7% exactly zero"]
    assert first.get_title() == "layer 0: 4 × 3"
    assert (first.get_xlabel(), first.get_yscale()) == ("weight", "log")
    assert not second.collections
    assert [t.get_text() for t in second.texts] == ["no exact zeros"]


def test_weights_of_an_empty_layer_are_a_spike_alone(network):
    network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    ax = plots.plot_weights(network, layers=[0])
    assert not ax.patches
    assert ax.collections[0].get_segments()[0][1][1] == 1
    assert ax.texts[0].get_text() == "100.0% exactly zero"


def test_weights_of_one_layer(network):
    assert plots.plot_weights(network, layers=[1]).get_title() == "layer 1: 3 × 2"
    with pytest.raises(ValueError, match="layers has 2, .* 0 to 1"):
        plots.plot_weights(network, layers=[2])


def test_filters_are_the_longest_units_on_one_scale(network):
    axes = plots.plot_filters(network, shape=(2, 2), n=2)
    assert [ax.get_title() for ax in axes] == ["unit 2", "unit 0"]
    images = [ax.get_images()[0] for ax in axes]
    np.testing.assert_array_equal(images[0].get_array(), [[-3, 2], [1, 0.5]])
    np.testing.assert_array_equal(images[1].get_array(), [[0, 0], [0.1, 0.3]])
    assert all(image.get_clim() == (-3, 3) for image in images)


def test_filters_check_the_shape(network):
    with pytest.raises(ValueError, match=r"784 pixels; the first layer has 4 inputs"):
        plots.plot_filters(network)
    with pytest.raises(ValueError, match="n is 0"):
        plots.plot_filters(network, shape=(2, 2), n=0)


def test_sparsity_shows_what_is_left(network):
    first, second = plots.plot_sparsity(network)
    pattern = network.get_weights()[0].T != 0
    np.testing.assert_array_equal(first.get_images()[0].get_array(), pattern)
    assert first.get_title() == "layer 0: 4 × 3, 58.3% of the weights left"
    assert (first.get_xlabel(), first.get_ylabel()) == ("input", "unit")
    assert second.get_images()[0].get_array().all()


CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
CLASSES = np.array([0, 0, 1, 2])


def by_quarter(points):
    """Scores of three classes: left, below right, above right."""
    right, above = points[:, 0] > 0.5, points[:, 1] > 0.5
    return np.c_[~right, right & ~above, right & above].astype(float)


def region(ax):
    return ax.get_images()[0].get_array()


def test_regions_follow_the_scores():
    ax = plots.plot_decision_regions(by_quarter, CORNERS, CLASSES, resolution=4)
    below, above = [0, 0, 1, 1], [0, 0, 2, 2]
    np.testing.assert_array_equal(region(ax), [below, below, above, above])
    np.testing.assert_allclose(ax.get_images()[0].get_extent(), [-0.05, 1.05] * 2)
    assert legend(ax) == ["class 0", "class 1", "class 2"]
    points = [np.asarray(scatter.get_offsets()) for scatter in ax.collections]
    assert [len(p) for p in points] == [2, 1, 1]
    np.testing.assert_array_equal(points[2], [[1, 1]])


def test_regions_take_labels_of_any_kind():
    names = np.array(["left", "left", "right", "right"])
    ax = plots.plot_decision_regions(
        lambda p: np.where(p[:, 0] > 0.5, "right", "left"), CORNERS, names, resolution=2
    )
    np.testing.assert_array_equal(region(ax), [[0, 1], [0, 1]])
    assert legend(ax) == ["class left", "class right"]


def test_regions_stay_white_where_nothing_is_known():
    def half_known(points):
        scores = by_quarter(points)
        scores[points[:, 1] > 0.5] = np.nan
        return scores

    ax = plots.plot_decision_regions(half_known, CORNERS, CLASSES, resolution=2)
    assert np.ma.getmaskarray(region(ax)).tolist() == [[False, False], [True, True]]


def test_regions_of_a_binary_network():
    net = rn.Network([rn.Dense(2, 1)], loss="binary_cross_entropy")
    net.set_weights([[[9.0], [0.0]], [-4.5]])
    y = (CORNERS[:, 0] > 0.5).astype(int)
    ax = plots.plot_decision_regions(net, CORNERS, y, resolution=2)
    np.testing.assert_array_equal(region(ax), [[0, 1], [0, 1]])


def test_regions_refuse_what_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"X has shape \(4, 3\)"):
        plots.plot_decision_regions(by_quarter, np.ones((4, 3)), CLASSES)
    with pytest.raises(ValueError, match="expected labels of y"):
        plots.plot_decision_regions(lambda p: p[:, 0], CORNERS, CLASSES)


def test_every_function_draws_on_the_axes_given(network):
    figure, axes = plt.subplots(2, 3)
    one, two, three, four, five, _ = axes.flat
    assert plots.plot_decision_regions(by_quarter, CORNERS, CLASSES, ax=one) is one
    assert plots.plot_weights(network, layers=[0], ax=two) is two
    assert plots.plot_sparsity(network, layers=[0], ax=three) is three
    pair = plots.plot_history(HISTORY, ax=[four, five])
    assert pair[0] is four and pair[1] is five
    assert plt.get_fignums() == [figure.number]


def test_a_single_axes_is_divided(network):
    _, (left, right) = plt.subplots(1, 2)
    axes = plots.plot_weights(network, ax=left)
    assert len(axes) == 2 and not left.axison
    box = left.get_position()
    assert all(box.x0 - 1e-9 <= a.get_position().x0 < box.x1 for a in axes)
    assert axes[0].get_position().y0 > axes[1].get_position().y1
    assert right.axison


def test_a_wrong_number_of_axes_is_refused(network):
    _, axes = plt.subplots(1, 3)
    with pytest.raises(ValueError, match="ax has 3 Axes, this plot has 2 panels"):
        plots.plot_weights(network, ax=axes)


def test_colours_are_distinct_for_any_number_of_classes():

    for count in (3, 8, 12):
        colors = {matplotlib.colors.to_hex(c) for c in plots.class_colors(count)}
        assert len(colors) == count


def test_without_matplotlib_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install regnet-c\[plot\]$"):
        plots.plot_history(HISTORY)


def test_importing_plots_does_not_import_matplotlib(tmp_path):
    code = "import sys, regnet_c.plots; sys.exit('matplotlib' in sys.modules)"
    assert run_python(code, tmp_path).returncode == 0


# ------------------------------------------------------------------- estimators too


@pytest.fixture
def classifier():
    """A fitted estimator of three classes, and what it was fitted to."""
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    y = np.array(["high", "low", "mid"])[(x[:, 0] > 0.3) + 1 * (x[:, 1] > 0)]
    options = {"preset": "plain", "n_iter_no_change": None, "random_state": 0}
    estimator = rn.RegNetClassifier((8,), max_iter=60, **options)
    return estimator.fit(x, y), x, y


def test_a_network_and_an_estimator_have_a_history(classifier):
    estimator = classifier[0]
    history = estimator.network_.history
    for fitted in (estimator, estimator.network_):
        axes = np.atleast_1d(plots.plot_history(fitted))
        assert lines(axes[0])["training loss"] == history["loss"]
        assert axes[0].get_ylabel() == "loss (softmax_cross_entropy)"


def test_a_network_without_history_is_refused(network):
    with pytest.raises(ValueError, match="it has not been fitted"):
        plots.plot_history(network)
    with pytest.raises(TypeError, match="history is 3, expected a History"):
        plots.plot_history(3)


def test_weights_filters_and_sparsity_take_estimators(classifier):
    estimator = classifier[0]
    for draw in (plots.plot_weights, plots.plot_sparsity):
        of_network = draw(estimator.network_)
        titles = [ax.get_title() for ax in draw(estimator)]
        assert titles == [ax.get_title() for ax in of_network]
    assert len(plots.plot_filters(estimator, shape=(2, 2), n=3)) == 3
    with pytest.raises(TypeError, match="expected a Network or a fitted estimator"):
        plots.plot_weights("a file")


class Stub:
    """Probabilities as they are told."""

    def __init__(self, probabilities, classes):
        self.classes_ = np.array(classes)
        self.predict_proba = lambda X: np.asarray(probabilities)


def dots(ax):
    """x, y and the ends of the intervals."""
    (container,) = ax.containers
    points, _, (bars,) = container.lines
    ends = [segment[:, 1] for segment in bars.get_segments()]
    return points.get_xdata(), points.get_ydata(), np.array(ends)


def test_calibration_compares_shares_with_probabilities():
    p = np.repeat([0.1, 0.9], [10, 10])
    y = np.array(["no"] * 9 + ["yes"] + ["yes"] * 8 + ["no"] * 2)
    stub = Stub(np.c_[1 - p, p], ["no", "yes"])
    ax = plots.plot_calibration(stub, np.zeros((20, 1)), y, bins=2)
    x, share, ends = dots(ax)
    np.testing.assert_allclose(x, [0.1, 0.9])
    np.testing.assert_allclose(share, [0.1, 0.8])
    # Wilson's interval of 1 in 10 and 8 in 10, by any table
    np.testing.assert_allclose(ends, [[0.0179, 0.4042], [0.4902, 0.9433]], atol=1e-4)
    assert ax.get_xlabel() == "predicted probability"
    assert legend(ax) == ["calibrated", "2 bins of 10 rows"]


def test_calibration_of_many_classes_is_that_of_the_predicted_class():
    p = [[0.6, 0.3, 0.1], [0.2, 0.1, 0.7]]
    ax = plots.plot_calibration(Stub(p, ["a", "b", "c"]), [[0], [0]], ["a", "b"])
    x, share, _ = dots(ax)
    np.testing.assert_allclose(x, [0.6, 0.7])
    np.testing.assert_allclose(share, [1, 0])


def test_calibration_takes_networks_and_estimators(classifier):
    estimator, x, y = classifier
    plots.plot_calibration(estimator, x, y)
    labels = np.searchsorted(estimator.classes_, y)
    plots.plot_calibration(estimator.network_, x, labels)
    binary = rn.Network([rn.Dense(4, 1)], loss="binary_cross_entropy")
    ax = plots.plot_calibration(binary, x, (y == "low").astype(int), bins=5)
    assert legend(ax)[1] == "5 bins of 60 rows"


def test_calibration_refuses_what_has_no_probabilities(network):
    with pytest.raises(TypeError, match="expected a classifier"):
        plots.plot_calibration(network, np.zeros((2, 4)), [0, 1])
    stub = Stub([[0.5, 0.5]], ["no", "yes"])
    with pytest.raises(ValueError, match="expected one label per row"):
        plots.plot_calibration(stub, [[0]], ["no", "no"])
    with pytest.raises(ValueError, match="labels that are not among"):
        plots.plot_calibration(stub, [[0]], ["perhaps"])


def test_trials_show_what_raced_and_what_was_kept():
    pytest.importorskip("sklearn")
    X = np.random.default_rng(0).normal(size=(100, 2))
    model = rn.RegNetRegressor(tune=5, max_iter=3, random_state=0).fit(X, X[:, 0])
    ax = plots.plot_trials(model)
    kept, left = (points.get_offsets() for points in ax.collections)
    weights = [bool(trial.weight) for trial in model.trials_]
    assert [len(kept), len(left)] == [weights.count(True), weights.count(False)]
    means = [np.concatenate(t.losses).mean() for t in model.trials_ if t.weight]
    assert kept[:, 1].tolist() == pytest.approx(means)
    assert legend(ax) == ["in the result", "left"]
    alone = rn.RegNetRegressor(tune=False, max_iter=3, random_state=0)
    with pytest.raises(ValueError, match="no trials"):
        plots.plot_trials(alone.fit(X, X[:, 0]))


def test_no_plot_is_cut_off_and_no_legend_crosses_it(network, classifier):
    estimator, x, y = classifier
    labels = np.searchsorted(estimator.classes_, y)
    race = rn.RegNetClassifier((4,), tune=3, max_iter=3, random_state=0).fit(x, y)
    drawn = [
        plots.plot_history(HISTORY),
        plots.plot_weights(network),
        plots.plot_sparsity(network),
        plots.plot_filters(network, shape=(2, 2)),
        plots.plot_decision_regions(lambda points: points, x[:, :2], labels % 2),
        plots.plot_calibration(estimator, x, y),
        plots.plot_trials(race),
        plots.plot_path(rn.regularization_path(x, y, n_lambdas=3, cv=2, epochs=(2, 2))),
    ]
    for axes in drawn:
        figure = np.atleast_1d(axes)[0].figure
        figure.draw_without_rendering()
        whole = figure.bbox
        for ax in figure.axes:
            box = ax.get_tightbbox()
            assert box.x0 >= 0 and box.y0 >= 0, ax
            assert box.x1 <= whole.width and box.y1 <= whole.height, ax
            if ax.get_legend():
                beside = ax.get_legend().get_window_extent().x0
                assert beside >= ax.get_window_extent().x1, ax
