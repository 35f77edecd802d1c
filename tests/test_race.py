"""Recipes that race: folds, candidates, what is kept, and the same bits on any cores."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import regnet_c as rn
from regnet_c.estimators import RegNetClassifier, RegNetRegressor
from regnet_c.recipes import candidates, presets
from regnet_c.recipes.race import Race, Rows, even_folds
from regnet_c.tables import TableEncoder

QUICK = {"max_iter": 4, "random_state": 3}


def surface(n=150):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=n)


def recipe_of(model, n=150, columns=3):
    params = model.get_params(deep=False)
    return presets.resolve(params, (n, columns), isinstance(model, RegNetClassifier))


def predictions(model, X):
    return model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)


# ---- folds and candidates ------------------------------------------------------------


def test_folds_are_even_in_size_and_in_the_labels():
    labels = np.repeat([0, 1, 2], [50, 30, 23])
    fold = even_folds(103, 5, 7, labels)
    assert np.ptp(np.bincount(fold)) <= 1
    for label in range(3):
        assert np.ptp(np.bincount(fold[labels == label], minlength=5)) <= 1
    assert not np.array_equal(fold, even_folds(103, 5, 8, labels))


def test_candidates_keep_what_the_user_set():
    model = RegNetRegressor(max_iter=3, l1=0.5, dropout=0.25)
    plan = candidates.tuning_plan(recipe_of(model), True, 12, 0, has_bins=True)
    assert len(plan.candidates) == 12
    for recipe in plan.candidates:
        assert (recipe.max_iter, recipe.l1, recipe.dropout) == (3, 0.5, 0.25)
    assert len({recipe.weight_decay for recipe in plan.candidates}) > 1


def test_cocktails_follow_from_the_seed():
    recipe = recipe_of(RegNetClassifier())
    plans = [candidates.tuning_plan(recipe, True, 10, seed, True) for seed in (1, 1, 2)]
    first, again, other = (list(map(repr, plan.candidates)) for plan in plans)
    assert first == again != other
    assert len(set(first)) == 10


def test_no_default_race_where_values_are_set_or_rows_many_or_few():
    def plan(n, **params):
        recipe = recipe_of(RegNetRegressor(**params), n)
        return candidates.default_plan(recipe, False, n, 51, 1, True)

    assert len(plan(300).candidates) == 3
    for changed in ({"n_members": 2}, {"preset": "plain"}):
        assert plan(300, **changed) is None
    assert plan(300, max_iter=20, hidden_layer_sizes=(9,)) is None
    assert plan(60) is None
    assert plan(20_000) is None
    assert plan(300).rounds == 5 and not plan(300).more
    assert (plan(3000).rounds, plan(3000).more) == (1, 2)
    assert (plan(9000).rounds, plan(9000).more) == (1, 1)


def test_one_network_is_the_recipe_unless_a_smooth_one_is_clearly_better():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    steps = np.floor(2 * X[:, 0]) % 2 + 0.1 * rng.normal(size=600)
    smooth = np.sin(X.sum(axis=1))
    for y, bins in ((steps, True), (smooth, False)):
        model = RegNetRegressor(n_members=1, max_iter=30, random_state=0).fit(X, y)
        assert [t.recipe.bins for t in model.trials_] == [True, False]
        assert model.recipe_.bins == bins and model.n_iter_ == 30
        assert [w.ndim for w in model.network_.get_weights()[::2]] == [2] * (
            3 if bins else 4
        )
        assert model.recipe_.n_members == 1
    assert not RegNetRegressor(n_members=1, tune=False, **QUICK).fit(X, y).trials_
    classes = RegNetClassifier(n_members=1, **QUICK).fit(X, y > 0)
    assert not classes.trials_ and classes.recipe_.n_members == 1


def test_the_inputs_without_bins_are_found():
    rng = np.random.default_rng(0)
    X = np.empty((80, 3), object)
    X[:, 0], X[:, 2] = rng.normal(size=80), rng.normal(size=80)
    X[:, 1] = rng.choice(["a", "b", "c"], 80)
    X[::9, 2] = None
    encoder = TableEncoder(n_bins=4).fit(X)
    names = encoder.feature_names[encoder.encoding_.without_bins()].tolist()
    assert names == ["x0", "x1=a", "x1=b", "x1=c", "x2", "x2 is missing"]


# ---- results -------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_the_result_is_the_weighted_mean_of_the_trials(classes):
    X, y = surface()
    model = RegNetRegressor(tune=5, **QUICK)
    if classes:
        y = np.searchsorted(np.quantile(y, np.arange(1, classes) / classes), y)
        model = RegNetClassifier(tune=5, **QUICK)
    model.fit(X, y)
    kept = [trial for trial in model.trials_ if trial.weight]
    assert sum(trial.weight for trial in kept) == pytest.approx(1)
    assert len(model.trials_) == 5
    Z = model.encoder_.transform(X)
    want = 0
    for trial in kept:
        raw = [network._predict(Z, None, raw=True) for network in trial.networks]
        want = want + trial.weight * np.mean(raw, axis=0)
    if classes == 0:
        want = want * y.std() + y.mean()
    elif classes == 2:
        want = 1 / (1 + np.exp(-want))
    else:
        want = np.exp(want) / np.exp(want).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.network_.predict(Z), want, rtol=2e-4, atol=2e-4)
    assert model.recipe_.n_members == sum(len(trial.networks) for trial in kept)


def test_a_score_is_the_mean_loss_of_the_rows_held_out():
    X, y = surface()
    model = RegNetRegressor(tune=3, **QUICK).fit(X, y)
    best = min(model.trials_, key=lambda trial: (-len(trial.losses), trial.score))
    Z = model.encoder_.transform(X)
    fold = even_folds(len(y), 5, 3)
    scaled = (y - y.mean()) / y.std()
    z = best.networks[0]._predict(Z[fold == 0], None, raw=True)[:, 0]
    np.testing.assert_allclose(
        best.losses[0], 0.5 * (z - scaled[fold == 0]) ** 2, rtol=1e-3, atol=1e-5
    )
    assert best.score == pytest.approx(np.concatenate(best.losses).mean())


def test_the_same_bits_however_many_train_at_a_time():
    X, y = surface()
    one, two = (RegNetRegressor(tune=4, n_jobs=n, **QUICK).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.predict(X), two.predict(X))
    assert [t.score for t in one.trials_] == [t.score for t in two.trials_]


def test_one_network_can_be_kept():
    X, y = surface()
    model = RegNetRegressor(tune=3, keep="one", **QUICK).fit(X, y)
    assert model.recipe_.n_members == 1
    assert [t.weight for t in model.trials_ if t.weight] == [1.0]
    sizes = model.recipe_.hidden_layer_sizes
    assert [w.shape[1] for w in model.coefs_] == [*sizes, 1]


def test_recipes_without_bins_have_no_weights_on_them():
    X, y = surface()
    model = RegNetRegressor(tune=3, **QUICK).fit(X, y)
    smooth = model.trials_[1]
    assert not smooth.recipe.bins and smooth.recipe.activation == "mish"
    weight = smooth.networks[0].get_weights()[0]
    assert np.flatnonzero(weight.any(axis=1)).tolist() == [0, 17, 34]


def test_noise_prefers_few_steps_and_a_fit_without_a_race_has_no_trials():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 8))
    y = X[:, 0] + 3 * rng.normal(size=200)
    model = RegNetRegressor(random_state=0).fit(X, y)
    best = max(model.trials_, key=lambda trial: trial.weight)
    assert best.recipe.max_iter == 25
    assert RegNetRegressor(tune=False, **QUICK).fit(X, y).trials_ == []


def test_what_diverges_leaves_the_race():
    X, y = surface()
    model = RegNetRegressor(hidden_layer_sizes=(8,), **QUICK)
    good = recipe_of(model)
    bad = presets.Recipe(
        **(vars(good) | {"optimizer": "sgd", "learning_rate_init": 1e30})
    )
    bad.weight_decay = None
    loss, dtype = rn.Loss("squared_error"), np.dtype(np.float32)
    rows = Rows(
        rn.Network, X.astype(dtype), y.reshape(-1, 1), None, loss, 1, dtype, seed=1
    )
    race = Race(rows, candidates.Plan([bad, good], rounds=2))
    assert race.run() == [race.trials[1]]
    assert race.trials[0].score == np.inf
    with pytest.raises(rn.DivergenceError):
        Race(rows, candidates.Plan([bad], rounds=2)).run()


def test_ctrl_c_keeps_the_best_recipe_so_far():
    class Stop(rn.Callback):
        fits = 0

        def on_train_begin(self, network):
            self.fits += 1

        def on_epoch_end(self, epoch, logs):
            if self.fits == 4:
                raise KeyboardInterrupt

    X, y = surface()
    model = RegNetRegressor(tune=6, n_jobs=1, callbacks=[Stop()], **QUICK)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    best = min(model.trials_, key=lambda trial: np.mean(trial.losses or [[np.inf]]))
    assert best.weight == 1 and model.recipe_.n_members == 1
    assert model.predict(X).shape == (150,)


def test_seconds_are_a_budget():
    X, y = surface()
    model = RegNetRegressor(tune=0.2, n_jobs=1, **QUICK).fit(X, y)
    ran = [trial for trial in model.trials_ if trial.losses]
    assert 1 <= len(ran) < candidates.MOST_TRIALS


def test_further_epochs_of_the_members():
    X, y = surface()
    model = RegNetRegressor(tune=3, **QUICK).fit(X, y)
    before = model.predict(X)
    model.partial_fit(X, y)
    assert not np.array_equal(model.predict(X), before)
    assert abs(model.predict(X) - before).mean() < 1


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"tune": "yes"}, "tune is 'yes'"),
        ({"tune": 0}, "tune"),
        ({"tune": -1.0}, "tune"),
        ({"keep": "all"}, "keep"),
        ({"tune": 3, "early_stopping": True}, "expected none of them"),
        ({"tune": 3, "warm_start": True}, "expected none of them"),
    ],
)
def test_wrong_budgets_are_refused(params, error):
    with pytest.raises((TypeError, ValueError), match=error):
        RegNetRegressor(**params, **QUICK).fit(*surface())
