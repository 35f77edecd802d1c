"""The estimators: scikit-learn's own checks, what each parameter does, its tools."""

import copy
import doctest
import importlib
import pickle
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from running import run_python

pytest.importorskip("sklearn")

import joblib
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import check_estimator

import regnet_c as rn
from regnet_c.estimators import RegNetClassifier, RegNetRegressor, guard
from regnet_c.recipes import presets, recipe
from regnet_c.schedules import FlatCosine, LinearDecay

# most fits here take a handful of epochs
pytestmark = pytest.mark.filterwarnings("ignore:the fit ended worse than a constant")

ROOT = Path(__file__).parent.parent
COMMON = {
    "preset": "plain",
    "max_iter": 5,
    "n_iter_no_change": None,
    "random_state": 0,
    "dtype": "float64",
}
BOTH = pytest.mark.parametrize("cls", [RegNetClassifier, RegNetRegressor])


def classifier(**params):
    """A small one that trains a stated number of epochs, in float64."""
    params = COMMON | params
    return RegNetClassifier(params.pop("hidden_layer_sizes", (8,)), **params)


def regressor(**params):
    params = COMMON | params
    return RegNetRegressor(params.pop("hidden_layer_sizes", (8,)), **params)


@pytest.fixture
def data(rng):
    """Three classes that the first three of six columns decide."""
    X = rng.normal(size=(240, 6))
    return X, np.argmax(X[:, :3], axis=1)


