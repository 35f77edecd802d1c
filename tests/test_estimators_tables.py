"""Estimators on tables: frames and arrays with holes, encoded after the split."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pytest.importorskip("narwhals")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.feature_selection import SelectFromModel  # noqa: E402
from sklearn.model_selection import cross_val_score, train_test_split  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

import regnet_c as rn  # noqa: E402
from regnet_c import RegNetClassifier, RegNetRegressor  # noqa: E402
from regnet_c.cli import main  # noqa: E402
from regnet_c.tables import TableEncoder  # noqa: E402
from regnet_c.tables.form import TableForm  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FAST = {
    "max_iter": 20,
    "random_state": 0,
    "n_members": 1,
    "learning_rate_init": 0.01,
    "dropout": 0.0,
}


def towns(n=300, seed=0):
    """(frame, price): the price follows from the columns, which have holes."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.uniform(20, 120, n),
            "rooms": rng.integers(1, 6, n).astype(float),
            "town": rng.choice(["Bern", "Rome", "Oslo"], n),
            "noise": rng.normal(size=n),
        }
    )
    price = frame["size"] / 60 + frame["rooms"] / 3 + 1.5 * (frame["town"] == "Rome")
    frame.loc[::17, "rooms"] = np.nan
    frame.loc[::13, "town"] = None
    return frame, price


def test_frames_with_holes_and_categories_are_fitted_directly():
    X, y = towns()
    model = RegNetRegressor((32,), **FAST | {"max_iter": 100}).fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) > 0.7
    assert model.n_features_in_ == 4
    assert model.feature_names_in_.tolist() == list(X.columns)
    assert [c.kind for c in model.encoder_.schema_] == [
        "number",
        "number",
        "category",
        "number",
    ]
    classes = np.where(y > y.median(), "dear", "cheap")
    classifier = RegNetClassifier((32,), **FAST).fit(X[:200], classes[:200])
    assert classifier.score(X[200:], classes[200:]) > 0.8
    assert set(classifier.predict(X)) == {"cheap", "dear"}


def test_frames_of_all_libraries_and_object_arrays_give_the_same_model():
    pl = pytest.importorskip("polars")
    X, y = towns()
    want = RegNetRegressor((8,), **FAST).fit(X, y).predict(X)
    arrays = [X.to_numpy(dtype=object)]
    frames = [pl.from_pandas(X), pa.Table.from_pandas(X, preserve_index=False)]
    for other in arrays + frames:
        got = RegNetRegressor((8,), **FAST).fit(other, y).predict(other)
        np.testing.assert_array_equal(got, want)


def test_an_encoder_of_ones_own_is_cloned_and_can_be_searched():
    X, y = towns()
    encoder = TableEncoder("robust", drop=["noise"])
    model = RegNetRegressor((8,), encoder=encoder, **FAST).fit(X, y)
    assert not hasattr(encoder, "encoding_")
    assert model.encoder_.schema_[3].kind == "dropped"
    assert clone(model).set_params(encoder__numeric="quantile").encoder.drop == [
        "noise"
    ]
    scores = cross_val_score(model, X, y, cv=3)
    assert scores.shape == (3,) and np.isfinite(scores).all()
    with pytest.raises(ValueError, match="encoder is 'on', expected 'auto', None or"):
        model.set_params(encoder="on").fit(X, y)


def test_importances_and_selection_are_about_source_columns():
    X, y = towns(600)
    model = RegNetRegressor((16,), l1=1e-2, **FAST | {"max_iter": 200}).fit(X, y)
    importances = dict(zip(X.columns, model.feature_importances_, strict=True))
    assert len(importances) == 4 and importances["noise"] == 0
    groups = model.encoder_.groups_
    norms = [np.linalg.norm(model.coefs_[0][group]) for group in groups]
    np.testing.assert_allclose(model.feature_importances_, norms, rtol=1e-6)
    selector = SelectFromModel(model, threshold=0.5 * importances["rooms"]).fit(X, y)
    assert selector.get_feature_names_out().tolist() == ["size", "rooms", "town"]


def test_the_group_penalty_drops_whole_source_columns():
    """All codes of a useless column or none; files, and what is cut down, keep to it."""
    rng = np.random.default_rng(1)
    X, y = towns(600)
    X["letter"] = rng.choice(list("abcdef"), 600)
    options = FAST | {"max_iter": 150}
    model = RegNetRegressor((16,), group_l1=0.02, l1=0.0, **options).fit(X, y)
    groups = [g for g in model.encoder_.groups_ if len(g)]
    assert max(map(len, groups)) > 5
    first = model._members[0].network.layers[0].weight_penalty
    assert first == rn.GroupLasso(0.02, groups)
    w = model.coefs_[0]
    used = [bool(w[group].any()) for group in groups]
    assert dict(zip(X.columns, used, strict=True)) == {
        "size": True,
        "rooms": True,
        "town": True,
        "noise": False,
        "letter": False,
    }
    assert all(
        w[g].any(axis=1).all() for g, one in zip(groups, used, strict=True) if one
    )
    np.testing.assert_array_equal(model.feature_importances_ > 0, used)
    selector = SelectFromModel(model, threshold=1e-12, prefit=True)
    selector.fit(X, y)
    assert selector.get_feature_names_out().tolist() == ["size", "rooms", "town"]
    assert model.score(X, y) > 0.8
    small = model.network_.compact()
    assert small.kept_inputs.tolist() == [k for g in groups[:3] for k in g]
    encoded = model.encoder_.transform(X)
    np.testing.assert_array_equal(
        small.predict(encoded), model.network_.predict(encoded)
    )


