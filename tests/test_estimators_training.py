"""The estimators' training: when it stops, what it warns of, how it continues."""

import inspect
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from regnet_c.estimators import RegNetClassifier, RegNetRegressor


def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def wave(n=600):
    """One smooth function of two columns, spread 1."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, 2))
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1]
    return X, (y - y.mean()) / y.std()


# ---- continuing the last fit ---------------------------------------------------------


def one_epoch_fits(count, **params):
    """Training losses of so many warm-started fits of one epoch."""
    X, y = digits()
    model = RegNetClassifier(
        preset="plain",
        hidden_layer_sizes=(16,),
        max_iter=1,
        warm_start=True,
        random_state=0,
    )
    model.set_params(n_iter_no_change=None, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        losses = [model.fit(X[:400], y[:400]).loss_ for _ in range(count)]
    return model, losses


def test_warm_starts_shuffle_and_drop_anew():
    # at this rate nothing is learned: the losses differ by what is dropped, in order
    _, losses = one_epoch_fits(5, dropout=0.5, learning_rate_init=1e-12)
    assert len(set(losses)) == 5


def test_warm_starts_under_a_schedule_shuffle_and_drop_anew():
    options = {"dropout": 0.5, "learning_rate": "cosine", "learning_rate_init": 1e-12}
    _, losses = one_epoch_fits(5, **options)
    assert len(set(losses)) == 5


def test_warm_starts_of_one_epoch_are_the_epochs_of_one_fit():
    model, losses = one_epoch_fits(4, dropout=0.2)
    X, y = digits()
    whole = RegNetClassifier(
        preset="plain",
        hidden_layer_sizes=(16,),
        max_iter=4,
        random_state=0,
        dropout=0.2,
    )
    whole.set_params(n_iter_no_change=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole.fit(X[:400], y[:400])
    assert losses == whole.loss_curve_
    for a, b in zip(model.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- stopping ------------------------------------------------------------------------


def test_a_schedule_that_ends_is_run_to_its_end():
    X, y = digits()
    model = RegNetClassifier(
        preset="plain",
        hidden_layer_sizes=(64,),
        learning_rate="cosine",
        max_iter=60,
        random_state=0,
    )
    model.set_params(n_iter_no_change=2, tol=0.1)  # would stop early
    assert model.fit(X[:300], y[:300]).n_iter_ == 60


def test_a_schedule_may_still_be_stopped_by_validation_rows():
    X, y = digits()
    model = RegNetClassifier(
        preset="plain", hidden_layer_sizes=(64,), learning_rate="cosine", max_iter=300
    )
    model.set_params(n_iter_no_change=2, tol=0.1, early_stopping=True, random_state=0)
    assert model.fit(X[:300], y[:300]).n_iter_ < 300


def test_the_validation_score_of_many_rows_has_no_rounding_errors_of_its_own():
    """Several float32 targets: NumPy adds such columns one row after the other."""
    n = 2_000_000
    y = np.full((n, 2), 0.1, np.float32)
    y[::2] = 0.3
    model, guess = RegNetRegressor(), np.full((n, 2), 0.25, np.float32)
    score = model._validation_score((np.zeros((n, 1), np.float32), y, None))
    assert score(SimpleNamespace(predict=lambda X: guess), {}) == pytest.approx(
        -0.25, abs=1e-5
    )


# ---- warnings ------------------------------------------------------------------------


def warnings_of(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [w for w in caught if issubclass(w.category, ConvergenceWarning)]


def test_a_fit_worse_than_a_constant_says_so():
    X, y = wave()
    model = RegNetRegressor(
        preset="plain",
        hidden_layer_sizes=(8,),
        max_iter=2,
        random_state=0,
        n_iter_no_change=None,
    )
    model.set_params(learning_rate_init=1e-9)
    (warning,) = warnings_of(lambda: model.fit(50 * X, y))
    assert "ended worse than a constant prediction (loss" in str(warning.message)


def test_a_fit_that_stops_at_a_constant_says_so():
    X, y = wave()
    params = {"preset": "plain", "hidden_layer_sizes": (8,), "random_state": 0}
    model = RegNetRegressor(**params)
    (warning,) = warnings_of(lambda: model.fit(X, 1e6 * y))
    assert model.n_iter_ < 30 and abs(model.score(X, 1e6 * y)) < 1e-3
    assert "ended no better than a constant prediction (loss" in str(warning.message)
    model.set_params(l1=1e9)  # asks for a constant
    assert warnings_of(lambda: model.fit(X, 1e6 * y)) == []


def test_warnings_point_at_the_line_that_called_fit():
    X, y = digits()
    model = RegNetClassifier(
        preset="plain", hidden_layer_sizes=(8,), max_iter=2, random_state=0
    )
    line = inspect.currentframe().f_lineno + 1
    found = warnings_of(lambda: model.fit(X, y))
    found += warnings_of(lambda: make_pipeline(StandardScaler(), model).fit(X, y))
    assert len(found) == 2
    assert [w.filename for w in found] == [__file__] * 2
    assert [w.lineno for w in found] == [line, line + 1]


# ---- classes and rows that are too few -----------------------------------------------


def test_one_class_is_a_constant_with_a_warning():
    X, _y = wave()
    with pytest.warns(UserWarning, match="y has only one class .no."):
        model = RegNetClassifier(
            preset="plain", hidden_layer_sizes=(4,), max_iter=3
        ).fit(X, np.full(len(X), "no"))
    assert set(model.predict(X)) == {"no"} and list(model.classes_) == ["no"]
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((len(X), 1)))


def test_several_classifiers_may_have_a_constant_target():
    X, y = wave()
    targets = np.stack([y > 0, np.zeros(len(y))], axis=1).astype(int)
    model = MultiOutputClassifier(
        RegNetClassifier(
            preset="plain",
            hidden_layer_sizes=(8,),
            learning_rate="cosine",
            learning_rate_init=0.02,
            max_iter=60,
            random_state=0,
        )
    )
    with pytest.warns(UserWarning, match="only one class") as caught:
        model.fit(X, targets)
    assert caught[0].filename == __file__  # not in joblib, which calls fit
    assert not model.predict(X)[:, 1].any() and model.predict(X)[:, 0].any()


def test_a_class_of_one_row_cannot_be_held_out():
    X, y = digits()
    y = np.where(np.arange(len(y)) == 7, 77, y)
    model = RegNetClassifier(
        preset="plain", hidden_layer_sizes=(8,), early_stopping=True, max_iter=3
    )
    with pytest.raises(
        ValueError, match=r"early_stopping=True cannot hold out.*[^.]\.  Give .*X_val"
    ):
        model.fit(X, y)


@pytest.mark.filterwarnings("ignore:the fit ended worse than a constant")
def test_r2_of_a_single_validation_row_is_nan_with_a_word():
    X, y = wave()
    model = RegNetRegressor(
        preset="plain",
        hidden_layer_sizes=(8,),
        max_iter=3,
        random_state=0,
        n_iter_no_change=None,
    )
    with pytest.warns(UserWarning, match="R.2 of a single validation row"):
        model.fit(X[1:], y[1:], X_val=X[:1], y_val=y[:1])
    assert np.isnan(model.validation_scores_).all()


@pytest.mark.parametrize("missing", [None, np.nan, "NA"])
@pytest.mark.parametrize("kind", ["list", "array"])
def test_a_missing_label_is_named_with_its_row(missing, kind):
    if missing == "NA":
        missing = pytest.importorskip("pandas").NA
    X, _y = wave(20)
    labels = ["yes", "no"] * 10
    labels[3] = missing
    if kind == "array":
        labels = np.array(labels, dtype=object)
    for model in (RegNetClassifier(), RegNetRegressor()):
        with pytest.raises(ValueError, match="y has no value in row 3"):
            model.fit(X, labels)


# ---- sparse and text columns ---------------------------------------------------------


@pytest.mark.parametrize(
    "container", ["csr_matrix", "csr_array", "csc_matrix", "coo_array"]
)
def test_a_sparse_table_is_the_dense_one(container):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = digits()
    model = RegNetClassifier(
        preset="plain",
        hidden_layer_sizes=(8,),
        max_iter=5,
        n_iter_no_change=None,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        want = model.fit(X, y).predict_proba(X)
        got = model.fit(getattr(sparse, container)(X), y)
    np.testing.assert_array_equal(got.predict_proba(X), want)
    np.testing.assert_array_equal(
        got.predict_proba(getattr(sparse, container)(X)), want
    )


def test_sparse_bytes_are_divided_as_dense_ones():
    sparse = pytest.importorskip("scipy.sparse")
    X, y = load_digits(return_X_y=True)
    X = X[:300].astype(np.uint8)
    model = RegNetClassifier(max_iter=2, n_members=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        want = model.fit(X, y[:300]).predict_proba(X)
        rows = sparse.csr_array(X)
        got = model.fit(rows, y[:300]).predict_proba(rows)
    np.testing.assert_array_equal(got, want)


def test_the_default_one_hot_encoder_is_taken():
    _X, _ = wave()
    table = np.stack([np.arange(600) % 40, np.arange(600) % 7], axis=1)
    y = table[:, 0] > 20
    encoder = ColumnTransformer([("levels", OneHotEncoder(), [0, 1])])
    model = make_pipeline(
        encoder,
        RegNetClassifier(
            preset="plain",
            hidden_layer_sizes=(8,),
            learning_rate="cosine",
            max_iter=150,
        ),
    )
    assert model.fit(table, y).score(table, y) > 0.95


def test_a_text_column_is_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": [1.0, 2.0, 3.0], "town": ["Rome", "Oslo", "Bern"]})
    model = RegNetClassifier(encoder=None)
    with pytest.raises(ValueError, match="column 'town' of X holds 'Rome'"):
        model.fit(frame, [0, 1, 0])
    with pytest.raises(ValueError, match="column 1 of X holds 'Rome'"):
        model.fit(frame.to_numpy(dtype=object), [0, 1, 0])
    model = RegNetClassifier(
        preset="plain", hidden_layer_sizes=(4,), max_iter=1, n_iter_no_change=None
    )
    X, y = wave()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y > 0)
    with pytest.raises(ValueError, match=r"reshape\(1, -1\)"):
        model.predict(X[0])