def assert_same_weights(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- scikit-learn's checks -----------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        # each fit is a race; of few epochs, as there are 175 of them
        (RegNetClassifier, {"max_iter": 2}),
        (RegNetRegressor, {"max_iter": 5}),
        (RegNetClassifier, {"preset": "plain", "l1": 1e-4, "l2": 1e-5}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks_pass_completely(cls, params):
    results = check_estimator(cls(**params), on_fail=None, on_skip=None)
    bad = [
        (r["check_name"], r["exception"])
        for r in results
        if r["status"] not in ("passed", "skipped")
    ]
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert bad == [] and len(results) > 50
    assert skipped <= {
        "check_array_api_input",  # without SCIPY_ARRAY_API
        "check_classifiers_multilabel_output_format_decision_function",  # has none
    }


# ---- the estimator is the Network it describes ---------------------------------------


def test_a_classifier_is_the_network_it_describes(data):
    model = classifier(
        l1=1e-3, l2=1e-4, dropout=(0.1, 0.2), max_norm=2.0, batch_size=32
    )
    model.fit(*data)
    penalty = rn.ElasticNet(1e-3, 1e-4)
    hidden = rn.Dense(6, 8, activation="relu", weight_penalty=penalty, max_norm=2.0)
    layers = [rn.Dropout(0.1), hidden, rn.Dropout(0.2)]
    net = rn.Network(
        [*layers, rn.Dense(8, 3, weight_penalty=penalty)],
        loss="softmax_cross_entropy",
        dtype="float64",
    )
    history = net.fit(*data, epochs=5, batch_size=32)
    assert model.network_.layers == net.layers
    objective = np.add(history["loss"], history["penalty"])
    np.testing.assert_array_equal(model.loss_curve_, objective)
    assert_same_weights(model.network_, net)
    np.testing.assert_array_equal(model.predict_proba(data[0]), net.predict(data[0]))


def test_a_regressor_is_the_network_it_describes(data):
    X, y = data[0], data[0][:, :2] ** 2
    model = regressor(optimizer="sgd", hidden_layer_sizes=(7, 4), activation="tanh")
    model.fit(X, y)
    net = rn.Network(
        [
            rn.Dense(6, 7, activation="tanh"),
            rn.Dense(7, 4, activation="tanh"),
            rn.Dense(4, 2),
        ],
        dtype="float64",
    )
    net.fit(X, y, epochs=5, batch_size=200, optimizer=rn.SGD())
    assert_same_weights(model.network_, net)
    assert [w.shape for w in model.coefs_] == [(6, 7), (7, 4), (4, 2)]
    assert [b.shape for b in model.intercepts_] == [(7,), (4,), (2,)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_step_equals_scikit_learns_with_the_converted_alpha(data):
    X, y = data[0], data[0][:, :2] ** 2
    theirs = MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", solver="sgd")
    theirs.set_params(momentum=0, alpha=30.0)
    theirs.set_params(
        max_iter=1, learning_rate_init=0.1, batch_size=240, warm_start=True
    )
    theirs.set_params(nesterovs_momentum=False, random_state=0).fit(X, y)
    ours = regressor(hidden_layer_sizes=(4,), activation="tanh", optimizer="sgd")
    ours.set_params(l2=rn.L2.from_sklearn(30.0, 240).l2, learning_rate_init=0.1)
    ours.set_params(max_iter=1, batch_size=240, warm_start=True).fit(X, y)
    pairs = zip(theirs.coefs_, theirs.intercepts_, strict=True)
    ours.network_.set_weights([w.copy() for pair in pairs for w in pair])
    theirs.fit(X, y)
    ours.fit(X, y)
    for got, want in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "given", ["float64", "int64", "float32", "uint8", "bool", "float16"]
)
def test_dtype_is_float32_unless_asked_for(data, given):
    X = (data[0] > 0).astype(given)
    model = classifier(dtype="auto").fit(X, data[1])
    assert model.network_.dtype == "float32" == model.predict_proba(X).dtype
    model = classifier(dtype="float64").fit(X, data[1])
    assert model.network_.dtype == "float64" == model.predict_proba(X).dtype
    few = classifier(dtype="auto").fit(
        X[:63], data[1][:63]
    )  # where no time can be saved
    assert few.network_.dtype == "float64"


# ---- targets -------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["no", "yes"], [-1, 1], ["a", "b", "c"], [7, 3, 5]])
def test_classes_keep_their_names(data, names):
    X, y = data[0], np.take(names, data[1] % len(names))
    model = classifier(max_iter=100, learning_rate_init=0.03).fit(X, y)
    proba = model.predict_proba(X)
    assert proba.shape == (240, len(names))
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), proba)
    np.testing.assert_array_equal(model.classes_, np.unique(names))
    np.testing.assert_array_equal(
        model.predict(X), model.classes_[proba.argmax(axis=1)]
    )
    assert model.predict(X).dtype == y.dtype and model.score(X, y) > 0.85


@pytest.mark.parametrize(
    ("n_classes", "loss", "used", "n_out"),
    [
        (2, "auto", "binary_cross_entropy", 1),
        (2, "softmax_cross_entropy", "softmax_cross_entropy", 2),
        (3, "auto", "softmax_cross_entropy", 3),
    ],
)
def test_loss_and_outputs_follow_the_classes(data, n_classes, loss, used, n_out):
    model = classifier(loss=loss).fit(data[0], data[1] % n_classes)
    assert (model.network_.loss.name, model.n_outputs_) == (used, n_out)
    assert model.predict_proba(data[0]).shape == (240, n_classes)


def test_multi_label_targets_have_an_output_each(data):
    X, y = data[0], (data[0][:, :4] > 0).astype(int)
    model = classifier(max_iter=300, learning_rate_init=0.03).fit(X, y)
    assert model.network_.loss.name == "binary_cross_entropy"
    assert model.predict_proba(X).shape == y.shape == model.predict(X).shape
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X).round())
    assert (model.predict(X) == y).mean() > 0.9


@pytest.mark.parametrize(
    "loss", ["squared_error", "mse", "absolute_error", "mae", "huber", "quantile"]
)
def test_regression_losses_learn(data, loss):
    X, y = data[0], data[0] @ np.arange(6) / 3
    model = regressor(loss=loss, max_iter=150, learning_rate_init=0.02).fit(X, y)
    assert model.network_.loss.name == loss and model.score(X, y) > 0.95


