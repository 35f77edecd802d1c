"""A path does not depend on units: of y, of the columns of X, of what a label is called."""

import numpy as np
import pytest
from test_path import PENALTIES, QUICK

import regnet_c as rn
from regnet_c.path import refit, steps
from regnet_c.path.problem import Problem
from regnet_c.path.recipe import make_recipe
from regnet_c.tables.form import TableForm

EXACT = {"dtype": "float64", "seed": 1}  # the same steps whatever the unit


def example(n=400):
    """The columns 2, 7 and 11 of 30 make y."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 30))
    noise = 0.1 * rng.standard_normal(n)
    return x, 3 * x[:, 2] - 2 * x[:, 7] + x[:, 2] * x[:, 11] + noise


def odd_units(x):
    """The same columns in units of 1e-6 to 1e6, with offsets."""
    rng = np.random.default_rng(1)
    unit = 10.0 ** rng.integers(-6, 7, x.shape[1])
    return x * unit + 50 * unit * rng.standard_normal(x.shape[1])


def r2(y, out):
    return 1 - np.mean((np.ravel(out) - y) ** 2) / np.var(y)


@pytest.mark.parametrize("cross", [False, True])
def test_the_unit_of_y_changes_no_choice(cross):
    x, y = example()
    y = 1e-9 * (y + 1e3)
    if cross:
        path = rn.regularization_path(x, y, cv=3)
    else:
        validation = x[300:], y[300:]
        path = rn.regularization_path(x[:300], y[:300], validation_data=validation)
    assert path.select().tolist() == [2, 7, 11]
    assert path.select(rule="best").tolist() == [2, 7, 11]


def test_the_units_of_the_columns_change_no_choice(path):
    x, y = example()
    odd = rn.regularization_path(odd_units(x)[:300], y[:300], cv=3, n_lambdas=12)
    assert path.select().tolist() == odd.select().tolist() == [2, 7, 11]
    assert odd.lambda_max == pytest.approx(path.lambda_max, rel=1e-3)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_networks_and_scores_are_in_the_users_units(penalty):
    x, y = example(200)
    options = {**QUICK, **EXACT, "penalty": penalty, "n_lambdas": 6}
    plain = rn.regularization_path(x, y, validation_data=(x, y), **options)
    other = rn.regularization_path(
        odd_units(x),
        7e3 * y + 1e5,
        validation_data=(odd_units(x), 7e3 * y + 1e5),
        **options,
    )
    assert [s.tolist() for s in plain.selected] == [s.tolist() for s in other.selected]
    np.testing.assert_allclose(plain.importances, other.importances, rtol=1e-5)
    np.testing.assert_allclose(plain.strengths, other.strengths, rtol=1e-6)
    for scores in ("train_scores", "validation_scores", "validation_errors"):
        np.testing.assert_allclose(
            7e3**2 * getattr(plain, scores), getattr(other, scores), rtol=1e-5
        )
    step = len(plain) // 2
    out = plain.network(step).predict(x)
    np.testing.assert_allclose(
        7e3 * out + 1e5, other.network(step).predict(odd_units(x)), rtol=1e-6
    )
    loss = other.network(step).evaluate(odd_units(x), 7e3 * y + 1e5)["loss"]
    assert loss == pytest.approx(-other.train_scores[step], rel=0.2)  # before and after
    for a, b in zip(
        other.weights[step], other.network(step).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", ["mae", "quantile", "mse", "huber"])
def test_losses_that_scale_with_y_choose_alike(loss):
    x, y = example(200)
    found = []
    for unit in (1.0, 1e4):
        scaled = rn.Loss("huber", 0.5 * unit) if loss == "huber" else loss
        path = rn.regularization_path(
            x, unit * y + 3 * unit, loss=scaled, cv=3, **{**QUICK, **EXACT}
        )
        found.append(path)
    a, b = found
    assert path.loss == (scaled if loss == "huber" else rn.Loss(loss))
    np.testing.assert_allclose(a.importances, b.importances, rtol=1e-5, atol=1e-12)
    power = 2 if loss in ("mse", "huber") else 1
    np.testing.assert_allclose(
        1e4**power * a.validation_scores, b.validation_scores, rtol=1e-5
    )
    assert set(b.select()) >= {2, 7}


def test_poisson_counts_have_a_unit_but_no_offset():
    x, _ = example(300)
    counts = np.random.default_rng(2).poisson(np.exp(x[:, 2] - 0.7 * x[:, 7]))
    paths = [
        rn.regularization_path(x, unit * counts, loss="poisson", cv=3, **QUICK, **EXACT)
        for unit in (1.0, 50.0)
    ]
    np.testing.assert_allclose(
        paths[0].importances, paths[1].importances, rtol=1e-5, atol=1e-12
    )
    assert paths[1].select(k=2).tolist() == [2, 7]
    step = len(paths[1]) // 2
    means = [p.network(step).predict(x) for p in paths]
    np.testing.assert_allclose(50 * means[0], means[1], rtol=1e-5)
    # the score is minus the loss of these counts: exp(z) - y z
    score = np.mean(50 * counts * np.log(means[1][:, 0]) - means[1][:, 0])
    assert paths[1].train_scores[step] == pytest.approx(score, rel=0.05)
    with pytest.raises(ValueError, match="poisson expects values"):
        rn.regularization_path(x, counts - 1.0, loss="poisson")


def test_a_lassonet_in_the_users_units_keeps_its_hierarchy():
    x, y = example(200)
    options = {**QUICK, **EXACT, "penalty": "lassonet", "hierarchy": 3.0}
    counts = np.random.default_rng(2).poisson(40 * np.exp(0.3 * x[:, 2]))
    for target, loss, expected in (
        (1e-3 * y, "squared_error", 3.0 / (1e-3 * y).std()),
        (counts, "poisson", 3.0),
        (counts % 2, "softmax_cross_entropy", 3.0),
    ):
        path = rn.regularization_path(odd_units(x), target, loss=loss, **options)
        network = path.network(1)
        hierarchy = network.skip_penalty.hierarchy
        assert hierarchy == pytest.approx(expected)
        largest = np.abs(network.get_weights()[0]).max(axis=1)
        skip = np.linalg.norm(network.get_weights()[-1], axis=1)
        assert np.all(largest <= hierarchy * skip * (1 + 1e-6))


def test_targets_in_different_units_count_alike():
    x, _y = example(200)
    both = np.column_stack([1e3 * x[:, 4] + 5, 1e-3 * x[:, 9]])
    path = rn.regularization_path(x, both, cv=3, **QUICK)
    assert path.select(k=2).tolist() == [4, 9]
    network = path.refit(x, both, k=2)
    for target in range(2):
        assert r2(both[:, target], network.predict(x)[:, target]) > 0.95


def test_without_standardizing_columns_keep_their_sizes():
    x, y = example(200)
    x[:, 3] *= 1e-3
    y = y + 2e3 * x[:, 3]  # seen only by huge weights
    plain, scaled = (
        rn.regularization_path(x, y, standardize=choice, **QUICK)
        for choice in (False, True)
    )
    assert 3 not in plain.select(k=3) and 3 in scaled.select(k=3)
    far = rn.regularization_path(x, 1e3 * y + 1e6, standardize=False, **QUICK)
    assert far.select(k=3).tolist() == plain.select(k=3).tolist()


def test_constant_columns_and_targets():
    x, y = example(120)
    x[:, 0] = 1e7
    path = rn.regularization_path(x, y, **QUICK)
    network = path.refit(x, y, k=3, epochs=5)
    assert not path.network(0).get_weights()[0][0].any()
    moved = x.copy()
    moved[:, 0] = -3.0
    np.testing.assert_array_equal(network.predict(x), network.predict(moved))
    flat = rn.regularization_path(x, np.full(120, 5.0), **QUICK)
    np.testing.assert_allclose(flat.network(-1).predict(x), 5.0, atol=0.1)


def test_far_offsets_cost_no_digits():
    x, y = example(200)
    path = rn.regularization_path(x + 1e6, y, **QUICK)
    assert path.network(0).dtype == np.float64
    out = path.network(0).predict(x + 1e6)
    near = rn.regularization_path(x, y, **QUICK)
    assert near.network(0).dtype == np.float32
    assert r2(y, out) == pytest.approx(r2(y, near.network(0).predict(x)), abs=0.01)


# ---- re-fit --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def path():
    x, y = example()
    return rn.regularization_path(x[:300], y[:300], cv=3, n_lambdas=12)


def test_refit_trains_until_it_has_converged(path):
    x, y = example()
    network = path.refit(x[:300], y[:300])
    assert r2(y[300:], network.predict(x[300:])) > 0.99
    history = network.history
    assert len(history["loss"]) == history.epochs > 1000
    assert history["learning_rate"][-1] < 0.01 * history["learning_rate"][0]
    assert path.refit(x[:300], y[:300], epochs=7).history.epochs == 7


def test_refit_says_when_it_has_not_converged(monkeypatch):
    monkeypatch.setattr(refit, "_CYCLES", 3)
    monkeypatch.setattr(refit, "_FIRST", 200)
    x, y = example()
    x, y = x[:40], y[:40]
    slow = rn.regularization_path(
        x, y, n_lambdas=3, hidden=(4,), optimizer=rn.Adam(1e-4), epochs=(1, 1)
    )
    with pytest.warns(UserWarning, match="has not converged: .* pass epochs="):
        slow.refit(x, y, columns=[2, 7])


def test_refit_with_validation_rows_keeps_the_best_weights(path):
    x, y = example()
    rows = x[300:], y[300:]
    network = path.refit(x[:60], y[:60], k=10, validation_data=rows)
    best = min(network.history["val_loss"]) * np.var(y[:300])  # the path's own scale
    assert network.evaluate(*rows)["loss"] == pytest.approx(best, rel=0.05)


def test_predict_takes_all_columns_or_the_selected_ones(path, tmp_path):
    x, y = example()
    network = path.refit(x, y, columns=[7, 2], epochs=5)
    assert network.metadata["columns"] == [2, 7]
    assert network.n_inputs == 30 and network.kept_inputs.tolist() == [2, 7]
    np.testing.assert_array_equal(network.predict(x), network.predict(x[:, [2, 7]]))
    with pytest.raises(
        ValueError, match=r"5 columns, the network expects 2 \(or all 30"
    ):
        network.predict(x[:, :5])
    network.save(tmp_path / "net.safetensors")
    loaded = rn.Network.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), network.predict(x))
    network.to_c(tmp_path / "net.c")


# ---- frames, names, labels -----------------------------------------------------------


def frame_of(library, x):
    module = pytest.importorskip(library)
    names = [f"f{i}" for i in range(x.shape[1])]
    if library == "pyarrow":
        return module.table(list(np.ascontiguousarray(x.T)), names=names)
    data = dict(zip(names, x.T, strict=True))
    return module.DataFrame(data)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_and_text_labels_are_taken_everywhere(library):
    x, y = example(300)
    labels = np.where(y > 0, "yes", "no")
    frame = frame_of(library, x)
    text = (
        labels
        if library != "pandas"
        else frame_of("pandas", x)
        .index.map(lambda i: labels[i])
        .to_series()
        .astype("category")
    )
    path = rn.regularization_path(frame, text, cv=3, **QUICK)
    same = rn.regularization_path(x, (y > 0).astype(int), cv=3, **QUICK)
    np.testing.assert_array_equal(path.importances, same.importances)
    assert path.classes.tolist() == ["no", "yes"] and path.feature_names[7] == "f7"
    assert path.select(k=2, names=True) == ["f2", "f7"]
    assert path.ranking(names=True)[0] == f"f{path.ranking()[0]}"
    network = path.refit(
        frame, text, columns=["f7", "f2"], validation_data=(frame, text)
    )
    assert network.metadata["column_names"] == ["f2", "f7"]
    assert network.metadata["classes"] == ["no", "yes"]
    guess = path.classes[network.predict(frame).argmax(axis=1)]
    assert np.mean(guess == labels) > 0.85
    assert np.mean((network.predict(x[:, [2, 7]])[:, 1] > 0.5) == (y > 0)) > 0.85
    stable = path.stability(frame, text, n_subsamples=2)
    assert {"f2", "f7"} <= set(stable.select(max_false=30.0, names=True))


def table(n=300):
    """(frame, y): y follows from a town and a size; a letter and a number are noise."""
    pandas, rng = pytest.importorskip("pandas"), np.random.default_rng(2)
    frame = pandas.DataFrame(
        {
            "letter": rng.choice(list("abcdefgh"), n),
            "size": rng.uniform(20, 120, n),
            "always": "x",
            "town": rng.choice(["Bern", "Oslo", "Rome"], n),
            "noise": rng.standard_normal(n),
        }
    )
    y = frame["size"] / 30 + 2.0 * (frame["town"] == "Rome")
    frame.loc[::17, "noise"] = np.nan
    frame.loc[::13, "town"] = None
    return frame, y.to_numpy()


@pytest.mark.parametrize("penalty", ["group_inputs", "lassonet", "l1"])
def test_a_tables_columns_are_chosen_as_a_whole(penalty, tmp_path):
    pytest.importorskip("sklearn")
    frame, y = table()
    path = rn.regularization_path(frame, y, penalty, cv=3, **QUICK)
    assert path.feature_names == list(frame.columns)
    assert path.importances.shape[1] == 5 and not path.importances[:, 2].any()
    assert path.select(k=2, names=True) == ["size", "town"]
    assert path.select(k=2).tolist() == [1, 3]
    groups = path.encoder.groups_
    for step in range(len(path)):
        w = path.weights[step][-1 if penalty == "lassonet" else 0]
        for column, group in enumerate(groups):
            used = path.importances[step, column] > 0
            assert used == w[group].any()
            assert penalty == "l1" or (w[group].any(axis=1) == used).all()
    x = path.encoder.transform(frame)
    for step in (0, len(path) // 2):
        error = np.square(path.network(step).predict(x)[:, 0] - y).mean() / 2
        assert -error == pytest.approx(path.train_scores[step], rel=0.05)
    network = path.refit(frame, y, columns=["town", "size"], epochs=100)
    assert network.metadata["column_names"] == ["size", "town"]
    assert network.kept_inputs.tolist() == [*groups[1], *groups[3]]
    assert np.square(network.predict(x)[:, 0] - y).mean() < 0.2 * y.var()
    network.save(tmp_path / "m")
    same = TableForm.of(rn.Network.load(tmp_path / "m"))
    assert same.encoding.names == list(frame.columns)
    stable = path.stability(frame, y, n_subsamples=2)
    assert stable.frequencies.shape == (len(path), 5)


def test_nothing_enters_a_table_at_lambda_max():
    pytest.importorskip("sklearn")
    frame, y = table()
    options = {"optimizer": rn.SGD(0.01), "batch_size": 300, "adaptive": 0.0}
    for penalty in ("group_inputs", "lassonet"):
        problem = Problem(frame, y)
        recipe = make_recipe(problem, 300, penalty, hidden=(8,), **options)
        x, t = problem.data(frame, y, "float32")
        start = steps.empty_start(recipe)
        top = steps.critical_strength(recipe, start, x, t)
        for factor, enters in ((1.001, False), (0.95, True)):
            network = recipe.network(factor * top)
            network.set_weights(start)
            network.train_step(x, t, recipe.optimizer)
            w = steps.input_importance(recipe, network.get_weights())
            assert w.any() == enters


def test_only_tables_with_more_than_numbers_are_encoded():
    pytest.importorskip("sklearn")
    frame, y = table(100)
    numbers = frame[["size", "noise"]].fillna(0.0)
    assert Problem(numbers, y).encoder is None
    own = rn.tables.TableEncoder("robust")
    found = Problem(numbers, y, encoder=own).encoder
    assert found.encoding_.n_outputs == 2 and not hasattr(own, "encoding_")
    with pytest.raises(TypeError, match="column 'letter' of X is an object array"):
        Problem(frame, y, encoder=None)
    with pytest.raises(TypeError, match="encoder is 'on', expected 'auto'"):
        Problem(frame, y, encoder="on")


def test_validation_rows_may_lack_classes_but_not_have_new_ones():
    x, y = example(200)
    labels = np.digitize(y, [-1, 1]) * 10
    path = rn.regularization_path(
        x, labels, validation_data=(x[labels < 20], labels[labels < 20]), **QUICK
    )
    assert path.classes.tolist() == [0, 10, 20]
    assert path.network(0).predict(x).shape == (200, 3)
    with pytest.raises(ValueError, match="labels 30, expected only the classes"):
        rn.regularization_path(x, labels, validation_data=(x, labels + 10), **QUICK)


@pytest.mark.parametrize("labels", [("a", "b"), (False, True), (3, 8), (0.0, 1.0)])
def test_two_classes_of_any_kind_with_one_output(labels):
    x, y = example(200)
    target = np.array(labels)[(y > 0).astype(int)]
    path = rn.regularization_path(x, target, loss="binary_cross_entropy", **QUICK)
    assert path.classes.tolist() == list(labels)
    assert path.network(0).predict(x).shape == (200, 1)
    assert path.train_scores.max() > 0.8


def test_integer_amounts_are_no_classes():
    x, y = example(200)
    cents = np.round(1000 * y).astype(int)
    path = rn.regularization_path(x, cents, cv=3, **QUICK)
    assert path.classes is None and path.loss.name == "squared_error"
    assert set(path.select()) >= {2, 7}
    for values, loss in ((20, "softmax_cross_entropy"), (21, "squared_error")):
        path = rn.regularization_path(x, np.arange(200) % values, **QUICK)
        assert path.loss.name == loss


def test_columns_are_refused_by_name_and_by_number():
    x, y = example(100)
    frame = frame_of("pandas", x)
    path = rn.regularization_path(frame, y, **QUICK)
    plain = rn.regularization_path(x, y, **QUICK)
    assert path.refit(x, y, columns=np.arange(30) < 2, epochs=1).metadata[
        "columns"
    ] == [0, 1]
    for columns, error, message in (
        (["f2", "g"], ValueError, "columns has 'g', X has the columns 'f0'"),
        ([30], ValueError, "columns has 30, X has 30 columns"),
        ([-31], ValueError, "columns is -31"),
        ([2, "f2"], ValueError, "each column once"),
        ([], ValueError, "columns is empty"),
        ([1.5], TypeError, "columns is 1.5, expected an integer"),
        (np.ones(5, bool), ValueError, r"mask of shape \(5,\)"),
    ):
        with pytest.raises(error, match=message):
            path.refit(frame, y, columns=columns)
    with pytest.raises(ValueError, match="X had no column names"):
        plain.refit(x, y, columns=["f2"])
    with pytest.raises(ValueError, match="names is True, X had no column names"):
        plain.select(k=1, names=True)
    with pytest.raises(ValueError, match="got columns and k or rule"):
        path.refit(x, y, k=2, columns=[1])
    with pytest.raises(
        ValueError, match="X has the name 'f1' for column 0, it was 'f0'"
    ):
        path.refit(frame[frame.columns[[1, 0, *range(2, 30)]]], y, k=2)
    frame["f4"] = "text"
    with pytest.raises(TypeError, match="column 'f4' of X is an object array of str"):
        rn.regularization_path(frame, y, encoder=None)


@pytest.mark.parametrize("missing", ["None", "nan", "pandas"])
def test_missing_targets_are_named(missing):
    x, y = example(50)
    value = {"None": None, "nan": float("nan")}.get(missing)
    if missing == "pandas":
        value = pytest.importorskip("pandas").NA
    for target in (np.where(y > 0, "a", "b").astype(object), y.astype(object)):
        target[4] = value
        with pytest.raises(ValueError, match="y has a missing value in row 4"):
            rn.regularization_path(x, target)
    y[4] = np.nan
    with pytest.raises(ValueError, match="y has nan in row 4"):
        rn.regularization_path(x, y)


# ---- selections ----------------------------------------------------------------------


def test_an_empty_selection_is_no_secret():
    x, _y = example(150)
    noise = np.random.default_rng(5).standard_normal(150)
    path = rn.regularization_path(x, noise, cv=3, **QUICK)
    with pytest.warns(UserWarning, match="rule='1se' selects no column") as caught:
        assert path.select().tolist() == []
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="no column is selected"):
        path.refit(x, noise)
    stable = path.stability(x, noise, n_subsamples=4)
    with pytest.warns(UserWarning, match="select no column"):
        assert stable.select(threshold=1.0).tolist() == []


def test_scikit_learns_splitters_are_taken():
    model_selection = pytest.importorskip("sklearn.model_selection")
    x, y = example(150)
    splits = list(model_selection.KFold(3).split(x))
    a, b = (
        rn.regularization_path(x, y, cv=cv, **QUICK)
        for cv in (splits, model_selection.KFold(3))
    )
    np.testing.assert_array_equal(a.validation_scores, b.validation_scores)


def test_a_problem_is_learned_once():
    x, y = example(100)
    problem = Problem(odd_units(x), y)
    z, t = problem.data(odd_units(x), y, "float64")
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-9)
    np.testing.assert_allclose([t.mean(), t.std()], [0, 1], atol=1e-9)
    half = problem.data(odd_units(x)[:50], y[:50], "float64")
    np.testing.assert_array_equal(half[0], z[:50])
    np.testing.assert_array_equal(half[1], t[:50])
