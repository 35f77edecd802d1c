"""Estimators on Blocks: one pass to learn encoder, scales and classes, then blocks."""

import itertools

import numpy as np
import pytest

pytest.importorskip("sklearn")

import regnet_c as rn
from regnet_c.estimators import survey

PLAIN = {"n_members": 1, "tune": False}


def rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 5)) * [1, 10, 100, 1, 1]
    x[7, 3] = np.nan
    return x, x[:, 0] * 50 + x[:, 1] + 7


def cut(*arrays, at=(0, 250, 251, 600)):
    return [tuple(a[i:j] for a in arrays) for i, j in itertools.pairwise(at)]


def classifier(**options):
    return rn.RegNetClassifier((8,), max_iter=20, random_state=0, **PLAIN, **options)


def regressor(**options):
    return rn.RegNetRegressor((16,), max_iter=40, random_state=0, **PLAIN, **options)


def weights(model):
    return b"".join(w.tobytes() for w in model.network_.get_weights())


@pytest.mark.parametrize("weighted", [False, True])
def test_one_block_has_the_bits_of_arrays(weighted):
    x, number = rows()
    names = np.array(["low", "high"])[(number > 7).astype(int)]
    weight = (np.linspace(0, 2, 600),) if weighted else ()
    for model, y in ((classifier, names), (regressor, number)):
        expected = model().fit(x, y, *weight)
        found = model().fit(rn.Blocks(cut(x, y, *weight, at=(0, 600))))
        assert weights(found) == weights(expected)
        assert found.recipe_ == expected.recipe_
        np.testing.assert_array_equal(found.predict(x), expected.predict(x))


def test_blocks_train_on_all_rows_in_the_units_of_y():
    x, y = rows()
    blocks = rn.Blocks(cut(x, y))
    model = regressor(early_stopping=True).fit(blocks, X_val=x, y_val=y)
    assert model.score(x, y) > 0.98 and len(model.validation_scores_) == model.n_iter_
    assert model.network_.history.samples == 600 * model.n_iter_


def test_kinks_lie_at_rows_of_the_sample():
    x, y = rows()
    blocks = rn.Blocks(cut(x, y, at=(0, 600)))
    one = regressor(bias_init="kinks").fit(blocks)
    assert weights(one) == weights(regressor(bias_init="kinks").fit(x, y))
    assert weights(one) != weights(regressor().fit(x, y))


def test_rare_classes_are_counted_and_quantiles_sampled(monkeypatch):
    monkeypatch.setattr(survey, "SAMPLE_ROWS", 100)
    x, number = rows()
    y = np.where(number > 7, "high", "low")
    y[300] = "once"
    found = survey.Survey(rn.Blocks(cut(x, y)), labels=True)
    assert found.n == 600 and len(found.X) == len(found.y) == 100
    assert list(found.classes) == ["high", "low", "once"] and "once" not in found.y
    model = classifier().fit(rn.Blocks(cut(x, y)))
    assert list(model.classes_) == ["high", "low", "once"]
    assert model.score(x, y) > 0.9
    whole = [classifier().fit(x, y), model]
    fills = [m.encoder_.encoding_.columns[0].fill for m in whole]
    assert abs(fills[0] - fills[1]) < 0.5 and fills[0] != fills[1]


def test_a_block_that_the_sample_missed_may_be_wrong(monkeypatch):
    monkeypatch.setattr(survey, "SAMPLE_ROWS", 50)
    x, y = rows()
    x[400, 0] = np.inf
    with pytest.raises(ValueError, match="block 2: .*infinity"):
        regressor().fit(rn.Blocks(cut(x[:, :2], y)))


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({}, {"y": [1]}, "which has its y; expected y=None"),
        ({}, {"sample_weight": [1]}, "which has its sample_weight"),
        ({"early_stopping": True}, {}, "expects validation rows"),
        ({"class_weight": "balanced"}, {}, "fit on Blocks expects a dict or None"),
    ],
)
def test_what_blocks_have_not(options, arguments, message):
    x, y = rows()
    blocks = rn.Blocks(cut(x, (y > 7).astype(int)))
    with pytest.raises((TypeError, ValueError), match=message):
        classifier(**options).fit(blocks, **arguments)