def test_poisson_predicts_the_mean_and_refuses_negative_counts(data, rng):
    X = data[0]
    y = rng.poisson(np.exp(X[:, 0]))
    model = regressor(
        loss="poisson", max_iter=200, learning_rate_init=0.003, l2=0.01
    ).fit(X, y)
    assert (model.predict(X) > 0).all()
    assert np.corrcoef(np.log(model.predict(X)), X[:, 0])[0, 1] > 0.9
    with pytest.raises(ValueError, match="poisson expects values in"):
        model.fit(X, X[:, 0])


def test_a_loss_object_brings_its_parameter(data):
    X, y = data[0], data[0][:, 5]
    model = regressor(
        hidden_layer_sizes=(),
        loss=rn.Loss("quantile", 0.9),
        max_iter=300,
        learning_rate_init=0.03,
    ).fit(X[:, :1], y)
    assert 0.8 < (y < model.predict(X[:, :1])).mean() < 0.97


# ---- weights of rows and classes -----------------------------------------------------


def test_balanced_class_weights_are_row_weights(data, rng):
    X, y = data[0], (data[0][:, 0] > 1).astype(int)
    other = rng.integers(1, 4, len(y)).astype(float)
    by_name = classifier(class_weight="balanced").fit(X, y)
    by_rows = classifier().fit(X, y, sample_weight=compute_sample_weight("balanced", y))
    assert_same_weights(by_name.network_, by_rows.network_)
    assert by_rows.loss_ != classifier().fit(X, y).loss_
    both = classifier(class_weight={1: 3.0}).fit(X, y, sample_weight=other)
    product = classifier().fit(X, y, sample_weight=other * np.where(y, 3.0, 1.0))
    assert_same_weights(both.network_, product.network_)
    assert both.loss_ != by_rows.loss_


# ---- regularisation ------------------------------------------------------------------


def test_group_l1_removes_inputs_and_select_from_model_keeps_the_others(data):
    X, y = data[0], data[1]
    model = classifier(
        hidden_layer_sizes=(),
        group_l1=0.05,
        max_iter=300,
        learning_rate_init=0.01,
        batch_size=1000,
    )
    for l1 in (0.0, 1e-4):
        model.set_params(l1=l1).fit(X, y)
        norms = np.linalg.norm(model.coefs_[0], axis=1)
        np.testing.assert_allclose(model.feature_importances_, norms)
        assert (norms[:3] > 0).all() and (norms[3:] == 0).all()
    selector = SelectFromModel(model, threshold=1e-9).fit(X, y)
    np.testing.assert_array_equal(selector.get_support(), [1, 1, 1, 0, 0, 0])


def test_l1_gives_zeros_and_the_rule_is_passed_on(data):
    for rule in ("cumulative", "proximal"):
        model = classifier(
            l1=0.01, l1_rule=rule, max_iter=300, learning_rate_init=0.01
        ).fit(*data)
        assert model.network_.layers[0].weight_penalty == rn.L1(0.01, rule=rule)
        assert model.network_.zeros() > 0.2
    assert classifier(l2=0.1).fit(*data).network_.layers[0].weight_penalty == rn.L2(0.1)


def test_the_group_penalty_is_on_the_first_layer_alone(data):
    layers = classifier(group_l1=0.1, l1=0.01).fit(*data).network_.layers
    wanted = rn.SparseGroupLasso(0.01, 0.1, groups="inputs")
    assert [a.weight_penalty for a in layers] == [wanted, rn.L1(0.01)]
    layers = classifier(group_l1=0.1).fit(*data).network_.layers
    wanted = rn.GroupLasso(0.1, groups="inputs")
    assert [a.weight_penalty for a in layers] == [wanted, None]
    model = classifier(group_l1=0.1, l1=0.01, l1_rule="proximal")
    first, rest = model.fit(*data).network_.layers
    sparse = rn.SparseGroupLasso(0.01, 0.1, "inputs", rule="proximal")
    assert first.weight_penalty == sparse
    assert rest.weight_penalty == rn.L1(0.01, rule="proximal")


