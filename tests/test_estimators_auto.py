"""The estimators' defaults: encoding, units, recipes and members."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_diabetes, load_wine

import regnet_c as rn
from regnet_c.estimators import RegNetClassifier, RegNetRegressor
from regnet_c.recipes import presets

SMALL = {"hidden_layer_sizes": (16,), "max_iter": 15, "random_state": 0}


def surface(n=400):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=n)


def frame():
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(6)
    town = rng.choice(["Rome", "Oslo", "Bern"], 300)
    age = rng.normal(40, 10, 300)
    income = age + 20 * (town == "Oslo")
    age[::7] = np.nan
    table = pandas.DataFrame({"age": age, "town": town, "row": 1.0})
    return table, income


# ---- units ---------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "mse"])
@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0), (1e4, 0), (1.0, 300.0)])
def test_no_unit_of_y_matters(loss, scale, offset):
    X, y = surface()
    if loss == "huber":  # its threshold has the unit of y
        loss, scaled = rn.Loss("huber", 0.5), rn.Loss("huber", 0.5 * scale)
    else:
        scaled = loss
    want = RegNetRegressor(loss=loss, **SMALL).fit(X, y).predict(X)
    got = RegNetRegressor(loss=scaled, **SMALL).fit(X, y * scale + offset).predict(X)
    np.testing.assert_allclose((got - offset) / scale, want, rtol=0.05, atol=0.02)


def test_no_unit_of_x_matters():
    X, y = surface()
    want = RegNetRegressor(**SMALL).fit(X, y).predict(X)
    units = np.array([1e-6, 1.0, 1e6])
    got = RegNetRegressor(**SMALL).fit(X * units + 5 * units, y)
    np.testing.assert_allclose(got.predict(X * units + 5 * units), want, atol=0.02)


def test_poisson_begins_at_the_mean():
    X, y = surface()
    counts = np.random.default_rng(1).poisson(1000 * np.exp(0.2 * y))
    model = RegNetRegressor(loss="poisson", **SMALL).fit(X, counts)
    assert abs(model.predict(X).mean() / counts.mean() - 1) < 0.05
    assert model.score(X, counts) > 0.5


def test_targets_far_from_zero_keep_their_digits():
    X, y = surface()
    model = RegNetRegressor(**SMALL).fit(X, y + 1e7)
    assert model.network_.dtype == "float64" and model.score(X, y + 1e7) > 0.6


# ---- tables --------------------------------------------------------------------------


def test_a_frame_with_holes_and_categories_is_fitted_directly():
    table, y = frame()
    model = RegNetRegressor(**SMALL).fit(table, y)
    assert model.score(table, y) > 0.7
    assert list(model.feature_names_in_) == ["age", "town", "row"]
    assert model.n_features_in_ == 3
    importances = model.feature_importances_
    assert importances.shape == (3,) and importances[2] == 0 < importances[:2].min()
    unknown = table.head(3).assign(town=["Paris", None, "Rome"])
    assert np.isfinite(model.predict(unknown)).all()


def test_the_encoder_sees_no_validation_row():
    X, y = surface()
    X[:5, 0] = 1e6  # rows of their own
    model = RegNetRegressor(**SMALL)
    model.fit(X[5:], y[5:], X_val=X[:5], y_val=y[:5])
    same = RegNetRegressor(**SMALL).fit(X[5:], y[5:])
    np.testing.assert_array_equal(model.predict(X[5:]), same.predict(X[5:]))


def test_without_encoder_x_is_taken_as_it_is():
    X, y = surface()
    model = RegNetRegressor(encoder=None, n_members=1, **SMALL).fit(X, y)
    assert model.encoder_ is None and model.coefs_[0].shape == (3, 16)
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.predict(X)
    assert np.isfinite(RegNetRegressor(**SMALL).fit(X, y).predict(X)).all()


def test_an_encoder_of_ones_own_is_cloned():
    from regnet_c.tables import TableEncoder

    X, y = surface()
    encoder = TableEncoder(numeric="robust")
    model = RegNetRegressor(encoder=encoder, **SMALL).fit(X, y)
    assert model.encoder_ is not encoder and model.coefs_[0].shape[0] == 3


def test_bytes_are_pixels():
    rng = np.random.default_rng(2)
    X = rng.integers(0, 256, (300, 20), dtype=np.uint8)
    y = X[:, 3] > X[:, 4]
    model = RegNetClassifier(**SMALL, n_members=1).fit(X, y)
    assert model.encoder_ is None
    # the network itself takes the bytes
    np.testing.assert_array_equal(
        model.network_.predict(X)[:, 0], model.predict_proba(X)[:, 1]
    )
    plain = RegNetClassifier(**SMALL, n_members=1, encoder=None)
    plain.fit((X / np.float32(255)).astype(np.float32), y)
    np.testing.assert_allclose(
        plain.predict_proba(X / np.float32(255)), model.predict_proba(X), atol=1e-5
    )


# ---- recipes -------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the fit ended worse than a constant")
def test_a_recipe_names_what_followed_from_the_data():
    X, y = surface()
    model = RegNetRegressor(hidden_layer_sizes=(7,), max_iter=3, random_state=0).fit(
        X, y
    )
    assert model.recipe_.hidden_layer_sizes == (7,)
    assert model.recipe_.batch_size == 64 and "batch_size" in model.recipe_.chosen
    assert "max_iter" not in model.recipe_.chosen
    text = repr(model.recipe_)
    assert "batch_size           64  (auto)" in text
    assert "max_iter             3\n" in text


def test_plain_is_scikit_learns_network():
    X, y = surface()
    model = RegNetRegressor(preset="plain", max_iter=4, n_iter_no_change=None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the fit ended worse than a constant")
        model.set_params(random_state=3).fit(X, y)
    net = rn.Network([rn.Dense(3, 100, activation="relu"), rn.Dense(100, 1)], seed=3)
    net.fit(X, y, epochs=4, batch_size=200, optimizer=rn.Adam())
    np.testing.assert_array_equal(model.predict(X), net.predict(X)[:, 0])


def test_weight_decay_needs_adamw():
    X, y = surface()
    model = RegNetRegressor(optimizer="adam", weight_decay=0.1)
    with pytest.raises(ValueError, match="weight_decay is 0.1 .* expected 'adamw'"):
        model.fit(X, y)
    for rate in ("auto", 0.01):
        model = RegNetRegressor(optimizer="sgd", learning_rate_init=rate, max_iter=2)
        model.set_params(random_state=0).fit(X, y)
        assert model.recipe_.weight_decay is None


def test_large_tables_take_large_batches_and_small_ones_no_dropout():
    params = RegNetClassifier().get_params()
    large = presets.resolve(params, (50_000, 400), True)
    small = presets.resolve(params, (40, 4), True)
    assert large.batch_size == 256 and large.learning_rate_init == 6e-3
    values = rn.RegNetRegressor().get_params()
    numbers = presets.resolve(values, (20_000, 10), False)
    assert (numbers.batch_size, numbers.learning_rate_init) == (128, 3e-3)
    assert numbers.l1 == 3e-5 and presets.resolve(values, (9000, 10), False).l1 == 1e-4
    assert small.dropout == (0.0, 0.0)
    long = presets.resolve(params, (2000, 10), True)
    assert len(long.hidden_layer_sizes) == 2 > len(large.hidden_layer_sizes)


def test_a_default_fit_warns_of_nothing():
    X, y = load_wine(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RegNetClassifier(random_state=0).fit(X[::2], y[::2])
        assert model.score(X[1::2], y[1::2]) > 0.94


def test_a_default_regression_beats_a_constant_and_warns_of_nothing():
    X, y = load_diabetes(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RegNetRegressor(random_state=0).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > 0.35


# ---- label smoothing -----------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
def test_smoothing_bounds_the_confidence(classes):
    X, _ = surface()
    y = np.argmax(X[:, :classes], axis=1)
    options = SMALL | {"max_iter": 150, "dropout": 0.0}
    sharp = RegNetClassifier(label_smoothing=0.0, **options).fit(X, y)
    soft = RegNetClassifier(label_smoothing=0.3, **options).fit(X, y)
    top = soft.predict_proba(X).max(axis=1)
    assert sharp.predict_proba(X).max(axis=1).mean() > 0.9
    # 1 - 0.3 + 0.3 / classes is what the targets say
    assert abs(top.mean() - (0.7 + 0.3 / classes)) < 0.1


# ---- members -------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (8,), (8, 6), (8, 6, 5)])
@pytest.mark.parametrize("kind", ["numbers", "two classes", "three classes"])
def test_members_are_one_network_with_their_mean(hidden, kind):
    X, y = surface()
    cls, options = RegNetClassifier, SMALL | {"hidden_layer_sizes": hidden}
    if kind == "numbers":
        cls = RegNetRegressor
    elif kind == "two classes":
        y = y > 0
    else:
        y = np.digitize(y, [-0.5, 0.5])
    model = cls(n_members=3, **options).fit(X, y)
    encoded = model.encoder_.transform(X)
    outputs = [m.network.predict(encoded).astype(np.float64) for m in model._members]
    if kind == "numbers":
        want = np.mean(outputs, axis=0)[:, 0] * y.std() + y.mean()
        np.testing.assert_allclose(model.predict(X), want, rtol=1e-4, atol=1e-4)
        return
    if kind == "two classes":
        outputs = [np.hstack([1 - p, p]) for p in outputs]
    mean = np.exp(np.mean(np.log(outputs), axis=0))
    want = mean / mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), want, rtol=1e-3, atol=1e-5)
    assert len({m.network.get_weights()[0].tobytes() for m in model._members}) == 3


def test_the_first_member_is_the_single_network():
    X, y = surface()
    several = RegNetRegressor(n_members=2, **SMALL).fit(X, y)
    single = RegNetRegressor(n_members=1, **SMALL).fit(X, y)
    for a, b in zip(
        several._members[0].network.get_weights(),
        single._members[0].network.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_ctrl_c_keeps_the_members_there_are():
    class InterruptSecond(rn.Callback):
        begun = 0

        def on_train_begin(self, network):
            self.begun += 1

        def on_epoch_end(self, epoch, logs):
            if self.begun == 2:
                raise KeyboardInterrupt

    X, y = surface()
    model = RegNetRegressor(n_members=3, callbacks=[InterruptSecond()], **SMALL)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert len(model._members) == 2 and np.isfinite(model.predict(X)).all()


def test_defaults_go_on_from_the_last_fit():
    X, y = surface()
    model = RegNetRegressor(warm_start=True, n_members=2, **SMALL).fit(X, y)
    first = model.score(X, y)
    model.fit(X, y)
    assert model.score(X, y) > first and len(model._members) == 2


def test_partial_fit_trains_one_network_in_the_units_of_y():
    X, y = surface()
    model = RegNetRegressor(hidden_layer_sizes=(16,), random_state=0)
    for _ in range(60):
        model.partial_fit(X, 1000 * y + 5000)
    assert model.score(X, 1000 * y + 5000) > 0.8


def test_a_default_model_is_pickled_with_its_encoder():
    table, y = frame()
    model = RegNetRegressor(**SMALL).fit(table, y)
    data = pickle.dumps(model)
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.predict(table), model.predict(table))


def test_partial_fit_after_a_default_fit_learns_on():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    model = RegNetRegressor((16,), random_state=0, max_iter=5, n_members=2).fit(X, y)
    before, loss = model.score(X, y), model.loss_
    for _ in range(20):
        model.partial_fit(X, y)
    assert model.n_iter_ == 25 and model.loss_ < 0.9 * loss
    assert model.score(X, y) > before + 0.05


def test_partial_fit_after_the_end_of_a_schedule_says_so():
    X, y = np.eye(80), np.arange(80.0)
    model = RegNetRegressor((4,), random_state=0, max_iter=2, learning_rate="cosine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs may be worse than a constant
        model.fit(X, y)
    with pytest.warns(UserWarning, match="learning_rate='cosine' has decayed to 0"):
        model.partial_fit(X, y)
