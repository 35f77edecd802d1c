"""Penalties: values, proximal operators, foreign conventions."""

import numpy as np
import pytest

import regnet_c as rn


def test_five_weights_shrink_and_none_is_reflected():
    """Soft threshold 0.01: nothing grows, nothing is reflected."""
    w = np.array([-0.05, -0.001, 0, 0.001, 0.05])
    want = [-0.04, 0, 0, 0, 0.04]
    np.testing.assert_allclose(rn.L1(0.01).prox(w, 1.0), want, atol=1e-17)
    np.testing.assert_array_equal(rn.kernels.prox_l1(w, 0.01), rn.L1(0.01).prox(w, 1))


@pytest.mark.parametrize(
    "penalty",
    [rn.L1(0.7), rn.L2(0.4), rn.ElasticNet(0.3, 0.2)],
)
def test_prox_minimises_its_definition_on_a_grid(penalty):
    for w in (-3.0, -0.2, 0.0, 0.4, 2.5):
        got = penalty.prox(np.array([w]), 0.9)[0]
        grid = np.r_[-4:4:1001j, got - 0.02 : got + 0.02 : 801j]
        values = np.array([penalty.value([x]) for x in grid])
        best = grid[np.argmin(0.5 * (grid - w) ** 2 + 0.9 * values)]
        assert got == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("groups", ["units", "inputs", [[5, 0, 2], [1], [6, 4, 3]]])
def test_the_core_has_the_same_group_prox(groups, rng):
    w = rng.normal(size=(7, 5))
    want = rn.GroupLasso(0.8, groups).prox(w, 2.0)
    np.testing.assert_allclose(rn.kernels.prox_group(w, 1.6, groups), want, atol=1e-15)


@pytest.mark.parametrize("groups", ["units", "inputs", [[2, 0], [1]]])
def test_group_prox_minimises_its_definition(groups, rng):
    penalty = rn.SparseGroupLasso(0.2, 0.5, groups, l2=0.3)
    w = rng.normal(size=(3, 2))

    def objective(x):
        return 0.5 * ((x - w) ** 2).sum() + 0.7 * penalty.value(x)

    best = penalty.prox(w, 0.7)
    for _ in range(2000):
        other = best + rng.normal(size=w.shape) * rng.choice([1e-3, 1e-1, 1])
        assert objective(other) >= objective(best) - 1e-12


def test_prox_is_non_expansive(rng):
    for penalty in (rn.L1(0.5), rn.ElasticNet(0.2, 0.3), rn.GroupLasso(0.6)):
        a, b = rng.normal(size=(2, 8, 5))
        moved = np.linalg.norm(penalty.prox(a, 1.0) - penalty.prox(b, 1.0))
        assert moved <= np.linalg.norm(a - b)


def test_a_group_of_several_inputs_counts_by_the_root_of_its_size(dtype):
    """Yuan and Lin 2006."""
    w = np.array([[3, 0], [1, 2], [0, 4], [0, 0]], dtype)
    penalty = rn.GroupLasso(0.5, [[0, 2], [3], [1]])
    want = 0.5 * (np.sqrt(2) * 5 + np.sqrt(5))
    assert penalty.value(w) == pytest.approx(want, rel=1e-6)
    slope = penalty.subgradient(w)
    np.testing.assert_allclose(slope[[0, 2]], np.sqrt(0.5) * w[[0, 2]] / 5, rtol=1e-6)
    np.testing.assert_array_equal(slope[3], 0)
    assert slope.dtype == penalty.prox(w, 0.1).dtype == dtype
    gone = penalty.least_subgradient(np.zeros_like(w), w)
    # norms 5 > 0.71, sqrt(5) > 0.5, and 0
    np.testing.assert_array_equal(gone == 0, w == 0)


def test_groups_of_one_input_are_those_of_inputs(rng):
    w = rng.normal(size=(5, 3))
    one, other = (rn.GroupLasso(0.7, g) for g in ("inputs", [[k] for k in range(5)]))
    assert one.value(w) == pytest.approx(other.value(w), rel=1e-15)
    np.testing.assert_array_equal(one.prox(w, 1.0), other.prox(w, 1.0))
    np.testing.assert_array_equal(one.subgradient(w), other.subgradient(w))