def test_one_dropout_rate_is_for_all_hidden_layers(data):
    layers = classifier(hidden_layer_sizes=(5, 4), dropout=0.3).fit(*data)
    kinds = [type(layer).__name__ for layer in layers.network_.layers]
    assert kinds == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert layers.network_.layers[1] == rn.Dropout(0.3)


def test_dropout_and_decay_take_schedules(data):
    """Those of `Network`, as in a `fit` of the same arguments; clones keep them."""
    rate, decay = FlatCosine(0.4, epochs=4), LinearDecay(2.0, epochs=4)
    model = classifier(dropout=[0.1, rate], optimizer="adamw", weight_decay=decay)
    model = clone(model.set_params(max_iter=4, batch_size=20)).fit(*data)
    layers = model.network_.layers
    assert layers[::2] == [rn.Dropout(0.1), rn.Dropout(rate)]
    net = rn.Network(layers, model.network_.loss, "float64", seed=model.random_state)
    optimizer = model._members[0].optimizer
    assert optimizer.weight_decay == decay
    net.fit(*data, 4, 20, optimizer.replace())
    for a, b in zip(net.get_weights(), model.network_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    layers = classifier(dropout=rate).fit(*data).network_.layers
    assert layers[1] == rn.Dropout(rate)


# ---- optimiser, epochs, stopping -----------------------------------------------------


def learning_rate(**params):
    resolved = presets.resolve(classifier(**params).get_params(), (240, 6), True)
    return recipe.make_optimizer(resolved).learning_rate


def test_learning_rates():
    assert learning_rate() == 0.001 and learning_rate(optimizer="sgd") == 0.01
    assert learning_rate(optimizer=rn.Adam(0.5)) == 0.5
    assert learning_rate(optimizer=rn.Adam(0.5), learning_rate_init=0.2) == 0.2
    cosine = learning_rate(learning_rate="cosine", max_iter=10)
    np.testing.assert_allclose(cosine([0, 50, 100], 10), [0.001, 0.0005, 0], atol=1e-18)
    assert learning_rate(optimizer=rn.SGD(0.3), learning_rate="linear").initial == 0.3
    assert learning_rate(learning_rate=cosine) is cosine
    falling = learning_rate(learning_rate="exponential", max_iter=10)
    np.testing.assert_allclose(falling([0, 100], 10), [0.001, 0.00001])


def test_an_optimizer_object_is_not_shared_between_fits(data):
    optimizer = rn.SGD(0.1, momentum=0.9)
    model = classifier(optimizer=optimizer, learning_rate_init=0.2).fit(*data)
    again = classifier(optimizer=optimizer, learning_rate_init=0.2).fit(*data)
    assert_same_weights(model.network_, again.network_)
    assert_same_weights(model.fit(*data).network_, again.network_)
    assert optimizer.learning_rate == 0.1


def test_training_stops_when_the_objective_no_longer_falls(data):
    model = classifier(max_iter=3000, n_iter_no_change=10, learning_rate_init=0.02)
    model.fit(*data)
    curve = np.array(model.loss_curve_)
    best = [curve[:i].min() for i in range(1, len(curve))]
    stalled = curve[1:] > np.array(best) - model.tol
    assert model.n_iter_ == len(curve) < 3000 and stalled[-11:].all()
    assert model.best_loss_ == curve.min() and model.loss_ == curve[-1]


def test_too_few_epochs_are_a_convergence_warning(data):
    with pytest.warns(ConvergenceWarning, match="max_iter=5 epochs were trained"):
        classifier(n_iter_no_change=10).fit(*data)
    assert classifier().fit(*data).n_iter_ == 5  # and no warning


@pytest.mark.parametrize("given", [False, True])
def test_early_stopping_puts_the_best_weights_back(data, rng, given):
    X, y = data[0], rng.permutation(data[1])  # nothing to learn but noise
    validation = {"X_val": X[160:], "y_val": y[160:]} if given else {}
    model = classifier(
        early_stopping=True, max_iter=500, n_iter_no_change=5, learning_rate_init=0.05
    ).fit(X[:160], y[:160], **validation)
    losses = model.validation_losses_
    assert model.n_iter_ == len(losses) == len(model.validation_scores_) < 500
    assert losses[-1] > min(losses) == model.best_loss_
    if given:
        loss = model.network_.evaluate(X[160:], y[160:])["loss"]
        assert loss == model.best_loss_
        best = model.validation_scores_[int(np.argmin(losses))]
        assert best == pytest.approx(model.score(X[160:], y[160:]))


def test_validation_rows_of_a_regressor_are_scored_by_r2(data, rng):
    X, y = data[0], data[0][:, :2] + rng.normal(size=(240, 2))
    model = regressor().fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[200:], y[200:]))
    assert model.n_iter_ == 5 == len(model.validation_losses_)
    assert len(pickle.dumps(model)) < X.nbytes  # the rows are not kept


