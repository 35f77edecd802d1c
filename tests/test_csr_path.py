"""Regularisation paths of sparse rows."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from running import bits
from test_csr import parts_of

import regnet_c as rn
from regnet_c._core import checks, csr
from regnet_c._core.units import Units

QUICK = {"hidden": (4,), "n_lambdas": 5, "epochs": (30, 5), "seed": 1}


def csr_of(x):
    """CSR of dense rows, checked."""
    return checks.check_x(parts_of(x), (x.shape[1], None, x.shape[1]))


def problem(n=120, n_in=15):
    """Two of the columns decide the class."""
    rng = np.random.default_rng(3)
    x = rng.exponential(1, (n, n_in)) * (rng.random((n, n_in)) < 0.3)
    x = x.astype(np.float32)
    return x, np.where(x[:, 3] + x[:, 7] > 0.4, "long", "short")


@pytest.mark.parametrize("penalty", ["group_inputs", "l1", "lassonet"])
@pytest.mark.parametrize("relax", [False, True])
def test_a_path_has_the_bits_of_dense_rows(penalty, relax):
    x, y = problem()
    found = []
    for rows in (x, parts_of(x)):
        path = rn.regularization_path(
            rows, y, penalty, cv=2, standardize=False, relax=relax, **QUICK
        )
        weights = [w.tobytes() for step in path.weights for w in step]
        stable = path.stability(rows, y, 2)
        net = path.refit(rows, y, columns=[3, 7], validation_data=(rows, y), epochs=3)
        found.append(
            [
                weights,
                path.validation_scores.tobytes(),
                stable.frequencies.tobytes(),
                bits(net),
                net.predict(rows).tobytes(),
            ]
        )
    assert found[0] == found[1]


def test_the_units_of_columns_change_no_bit():
    x, y = problem()
    units = np.float32(2) ** np.arange(-7, 8)
    found = [
        rn.regularization_path(parts_of(rows), y, cv=2, **QUICK)
        for rows in (x, x * units)
    ]
    for path in found[1:]:
        assert path.importances.tobytes() == found[0].importances.tobytes()
        assert path.validation_scores.tobytes() == found[0].validation_scores.tobytes()
    networks = [path.network(0) for path in found]
    want, got = (n.get_weights()[0] for n in networks)
    np.testing.assert_array_equal(got * units[:, None], want)


def test_deviations_of_columns_of_any_kind():
    x, _ = problem(n_in=8)
    x = x.astype(np.float64)
    x[:, 0] = 0
    x[:, 1] = 0.1  # constant
    x[:, 2] += 1e6  # nothing sparse
    x[1:, 5] = 0
    want = x.std(axis=0)
    for column, scale in ((3, -1e200), (4, 1e-200)):
        x[:, column] *= scale
        want[column] *= abs(scale)
    want[[0, 1]] = np.inf  # leave the network
    units = Units(csr_of(x), np.zeros(len(x)), None, True)
    np.testing.assert_allclose(units.x_scale, want, rtol=1e-9)
    assert not units.x_mean.any()


def test_a_path_never_makes_rows_dense():
    n, n_in = 400, 30_000
    rng = np.random.default_rng(0)
    columns = np.sort(rng.integers(0, n_in // 20, (n, 20)) * 20 + np.arange(20))
    rows = SimpleNamespace(
        data=np.ones(columns.size, np.float32),
        indices=columns.reshape(-1),
        indptr=np.arange(0, columns.size + 1, 20),
        shape=(n, n_in),
    )
    options = QUICK | {"hidden": (1,), "n_lambdas": 2, "epochs": (1, 1)}
    tracemalloc.start()
    path = rn.regularization_path(rows, np.arange(n) % 2, cv=2, **options)
    path.refit(rows, np.arange(n) % 2, columns=np.arange(50), epochs=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * n_in * 4 / 2


@pytest.mark.parametrize("numbers", [[4, 0, 4], np.arange(9) % 2 == 0, slice(2, 5), []])
def test_rows_of_a_csr(numbers):
    x, _ = problem(n=9)
    numbers = np.array(numbers, int) if isinstance(numbers, list) else numbers
    part = csr.take_rows(csr_of(x), numbers)
    np.testing.assert_array_equal(part[:], x[numbers])
    kept, scale = np.array([0, 3, 4, 14]), np.float32([2, 3, 4, 5])
    part = csr.take_columns(part, kept, scale)
    np.testing.assert_array_equal(part[:], x[numbers][:, kept] * scale)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    x, y = problem(n_in=8)
    x[5, 2] = bad
    with pytest.raises(ValueError, match=r"X has (nan|inf) in row 5, column 2"):
        rn.regularization_path(parts_of(x), y, **QUICK)