def test_equal_groups_are_equal_however_they_are_listed():
    first = rn.GroupLasso(0.1, np.array([[3, 0], [1, 2]]))
    assert first == rn.GroupLasso(0.1, ((2, 1), [0, np.int64(3)], []))
    assert hash(first) == hash(rn.GroupLasso(0.1, [[0, 3], [1, 2]]))
    assert repr(first) == "GroupLasso(0.1, groups=[[0, 3], [1, 2]])"
    assert repr(rn.GroupLasso(0.1, [range(40)])) == (
        "GroupLasso(0.1, groups=<1 groups of 40 inputs>)"
    )


def test_a_zero_group_stays_zero():
    w = np.zeros((4, 3))
    np.testing.assert_array_equal(rn.GroupLasso(0.5).prox(w, 1.0), w)
    np.testing.assert_array_equal(rn.GroupLasso(0.5).prox(w, 0.0), w)


def test_a_group_of_one_equals_l1(rng):
    w = rng.normal(size=(1, 50))
    np.testing.assert_allclose(
        rn.GroupLasso(0.3, "units").prox(w, 1.0), rn.L1(0.3).prox(w, 1.0), atol=1e-15
    )


W = np.array([[0.5, -0.25], [2.0, 0.0]])
N, M, LAM, RHO = 40, 8, 0.6, 0.3


# name, our penalty, the source's own gradient of its penalty at W
CONVENTION_ROWS = [
    ("weight-decay L2", rn.L2.from_convention("weight-decay", LAM, n=N), LAM / N * W),
    (
        "weight-decay L1",
        rn.L1.from_convention("weight-decay", LAM, n=N),
        LAM / N * np.sign(W),
    ),
    ("spiral L2", rn.L2.from_convention("spiral", LAM), 2 * LAM * W),
    ("spiral L1", rn.L1.from_convention("spiral", LAM), LAM * np.where(W >= 0, 1, -1)),
    ("keras L2", rn.L2.from_convention("keras", LAM), 2 * LAM * W),
    ("keras L1", rn.L1.from_convention("keras", LAM), LAM * np.sign(W)),
    ("outliers L2", rn.L2.from_convention("outliers", LAM), 2 * LAM * W),
    (
        "outliers L1",
        rn.L1.from_convention("outliers", LAM),
        LAM * np.where(W >= 0, 1, -1),
    ),
    ("dropout", rn.L2.from_convention("dropout", LAM, batch_size=M), LAM / M * W),
    ("sklearn", rn.L2.from_sklearn(LAM, batch_size=M), LAM / M * W),
    ("pytorch", rn.L2.from_convention("pytorch", LAM), LAM * W),
    (
        "glmnet",
        rn.ElasticNet.from_convention("glmnet", LAM, l1_ratio=RHO),
        LAM * RHO * np.sign(W) + LAM * (1 - RHO) * W,
    ),
    (
        "skglm",
        rn.ElasticNet.from_convention("skglm", LAM, l1_ratio=RHO),
        LAM * RHO * np.sign(W) + LAM * (1 - RHO) * W,
    ),
]


@pytest.mark.parametrize(
    ("penalty", "gradient"),
    [row[1:] for row in CONVENTION_ROWS],
    ids=[row[0] for row in CONVENTION_ROWS],
)
def test_conventions_have_the_sources_gradient(penalty, gradient):
    np.testing.assert_allclose(penalty.subgradient(W), gradient, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rn.L1.from_convention("weight-decay", 1.0), "needs n="),
        (lambda: rn.L2.from_convention("dropout", 1.0), "needs batch_size="),
        (lambda: rn.L1.from_convention("pytorch", 1.0), "no L1"),
        (lambda: rn.L1.from_convention("kears", 1.0), "mean 'keras'"),
        (lambda: rn.L2.from_convention("weight-decay", -1.0, n=5), "strength is -1.0"),
    ],
)
def test_conventions_ask_for_what_they_need(call, message):
    with pytest.raises(ValueError, match=message):
        call()