def test_warm_start_goes_on_and_may_change_the_penalty(data):
    model = classifier(warm_start=True).fit(*data)
    before = model.coefs_[0]
    model.set_params(l1=1e-3, optimizer=rn.SGD(1e-9)).fit(*data)
    np.testing.assert_allclose(model.coefs_[0], before, atol=1e-6)
    assert model.network_.layers[0].weight_penalty == rn.L1(1e-3)
    with pytest.raises(ValueError, match="warm_start=True with weights of shapes"):
        model.set_params(hidden_layer_sizes=(9,)).fit(*data)
    model.set_params(hidden_layer_sizes=(8,), warm_start=False, l1=0, optimizer="adam")
    np.testing.assert_array_equal(model.fit(*data).coefs_[0], before)


# ---- partial_fit ---------------------------------------------------------------------


def test_partial_fits_are_epochs_of_fit(data):
    whole = classifier(batch_size=32).fit(*data)
    parts = classifier(batch_size=32)
    for _ in range(5):
        parts.partial_fit(*data, classes=[0, 1, 2])
    assert_same_weights(whole.network_, parts.network_)
    assert whole.loss_curve_ == parts.loss_curve_ and parts.n_iter_ == 5
    numbers = regressor().partial_fit(data[0], data[0]).partial_fit(data[0], data[0])
    assert_same_weights(
        numbers.network_, regressor(max_iter=2).fit(data[0], data[0]).network_
    )


def test_partial_fit_needs_all_classes_once(data):
    X, y = data
    with pytest.raises(ValueError, match="expected all classes in the first call"):
        classifier().partial_fit(X, y)
    model = classifier().partial_fit(X[y == 0], y[y == 0], classes=[0, 1, 2])
    model.partial_fit(X[y == 1], y[y == 1])
    with pytest.raises(ValueError, match=r"labels \[3\]"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="partial_fit expects a dict or None"):
        classifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_partial_fit_stops_early_and_stays_stopped(data, rng):
    X, y = data[0], rng.permutation(data[1])
    model = classifier(early_stopping=True, n_iter_no_change=3, learning_rate_init=0.05)
    for _ in range(200):
        model.partial_fit(X[:160], y[:160], [0, 1, 2], X_val=X[160:], y_val=y[160:])
    assert model.n_iter_ < 200
    assert model.network_.evaluate(X[160:], y[160:])["loss"] == model.best_loss_
    model = classifier(early_stopping=True)
    assert len(model.partial_fit(*data, [0, 1, 2]).validation_losses_) == 1