def test_the_group_penalty_without_an_encoder_is_on_inputs():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    model = RegNetRegressor((4,), group_l1=0.02, l1=0.0, encoder=None, **FAST).fit(X, y)
    penalty = model._members[0].network.layers[0].weight_penalty
    assert penalty == rn.GroupLasso(0.02, "inputs")


def test_unknown_levels_and_new_holes_are_predicted():
    X, y = towns()
    model = RegNetRegressor((8,), **FAST).fit(X, y)
    strange = X.assign(town="Atlantis", size=np.nan)
    assert np.isfinite(model.predict(strange)).all()


def test_columns_in_another_order_are_refused():
    X, y = towns()
    model = RegNetRegressor((8,), **FAST).fit(X, y)
    with pytest.raises(ValueError, match="same order as they were in fit"):
        model.predict(X[X.columns[::-1]])


def test_partial_fit_keeps_the_encoder_of_the_first_rows():
    X, y = towns()
    model = RegNetRegressor((8,), random_state=0)
    model.partial_fit(X[:100], y[:100])
    first = model.encoder_
    model.partial_fit(X[100:], y[100:])
    assert model.encoder_ is first and model.n_iter_ == 2
    again = RegNetRegressor((8,), warm_start=True, **FAST).fit(X, y)
    first = again.encoder_
    assert again.fit(X[:150], y[:150]).encoder_ is first


def test_the_file_of_a_fitted_network_predicts_files(tmp_path, capsys):
    X, y = towns()
    classes = np.where(y > y.median(), "dear", "cheap")
    model = RegNetClassifier((8,), **FAST).fit(X, classes)
    model.network_.save(tmp_path / "m")
    X.to_csv(tmp_path / "t.csv", index=False)
    argv = [
        "predict",
        tmp_path / "m",
        tmp_path / "t.csv",
        "--output",
        tmp_path / "p.csv",
    ]
    assert main([str(a) for a in argv]) == 0
    got = pd.read_csv(tmp_path / "p.csv")["y"]
    assert (got == model.predict(X)).all()
    form = TableForm.of(rn.Network.load(tmp_path / "m"))
    assert form.encoding.names == list(X.columns)
    assert "300 predictions" in capsys.readouterr().out


def test_pickles_and_pipelines_work():
    X, y = towns()
    model = make_pipeline(RegNetRegressor((8,), **FAST)).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_california_raw_with_its_missing_bedrooms():
    folder = os.environ.get("REGNET_C_TABLES")
    if not folder:
        pytest.skip("REGNET_C_TABLES does not name the folder of california-raw.csv.gz")
    frame = pd.read_csv(Path(folder) / "california-raw.csv.gz")
    y = frame.pop("median_house_value") / 100_000
    fit, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=0)
    assert frame["total_bedrooms"].isna().sum() == 207
    model = RegNetRegressor(random_state=0).fit(frame.iloc[fit], y.iloc[fit])
    error = model.predict(frame.iloc[test]) - y.iloc[test]
    assert np.sqrt(np.mean(np.square(error))) <= 0.49


def test_rows_of_weight_0_do_not_teach_the_encoder():
    """Neither their outliers nor their levels; other weights change nothing."""
    table, y = towns()
    weight = np.ones(len(y))
    weight[::10], weight[5::10] = 0, 3
    kept = weight > 0
    clean = RegNetRegressor((4,), **FAST | {"max_iter": 1}).fit(table[kept], y[kept])
    table.loc[~kept, "size"] = 1e9
    table.loc[~kept, "town"] = "Atlantis"
    model = RegNetRegressor((4,), **FAST | {"max_iter": 1})
    model.fit(table, y, sample_weight=weight)
    config = clean.encoder_.encoding_.to_config()
    assert model.encoder_.encoding_.to_config() == config


@pytest.mark.parametrize("params", [{}, {"preset": "plain"}])
def test_rows_that_need_no_check_are_predicted_like_others(params, rng):
    X = rng.normal(size=(80, 4))
    y = X[:, 0]
    model = RegNetRegressor((8,), max_iter=5, n_members=1, random_state=0, **params)
    model.fit(X, y)
    for rows in (X[:1], X[3:9]):
        want = model.predict(rows.tolist())  # a list is checked
        assert model.predict(rows).tobytes() == want.tobytes()
    with pytest.raises(ValueError, match="3 features, but .* expecting 4"):
        model.predict(X[:1, :3])
    with pytest.raises(ValueError, match=r"(?i)0 sample"):
        model.predict(X[:0])
    with pytest.raises(ValueError, match="inf"):
        model.predict(np.full((1, 4), np.inf))
    with pytest.raises(NotFittedError):
        RegNetRegressor().predict(X)


def test_rows_without_names_are_checked_where_names_were_learned(rng):
    frames = pytest.importorskip("pandas")
    X = frames.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    model = RegNetRegressor((8,), max_iter=5, n_members=1, random_state=0)
    model.fit(X, X["a"])
    with (
        pytest.warns(UserWarning, match="feature names"),
        pytest.raises(ValueError, match="no column 'a'"),
    ):
        model.predict(X.to_numpy()[:1])