def test_partial_fit_after_fit_goes_on_without_end(data):
    model = classifier(max_iter=20, n_iter_no_change=1, tol=10.0).fit(*data)
    assert model.n_iter_ == 3
    for _ in range(5):
        model.partial_fit(*data)
    assert model.n_iter_ == 8


# ---- interrupts, threads, output -----------------------------------------------------


class InterruptAt(rn.Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_ctrl_c_gets_through_and_the_model_is_usable(data):
    model = classifier(callbacks=[InterruptAt(2)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data)
    assert model.n_iter_ == 3 and model.predict(data[0]).shape == (240,)
    pickle.dumps(model)


def test_threads_follow_n_jobs_and_change_no_bit(data):
    one, two = classifier(n_jobs=1).fit(*data), classifier(n_jobs=2).fit(*data)
    assert_same_weights(one.network_, two.network_)
    assert recipe.thread_limit(None) is None and recipe.thread_limit(3) == 3
    assert recipe.thread_limit(-1) == rn.cpu_info()["threads"]
    limits = []
    worker = threading.Thread(target=lambda: limits.append(recipe.thread_limit(None)))
    worker.start()
    worker.join()
    limits += joblib.Parallel(2)(
        joblib.delayed(recipe.thread_limit)(None) for _ in "ab"
    )
    assert limits == [1, 1, 1]


def test_verbose_shows_a_progress_bar(data, capsys):
    classifier().fit(*data)
    assert capsys.readouterr().err == ""
    classifier(verbose=True).fit(*data)
    assert "loss" in capsys.readouterr().err


# ---- scikit-learn's tools ------------------------------------------------------------


def test_pickle_joblib_and_copies_predict_the_same(data, tmp_path):
    model = classifier(l1=1e-3, optimizer=rn.SGD(0.1)).fit(*data)
    joblib.dump(model, tmp_path / "model")
    for other in (
        pickle.loads(pickle.dumps(model)),
        joblib.load(tmp_path / "model"),
        copy.deepcopy(model),
    ):
        np.testing.assert_array_equal(
            other.predict_proba(data[0]), model.predict_proba(data[0])
        )
        assert other.loss_curve_ == model.loss_curve_
        assert other.partial_fit(*data).n_iter_ == model.n_iter_ + 1


def test_a_network_can_be_pickled_and_trained_on(data):
    net = rn.Network(
        [rn.Dense(6, 4, weight_penalty=rn.L1(0.1)), rn.Dense(4, 1)], seed=3
    )
    net.metadata["note"] = "kept"
    net.fit(data[0], data[1], epochs=2)
    copied = pickle.loads(pickle.dumps(net))
    assert_same_weights(net, copied)
    assert (copied.layers, copied.seed, copied.metadata) == (
        net.layers,
        3,
        net.metadata,
    )
    assert copied.history.history == net.history.history
    copied.fit(data[0], data[1], epochs=1)
    assert not np.array_equal(copied.get_weights()[0], net.get_weights()[0])


def test_clone_keeps_parameters_alone(data):
    model = classifier(optimizer=rn.Adam(0.1), callbacks=[InterruptAt(9)]).fit(*data)
    twin = clone(model)
    assert twin.optimizer.learning_rate == 0.1 and twin.hidden_layer_sizes == (8,)
    with pytest.raises(NotFittedError):
        twin.coefs_  # noqa: B018


def test_grid_search_over_a_pipeline_with_two_processes():
    pd = pytest.importorskip("pandas")
    X, y = load_digits(return_X_y=True)
    frame = pd.DataFrame(X[:400], columns=[f"pixel {i}" for i in range(64)])
    model = classifier(hidden_layer_sizes=(20,), max_iter=100, batch_size=32)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model),
        {"regnetclassifier__l1": [1e-4, 10.0]},
        cv=2,
        n_jobs=2,
    )
    # joblib's own processes would import everything anew, for seconds
    with joblib.parallel_config("multiprocessing"):
        search.fit(frame, y[:400])
    assert search.best_params_ == {"regnetclassifier__l1": 1e-4}
    assert search.best_score_ > 0.8 and search.predict(frame).shape == (400,)


def refuse(*args, **options):
    raise AssertionError("scikit-learn was asked")


@pytest.mark.parametrize("kind", ["i", "f", "b"])
@pytest.mark.parametrize("Estimator", [RegNetClassifier, RegNetRegressor])
def test_arrays_of_finite_numbers_are_fitted_without_scikit_learns_checks(
    Estimator, kind, data, monkeypatch
):
    X, y = data[0], data[1] > 0
    y = y.astype(kind) if Estimator is RegNetRegressor or kind != "f" else y
    slow = Estimator(**COMMON).fit(X.tolist(), y.tolist())
    assert slow.n_features_in_ == 6
    monkeypatch.setattr(guard, "validate_data", refuse)
    fast = Estimator(**COMMON).fit(X, y)
    assert_same_weights(fast.network_, slow.network_)
    assert fast.n_features_in_ == 6
    fast.fit(X[:, :4], y)
    assert fast.n_features_in_ == 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["X", "y"])
def test_arrays_that_are_not_finite_are_refused(place, value, data):
    arrays = {"X": data[0].copy(), "y": data[1].astype(float)}
    arrays[place][3] = value
    with pytest.raises(ValueError, match=f"Input {place} contains"):
        RegNetRegressor(**COMMON).fit(**arrays)


@pytest.mark.parametrize("shapes", [((9, 6), (8,)), ((0, 6), (0,)), ((9, 0), (9,))])
def test_arrays_of_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="inconsistent|0 sample|0 feature"):
        RegNetRegressor(**COMMON).fit(*(np.ones(shape) for shape in shapes))


def test_an_array_after_a_frame_has_no_column_names(data, monkeypatch):
    frames = pytest.importorskip("pandas")
    model = classifier(warm_start=True).fit(
        frames.DataFrame(data[0]).add_prefix("x"), data[1]
    )
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.fit(*data)
    model.set_params(warm_start=False).fit(*data)
    assert not hasattr(model, "feature_names_in_")
    monkeypatch.setattr(guard, "validate_data", refuse)
    model.set_params(warm_start=True).fit(*data)
    with pytest.raises(AssertionError, match="was asked"):
        model.fit(data[0][:, :4], data[1])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_keep_their_column_names(data, library):
    frames = pytest.importorskip(library)
    names = [f"x{i}" for i in range(6)]
    frame = frames.DataFrame(dict(zip(names, data[0].T, strict=True)))
    target = frames.Series(np.take(["a", "b", "c"], data[1]).tolist())
    model = classifier().fit(frame, target)
    assert model.feature_names_in_.tolist() == names
    plain = classifier().fit(*data)
    assert_same_weights(model.network_, plain.network_)
    assert set(model.predict(frame)) <= set("abc")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[names[::-1]])


# ---- errors --------------------------------------------------------------------------

BAD = [
    ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes is 0, expected at least 1"),
    ({"hidden_layer_sizes": "8"}, "hidden_layer_sizes is '8', expected whole numbers"),
    ({"dropout": (0.1, 0.2, 0.3)}, "dropout has 3 rates, expected 2"),
    ({"dropout": 1.0}, "dropout is 1.0, expected a finite number and >= 0 and < 1"),
    ({"l1_rule": "clever"}, "unknown l1_rule 'clever'"),
    ({"l1_rule": "subgradient", "group_l1": 1}, "group_l1 expects cumulative or prox"),
    ({"optimizer": "adm"}, "unknown optimizer 'adm' .did you mean 'adam'"),
    ({"learning_rate": "cosin"}, "unknown learning_rate 'cosin'"),
    ({"learning_rate": 0.1}, "learning_rate is 0.1.*a number is learning_rate_init"),
    ({"activation": "ReLU"}, "unknown activation 'ReLU' .did you mean 'relu'"),
    ({"warm_start": "no"}, "warm_start is 'no', expected True or False"),
    ({"verbose": "no"}, "verbose is 'no', expected True or False"),
    (
        {"learning_rate": recipe.CosineDecay(1, 9), "learning_rate_init": 0.1},
        "leave one of them out",
    ),
    ({"batch_size": "all"}, "unknown batch_size 'all'"),
    ({"batch_size": 0}, "batch_size is 0"),
    ({"max_iter": 0}, "max_iter is 0"),
    ({"n_jobs": 0}, "n_jobs is 0"),
    ({"loss": "hinge"}, "unknown loss 'hinge'"),
    ({"loss": "binary_cross_entropy"}, "y has 3 classes, expected 2"),
    ({"dtype": "float16"}, "dtype is 'float16'"),
    ({"class_weight": {9: 2}}, "class_weight has the class 9"),
    ({"class_weight": 3}, "expected 'balanced', a dict or None"),
    ({"callbacks": None}, "expected a list of callbacks"),
    (
        {"early_stopping": True, "validation_fraction": 1.5},
        "validation_fraction is 1.5",
    ),
]


@pytest.mark.parametrize(("params", "message"), BAD, ids=[m for _, m in BAD])
def test_errors_say_what_came_and_what_was_expected(data, params, message):
    model = classifier(**params)
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(*data)
    with pytest.raises(NotFittedError):
        model.predict(data[0])


def test_targets_that_do_not_fit_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="got one of X_val and y_val"):
        classifier().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="expected only the classes"):
        classifier().fit(X, y, X_val=X, y_val=y + 1)
    with pytest.raises(ValueError, match="y has 1 column.s., before 2"):
        regressor().fit(X, X[:, :2], X_val=X, y_val=y)
    with pytest.raises(ValueError, match="multi-label y expects None"):
        classifier(class_weight="balanced").fit(X, (X > 0).astype(int))
    with pytest.raises(ValueError, match="unknown loss for numbers"):
        regressor(loss="softmax_cross_entropy").fit(X, y)


# ---- import and documentation --------------------------------------------------------


def test_scikit_learn_is_imported_on_first_use(tmp_path):
    """Not before, which takes seconds; that it is then is seen by every other test."""
    code = "import sys, regnet_c\nassert 'sklearn' not in sys.modules\n"
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_without_scikit_learn_one_sentence_says_what_to_install(tmp_path):
    code = """
        import sys, regnet_c
        sys.modules["sklearn"] = None
        for name in ("RegNetClassifier", "RegNetRegressor", "RegNet"):
            try:
                getattr(regnet_c, name)
            except (ImportError, AttributeError) as error:
                print(type(error).__name__, error)
    """
    first, second, third = run_python(code, tmp_path).stdout.splitlines()
    assert first == second
    assert first.startswith("ImportError RegNetClassifier and RegNetRegressor need")
    assert first.endswith("pip install regnet-c[sklearn]")
    assert "has no attribute 'RegNet'" in third


def test_doctests_of_the_estimators_run():
    names = ("classifier", "regressor")
    for name in names:
        module = importlib.import_module(f"regnet_c.estimators.{name}")
        result = doctest.testmod(module)
        assert result.attempted > 3 and result.failed == 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_code_of_the_documentation_runs():
    text = (ROOT / "docs/coming_from_scikit_learn.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "coming_from_scikit_learn.md", "exec"), {})


@BOTH
def test_every_parameter_is_in_both_the_docstring_and_the_documentation(cls):
    page = (ROOT / "docs/coming_from_scikit_learn.md").read_text()
    for name in cls().get_params():
        assert re.search(rf"\b{name}\b", cls.__doc__), name
        assert f"`{name}`" in page, name
