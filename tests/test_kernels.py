"""Each kernel x dtype x variant x awkward size against the oracle, extremes, bits."""

import itertools

import numpy as np
import pytest
import reference as ref
from conftest import OPTIMIZERS, assert_close, awkward_sizes, prime_pattern
from running import all_pairs

import regnet_c as rn
from regnet_c import kernels
from regnet_c._core import binding, plan
from regnet_c.kernels.steps import first_step, rn_step

# name: (NumPy's function, interval of x for float32, and for float64)
FUNCTIONS = {
    "exp": (np.exp, (-87, 88), (-708, 709)),
    "expm1": (np.expm1, (-87, 88), (-708, 709)),
    "log": (np.log, (1e-30, 1e30), (1e-300, 1e300)),
    "log1p": (np.log1p, (-0.999, 1e30), (-0.999999, 1e300)),
    "tanh": (np.tanh, (-20, 20), (-30, 30)),
    "atan": (np.arctan, (-1e6, 1e6), (-1e12, 1e12)),
    "erf": (ref.erf, (-6, 6), (-8, 8)),
}
# name: x -> exact value
EXACT = {
    "exp": {0.0: 1.0, -np.inf: 0.0, np.inf: np.inf, 1e4: np.inf, -1e4: 0.0},
    "expm1": {0.0: 0.0, -np.inf: -1.0, np.inf: np.inf, -1e4: -1.0, 1e4: np.inf},
    "log": {1.0: 0.0, 0.0: -np.inf, np.inf: np.inf, -1.0: np.nan},
    "log1p": {0.0: 0.0, -1.0: -np.inf, np.inf: np.inf, -2.0: np.nan},
    "tanh": {0.0: 0.0, np.inf: 1.0, -np.inf: -1.0, 1e4: 1.0, -1e4: -1.0},
    "atan": {0.0: 0.0},
    "erf": {0.0: 0.0, np.inf: 1.0, -np.inf: -1.0, 1e4: 1.0, -1e4: -1.0},
}
PARAM = {"leaky_relu": 0.01, "elu": 1.3}
LOSS_PARAM = {"huber": 0.7, "quantile": 0.3}
PRODUCT_SIZES = [
    (1, 1, 1),
    (2, 3, 5),
    (7, 1, 13),
    (17, 31, 9),
    (33, 65, 47),
    (5, 70, 1),
]
ROWS_EQUAL_SIZES = [(1, 40), (13, 7), (64, 33), (100, 131)]


def draw(rng, dtype, *shape, scale=1.0):
    return (scale * rng.standard_normal(shape)).astype(dtype)


def denormal(dtype):
    return float(np.finfo(dtype).smallest_subnormal) * 5


def test_columns_to_rows_moves_every_number(dtype, isa):
    for n, n_cols in itertools.product([*awkward_sizes(dtype), 200], repeat=2):
        columns = prime_pattern(n_cols, n, dtype=dtype, period=251)
        room = np.full((n + 2, n_cols), 7, dtype)
        binding.columns_to_rows(room[1:-1], list(columns))
        np.testing.assert_array_equal(room[1:-1], columns.T)
        assert (room[[0, -1]] == 7).all()
    with pytest.raises(ValueError, match="another number of columns"):
        binding.columns_to_rows(room, [])
    with pytest.raises(ValueError, match="differ in rows"):
        binding.columns_to_rows(room, list(columns))


# ---------------------------------------------------------- elementary functions


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_equals_the_oracle(name, dtype, isa, rng):
    function, single, double = FUNCTIONS[name]
    low, high = single if dtype == np.float32 else double
    for n in [*awkward_sizes(dtype), 1000]:
        x = rng.uniform(low, high, n)
        small = np.exp(rng.uniform(-60, 0, n)) * rng.choice([-1, 1], n)
        if name == "log":
            small = np.abs(small)
        for points in (x, small):
            points = np.clip(points, low, high).astype(dtype)
            got = getattr(kernels, name)(points)
            assert got.dtype == dtype
            assert_close(got, function(points.astype(np.float64)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_at_extremes(name, dtype, isa):
    x = np.array(list(EXACT[name]), dtype)
    want = np.array(list(EXACT[name].values()), dtype)
    np.testing.assert_array_equal(getattr(kernels, name)(x), want)
    assert np.isnan(getattr(kernels, name)(np.array([np.nan], dtype)))[0]
    x = np.array([denormal(dtype)], dtype)
    with np.errstate(all="ignore"):
        want = FUNCTIONS[name][0](x.astype(np.float64))
    assert_close(getattr(kernels, name)(x), want)


def test_atan_at_infinity_is_half_pi(dtype, isa):
    x = np.array([np.inf, -np.inf, np.finfo(dtype).max], dtype)
    half = np.pi / 2
    assert_close(kernels.atan(x), np.array([half, -half, half]))


# ------------------------------------------------------------------- activations


@pytest.mark.parametrize("name", ref.ACTIVATIONS)
def test_activation_equals_the_oracle(name, dtype, isa, rng):
    for n in [*awkward_sizes(dtype), 500]:
        z = draw(rng, dtype, n, scale=4)
        a, slope = kernels.activation_forward(name, z, PARAM.get(name, 0.0))
        want, want_slope = ref.activation_forward(name, z, PARAM.get(name, 0.0))
        assert a.dtype == slope.dtype == dtype
        assert_close(a, want, scale=np.minimum(np.abs(z), 1) + np.abs(want))
        assert_close(slope, want_slope, scale=1)


@pytest.mark.parametrize("name", ref.ACTIVATIONS)
def test_activation_at_extremes(name, dtype, isa):
    large = [1.0, 20.0, 88.0, 105.0, 750.0, 1e4, 1e30]
    z = np.array([0.0, -0.0, denormal(dtype), *large, *(-v for v in large)], dtype)
    a, slope = kernels.activation_forward(name, z, PARAM.get(name, 0.0))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        want, want_slope = ref.activation_forward(name, z, PARAM.get(name, 0.0))
    assert_close(a, want, scale=np.minimum(np.abs(z), 1) + np.abs(want))
    # The oracle's own slope is 0 * inf for silu and gelu far out.
    known = np.isfinite(want_slope)
    assert np.isfinite(slope).all()
    assert_close(slope[known], want_slope[known], scale=1)
    a, slope = kernels.activation_forward(name, np.array([np.nan], dtype), 0.5)
    assert np.isnan(a[0])


def test_relu_has_slope_zero_at_zero(dtype, isa):
    _, slope = kernels.activation_forward("relu", np.array([0.0, -0.0], dtype))
    np.testing.assert_array_equal(slope, [0, 0])


def test_softplus_is_exact_for_all_inputs(dtype, isa):
    z = np.concatenate([np.linspace(-80, 80, 1001), [-1e4, 1e4, 3e37]]).astype(dtype)
    a, _ = kernels.activation_forward("softplus", z)
    assert_close(a, ref.softplus(z.astype(np.float64)))


def test_softmax_equals_the_oracle(dtype, isa, rng):
    for n, n_out in itertools.product(awkward_sizes(dtype), (1, 2, 3, 10, 33)):
        z, da = draw(rng, dtype, n, n_out, scale=5), draw(rng, dtype, n, n_out)
        a = kernels.softmax_forward(z)
        assert_close(a, ref.softmax_forward(z), scale=1)
        want = ref.softmax_backward(da, a)
        assert_close(
            kernels.softmax_backward(da, a), want, scale=np.abs(da).max(initial=0)
        )


def test_softmax_of_huge_logits_is_one_hot(dtype, isa):
    z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e30, 0, -1e30]], dtype)
    third = dtype.type(1) / dtype.type(3)
    want = [[1, 0, 0], [third, third, third], [1, 0, 0]]
    assert_close(kernels.softmax_forward(z), want, scale=1)


# ------------------------------------------------------------------------ losses


def targets(name, rng, dtype, n, n_out):
    if name == "softmax_cross_entropy":
        return rng.integers(0, n_out, n)
    if name == "binary_cross_entropy":
        return rng.integers(0, 2, (n, n_out)).astype(dtype)
    if name == "poisson":
        return rng.poisson(2, (n, n_out)).astype(dtype)
    return draw(rng, dtype, n, n_out)


@pytest.mark.parametrize(
    ("name", "param"),
    [(name, LOSS_PARAM.get(name, 0.0)) for name in ref.LOSSES]
    + [("softmax_cross_entropy", 0.3), ("binary_cross_entropy", 0.3)],
)
def test_loss_equals_the_oracle(name, param, dtype, isa, rng):
    for n, n_out in itertools.product(awkward_sizes(dtype), (1, 3, 10)):
        z, y = draw(rng, dtype, n, n_out, scale=2), targets(name, rng, dtype, n, n_out)
        scale = rng.random(n).astype(dtype)
        row_loss, dz = kernels.loss_rows(name, z, y, scale, param)
        want, want_dz = ref.loss_rows(name, z, y, scale, param)
        assert row_loss.dtype == dz.dtype == dtype
        terms = np.abs(z).sum(axis=1) + np.abs(want) + 1
        assert_close(row_loss, want, scale=terms)
        assert_close(dz, want_dz, scale=1 + np.abs(want_dz))


@pytest.mark.parametrize("name", ref.LOSSES)
def test_loss_has_no_nan_at_huge_outputs(name, dtype, isa):
    z = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [0, 0], [-1e4, -1e4]], dtype)
    y = np.array([0, 0, 1, 1, 0])
    y = y if name == "softmax_cross_entropy" else ref.one_hot(y, 2).astype(dtype)
    param = LOSS_PARAM.get(name, 0.0)
    row_loss, dz = kernels.loss_rows(name, z, y, param=param)
    with np.errstate(over="ignore"):
        want, want_dz = ref.loss_rows(name, z, y, param=param)
    assert_close(row_loss, want, scale=np.where(np.isfinite(want), np.abs(want) + 1, 1))
    assert_close(
        dz, want_dz, scale=np.where(np.isfinite(want_dz), np.abs(want_dz) + 1, 1)
    )


def test_softmax_cross_entropy_takes_probabilities(dtype, isa, rng):
    """And rows that do not add up to one, such as weighted ones."""
    z, loss = draw(rng, dtype, 21, 4), "softmax_cross_entropy"
    some = rng.dirichlet(np.ones(4), 21), rng.random((21, 4))
    for y, smoothing in itertools.product(some, (0.0, 0.3)):
        row_loss, dz = kernels.loss_rows(loss, z, y.astype(dtype), param=smoothing)
        want, want_dz = ref.loss_rows(loss, z, y.astype(dtype), param=smoothing)
        assert_close(row_loss, want, scale=10)
        assert_close(dz, want_dz, scale=2)


def test_binary_cross_entropy_has_the_published_value(dtype, isa):
    p = np.array([[0.3], [0.5], [0.7]])
    z = np.log(p / (1 - p)).astype(dtype)
    row_loss, _ = kernels.loss_rows("binary_cross_entropy", z, np.ones_like(z))
    assert_close(row_loss.astype(np.float64).mean(), 0.7512649762748712, dtype)


@pytest.mark.parametrize("name", ["absolute_error", "mae", "quantile", "huber"])
def test_loss_derivative_of_zero_residual_is_zero(name, dtype, isa):
    z = np.full((5, 2), 1.5, dtype)
    row_loss, dz = kernels.loss_rows(name, z, z.copy(), param=0.3)
    np.testing.assert_array_equal(row_loss, 0)
    np.testing.assert_array_equal(dz, 0)


# ---------------------------------------------------------------- dense products


def product_cases(dtype):
    sizes = [n for n in awkward_sizes(dtype) if n]
    yield from PRODUCT_SIZES
    yield from ((n, 5, 3) for n in sizes)
    yield from ((5, n, 3) for n in sizes)
    yield from ((3, 5, n) for n in sizes)
    yield from ((n, n, n) for n in sizes)


def test_dense_products_equal_the_oracle(dtype, isa, rng):
    for n, n_in, n_out in product_cases(dtype):
        x, w = draw(rng, dtype, n, n_in), draw(rng, dtype, n_in, n_out)
        b, dz = draw(rng, dtype, n_out), draw(rng, dtype, n, n_out)
        scale = np.abs(x) @ np.abs(w) + np.abs(b)
        assert_close(
            kernels.dense_forward(x, w, b), ref.dense_forward(x, w, b), scale=scale
        )
        assert_close(kernels.dense_forward(x, w), ref.dense_forward(x, w), scale=scale)
        dx = kernels.dense_input_gradient(dz, w)
        scale = np.abs(dz) @ np.abs(w).T
        assert_close(dx, ref.dense_input_gradient(dz, w), scale=scale)
        dw = kernels.dense_weight_gradient(x, dz)
        scale = np.abs(x).T @ np.abs(dz)
        assert_close(dw, ref.dense_weight_gradient(x, dz), scale=scale)


def test_dense_products_put_every_element_in_its_place(dtype, isa):
    for n, n_in, n_out in product_cases(dtype):
        x = prime_pattern(n, n_in, dtype=dtype)
        w = prime_pattern(n_in, n_out, dtype=dtype, period=19)
        b, dz = prime_pattern(n_out, dtype=dtype), prime_pattern(n, n_out, dtype=dtype)
        z = kernels.dense_forward(x, w, b)
        np.testing.assert_array_equal(z, ref.dense_forward(x, w, b))
        dx = kernels.dense_input_gradient(dz, w)
        np.testing.assert_array_equal(dx, ref.dense_input_gradient(dz, w))
        dw = kernels.dense_weight_gradient(x, dz)
        np.testing.assert_array_equal(dw, ref.dense_weight_gradient(x, dz))


def test_dense_products_of_nothing(dtype, isa):
    x, w = np.empty((0, 3), dtype), np.ones((3, 2), dtype)
    assert kernels.dense_forward(x, w).shape == (0, 2)
    assert kernels.dense_input_gradient(np.empty((0, 2), dtype), w).shape == (0, 3)
    dw = kernels.dense_weight_gradient(x, np.empty((0, 2), dtype))
    np.testing.assert_array_equal(dw, np.zeros((3, 2)))


@pytest.mark.parametrize(("n_in", "n_out"), ROWS_EQUAL_SIZES)
def test_row_does_not_depend_on_its_batch(n_in, n_out, dtype, isa, rng):
    x, w = draw(rng, dtype, 37, n_in), draw(rng, dtype, n_in, n_out)
    b, dz = draw(rng, dtype, n_out), draw(rng, dtype, 37, n_out)
    z, dx = kernels.dense_forward(x, w, b), kernels.dense_input_gradient(dz, w)
    for first, last in ((0, 1), (36, 37), (5, 12), (3, 36)):
        part = kernels.dense_forward(x[first:last], w, b)
        np.testing.assert_array_equal(part, z[first:last])
        part = kernels.dense_input_gradient(dz[first:last], w)
        np.testing.assert_array_equal(part, dx[first:last])


# ---------------------------------------------------------- random numbers, dropout


def test_oracle_philox_has_the_published_values():
    """Known-answer vectors of Random123, philox4x32 with ten rounds."""
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    known = [
        ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (pi, [0xA4093822, 0x299F31D0], "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ]
    for counter, key, want in known:
        got = ref.philox4x32(np.array(counter, np.uint64), key)
        assert " ".join(f"{word:08x}" for word in got) == want


def test_dropout_decides_by_the_published_philox_words(dtype, isa):
    """Seed, step, layer and row 0: unit j is kept iff the j-th word is below keep."""
    for unit, word in enumerate((0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)):
        for limit, kept in ((word, False), (word + 1, True)):
            mask = kernels.dropout_mask(1, 4, 1 - limit / 2**32, 0, 0, 0, dtype)
            assert (mask[0, unit] > 0) == kept


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.8])
@pytest.mark.parametrize(
    ("seed", "step", "layer"),
    [(0, 0, 0), (1, 2, 3), (2**64 - 1, 2**32 + 7, 65535), (2**33, 2**47, 1)],
)
def test_dropout_mask_equals_the_oracle(rate, seed, step, layer, dtype, isa):
    for n, units in ((1, 1), (3, 5), (17, 4), (33, 31), (64, 70)):
        got = kernels.dropout_mask(n, units, rate, seed, step, layer, dtype)
        want = ref.dropout_mask(n, units, rate, seed, step, layer)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got > 0, want > 0)
        assert_close(got, want)


def test_dropout_keeps_the_mean(dtype, isa):
    for rate in (0.1, 0.5, 0.9):
        mask = kernels.dropout_mask(1000, 1000, rate, 7, 0, 1, dtype).astype(float)
        deviation = np.sqrt(rate / (1 - rate) / mask.size)
        assert abs(mask.mean() - 1) < 5 * deviation
        assert np.abs(mask.mean(axis=0) - 1).max() < 6 * deviation * 1000**0.5


def test_random_numbers_are_pure_functions_of_their_index(dtype, isa):
    for draw_numbers in (kernels.random_uniform, kernels.random_normal):
        whole = draw_numbers(700, 5, stream=3, dtype=dtype)
        assert whole.dtype == dtype
        for first, n in ((0, 1), (1, 64), (63, 130), (500, 200), (699, 1)):
            part = draw_numbers(n, 5, stream=3, first=first, dtype=dtype)
            np.testing.assert_array_equal(part, whole[first : first + n])
        for other in ({"seed": 6, "stream": 3}, {"seed": 5, "stream": 4}):
            assert np.mean(draw_numbers(700, **other, dtype=dtype) == whole) < 0.01


def test_random_numbers_have_their_distribution(dtype, isa):
    n = 200_000
    u = kernels.random_uniform(n, 11, dtype=dtype).astype(np.float64)
    assert u.min() >= 0
    assert u.max() < 1
    counts = np.bincount((u * 100).astype(int), minlength=100)
    assert ((counts - n / 100) ** 2).sum() / (n / 100) < 162  # chi² of 99, p = 6e-5
    g = kernels.random_normal(n, 11, dtype=dtype).astype(np.float64)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(g**power) - moment) < 4.5 * np.sqrt(variance / n)
    for x in (u - u.mean(), g):
        assert abs(np.mean(x[1:] * x[:-1])) < 4.5 * np.mean(x * x) / np.sqrt(n)
    assert abs(np.mean(np.abs(g) > 3) - 0.0026998) < 4.5 * np.sqrt(0.0027 / n)


def test_permutation_is_a_pure_function_and_fair():
    for n in (0, 1, 2, 31, 1000):
        order = kernels.permutation(n, 3, 4)
        assert order.dtype == np.int64
        np.testing.assert_array_equal(np.sort(order), np.arange(n))
        np.testing.assert_array_equal(order, kernels.permutation(n, 3, 4))
    assert (kernels.permutation(1000, 3, 4) != kernels.permutation(1000, 3, 5)).any()
    assert (kernels.permutation(1000, 3, 4) != kernels.permutation(1000, 4, 4)).any()
    draws = [tuple(kernels.permutation(4, 9, epoch)) for epoch in range(24_000)]
    counts = np.array([draws.count(p) for p in itertools.permutations(range(4))])
    assert ((counts - 1000) ** 2).sum() / 1000 < 58  # chi² of 23, p = 8e-5


# ------------------------------------------------------------- penalties, updates


def test_prox_l1_moves_towards_zero_never_across_it(dtype, isa):
    w = np.array([-0.05, -0.001, 0, 0.001, 0.05], dtype)
    got = kernels.prox_l1(w, 0.01)
    assert_close(got, [-0.04, 0, 0, 0, 0.04], scale=0.05)
    np.testing.assert_array_equal(got[1:4], 0)


def test_prox_l1_equals_the_oracle(dtype, isa, rng):
    for n in awkward_sizes(dtype):
        w = draw(rng, dtype, n)
        for t in (0.0, 0.5, 1e30):
            assert_close(kernels.prox_l1(w, t), ref.prox_l1(w, t), scale=1 + np.abs(w))
        np.testing.assert_array_equal(kernels.prox_l1(w, 0.0), w)


def test_prox_l1_hides_nothing(dtype, isa):
    w = np.array([np.nan, np.inf, -np.inf], dtype)
    np.testing.assert_array_equal(kernels.prox_l1(w, 0.1), w)


def test_penalty_sums_equal_the_oracle(dtype, isa, rng):
    for n in [*awkward_sizes(dtype), 1000]:
        w = draw(rng, dtype, n) * (rng.random(n) < 0.7)
        got, want = kernels.penalty_sums(w.astype(dtype)), ref.penalty_sums(w)
        assert_close(got[:2], want[:2], np.float64)
        assert got[2] == want[2]


def test_max_norm_equals_the_oracle(dtype, isa, rng):
    for n_in, n_out in ((1, 1), (3, 5), (17, 33), (40, 70), (8, 200)):
        w = draw(rng, dtype, n_in, n_out)
        w[:, 0] = 0
        got = w.copy()
        binding.max_norm(got, 2.0)
        assert_close(got, ref.max_norm(w, 2.0), scale=1 + np.abs(w))


def update_step(optimizer, **members):
    """The members of rn_step for the step that the oracle's optimiser has begun."""
    same = "momentum beta1 beta2 epsilon weight_decay credit credit_decay".split()
    return {
        **rn_step(rn.SGD(1.0), optimizer.rate, first_step()),
        **{name: getattr(optimizer, name) for name in same},
        "kind": OPTIMIZERS.index(optimizer.kind),
        "correction1": 1 - optimizer.beta1**optimizer.t,
        "correction2": 1 - optimizer.beta2**optimizer.t,
        "response": optimizer.velocity,
        **members,
    }


def several(n_in):
    """Groups of one, of neighbours and of inputs far apart."""
    groups = [range(i, n_in, 3) for i in range(min(3, n_in))]
    return (
        [[0], list(groups[0])[1:], *map(list, groups[1:])]
        if n_in > 3
        else [[0, *range(1, n_in)]]
    )


def group_step(kind, w, v, strength, group, q=None):
    """(got, want): w after the group penalty of one step of the optimiser `kind`.

    With a ledger q by the cumulative rule, and q is replaced: ([w, q], [w, q]).
    """
    optimizer = ref.Optimizer(kind, 0.1, credit=30.0, credit_decay=0.9)
    optimizer.begin_step()
    rows = None
    if group == "several":
        group = several(len(w))
        rows = plan.group_rows(group)
    got, work = w.copy(), np.empty(kernels.steps.work_size(w.shape, rows), w.dtype)
    code = 1 if group == "units" else 2
    new_q = None if q is None else q.copy()
    step = update_step(optimizer)
    binding.prox_group(code, got, v, new_q, strength, step, work, rows)
    t = strength * optimizer.unit_response() / optimizer._metric(v.astype(np.float64))
    if q is None:
        return got, ref.prox_group(w, t, group)
    q = 0.9 * q.astype(np.float64)
    want = ref.pay_group_debt(w, q, t, optimizer.credit, group)
    return [got, new_q], want


EVERY_PAIR = pytest.mark.parametrize(
    ("kind", "group", "dtype", "isa"),
    all_pairs(
        kind=OPTIMIZERS,
        group=["units", "inputs", "several"],
        dtype=[np.dtype("float32"), np.dtype("float64")],
        isa=binding.available_isas(),
    ),
    indirect=["isa"],
)


@EVERY_PAIR
def test_cumulative_prox_group_equals_the_oracle(kind, group, dtype, isa, rng):
    for n_in, n_out in ((1, 1), (3, 5), (17, 16), (16, 33), (40, 70), (9, 48)):
        w, q = draw(rng, dtype, n_in, n_out), draw(rng, dtype, n_in, n_out)
        v = (10 ** rng.uniform(-2, 2, w.shape)).astype(dtype)
        for strength in (0.01, 0.1, 3.0):
            got, want = group_step(kind, w, v, strength, group, q)
            np.testing.assert_array_equal(got[0] == 0, want[0] == 0)
            assert_close(got[0], want[0], scale=1 + np.abs(w))
            assert_close(got[1], want[1], scale=np.abs(want[1]).max() + 30)


@EVERY_PAIR
def test_prox_group_equals_the_oracle(kind, group, dtype, isa, rng):
    for n_in, n_out in ((1, 1), (3, 5), (17, 16), (16, 33), (40, 70), (9, 48)):
        w = draw(rng, dtype, n_in, n_out)
        w[:, 0] = 0
        v = (10 ** rng.uniform(-6, 2, w.shape)).astype(dtype)
        for strength in (0.0, 0.1, 3.0, 100.0):
            got, want = group_step(kind, w, v, strength, group)
            np.testing.assert_array_equal(got == 0, want == 0)
            assert_close(got, want, scale=1 + np.abs(w))


@pytest.mark.parametrize("rule", ["cumulative", "proximal"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_groups_of_one_input_have_the_bits_of_inputs(kind, rule, dtype, isa, rng):
    w, q = draw(rng, dtype, 9, 37), draw(rng, dtype, 9, 37)
    v = (10 ** rng.uniform(-2, 2, w.shape)).astype(dtype)
    optimizer = ref.Optimizer(kind, 0.1, credit=30.0, credit_decay=0.9)
    optimizer.begin_step()
    step, results = update_step(optimizer), []
    for rows in (None, plan.group_rows([[k] for k in range(9)])):
        arrays = [w.copy(), v, q.copy() if rule == "cumulative" else None]
        work = np.empty(kernels.steps.work_size(w.shape, rows), dtype)
        binding.prox_group(2, *arrays, 0.1, step, work, rows)
        results.append([a.tobytes() for a in arrays if a is not None])
    assert results[0] == results[1]


@pytest.mark.parametrize("group", ["units", "inputs"])
def test_prox_group_hides_no_nan(group, dtype, isa, rng):
    for kind in ("sgd", "adam"):
        w = draw(rng, dtype, 5, 20)
        w[2, 3] = np.nan
        got, _ = group_step(kind, w, np.ones_like(w), 1e4, group)
        assert np.isnan(got[2, 3])
        assert (got[np.arange(5) != 2][:, np.arange(20) != 3] == 0).all()


def test_prox_group_of_the_public_kernels(rng):
    w = rng.normal(size=(6, 4))
    for group in ("units", "inputs"):
        got = kernels.prox_group(w, 1.5, group)
        np.testing.assert_allclose(got, ref.prox_group(w, 1.5, group), atol=1e-12)
    groups = [[0, 4], [5, 1, 2], [3]]
    got = kernels.prox_group(w, 0.7, groups)
    np.testing.assert_allclose(got, ref.prox_group(w, 0.7, groups), atol=1e-12)
    np.testing.assert_array_equal(kernels.prox_group(w, 0), w)


RULES = ["none", "cumulative", "proximal", "shrink_first", "subgradient"]


def update_with_kernel(optimizer, penalty, w, state, g):
    """The step `optimizer` has begun, taken by the C kernel; w and state in place."""
    rule = penalty.l1_rule if penalty.l1 else "none"
    step = update_step(
        optimizer,
        l1_rule=RULES.index(rule),
        sign_at_zero=penalty.sign_at_zero,
        non_negative=penalty.non_negative,
        l1=penalty.l1,
        l2=penalty.l2,
    )
    binding.update(w, *state, g, step)


PENALTIES = [
    ref.Penalty(),
    ref.Penalty(l2=0.05),
    *(ref.Penalty(l1=0.3, l1_rule=rule) for rule in RULES[1:]),
    ref.Penalty(l1=0.2, l2=0.05),
    ref.Penalty(l1=0.2, l1_rule="subgradient", sign_at_zero=1),
    ref.Penalty(l1=0.2, l1_rule="proximal", non_negative=True),
]


def penalty_name(penalty):
    extras = "sign1" * penalty.sign_at_zero + "nonneg" * penalty.non_negative
    return f"{penalty.l1_rule}-{penalty.l1}-{penalty.l2}-{extras}"


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_update_equals_the_oracle(kind, dtype, isa, rng):
    for penalty in PENALTIES:
        print(penalty_name(penalty))
        for n in [*(n for n in awkward_sizes(dtype) if n), 255, 256, 257]:
            optimizer = ref.Optimizer(
                kind,
                lambda step: 0.1 / (1 + step),
                weight_decay=0.1,
                credit_decay=0.9,
            )
            w = draw(rng, dtype, n) * (rng.random(n) < 0.8)
            got, want = w.astype(dtype), w.astype(np.float64)
            state = [np.zeros(n, dtype) for _ in "mvq"]
            for _ in range(5):
                g = draw(rng, dtype, n)
                optimizer.begin_step()
                want = optimizer.update(0, want, g, penalty)
                update_with_kernel(optimizer, penalty, got, state, g)
            assert_close(got, want, scale=1 + np.abs(want))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_update_hides_no_nan(kind, dtype, isa):
    """A NaN gradient must not end as a weight of zero: divergence has to be seen."""
    for penalty in PENALTIES:
        print(penalty_name(penalty))
        w, optimizer = np.ones(5, dtype), ref.Optimizer(kind, 0.1)
        optimizer.begin_step()
        g = np.array([0, np.nan, 0, 0, np.nan], dtype)
        update_with_kernel(
            optimizer, penalty, w, [np.zeros(5, dtype) for _ in "mvq"], g
        )
        np.testing.assert_array_equal(np.isnan(w), np.isnan(g))


@pytest.mark.parametrize("rule", ["cumulative", "proximal"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_update_leaves_exact_zeros(kind, rule, dtype, isa, rng):
    """A weight whose gradient stays below l1 is exactly zero; others are not."""
    w = draw(rng, dtype, 40, scale=0.01)
    state = [np.zeros(40, dtype) for _ in "mvq"]
    optimizer = ref.Optimizer(kind, 0.01)
    penalty = ref.Penalty(l1=1.0, l1_rule=rule)
    g = np.where(np.arange(40) < 30, 0.5, 1.5).astype(dtype)
    for _ in range(300):
        optimizer.begin_step()
        update_with_kernel(optimizer, penalty, w, state, g)
    np.testing.assert_array_equal(w == 0, np.arange(40) < 30)


# ------------------------------------------------------------------ the same bits


def bits_of_all_kernels(dtype, rng):
    """Results of every kernel on one set of odd-sized inputs."""
    x, w = draw(rng, dtype, 45, 67), draw(rng, dtype, 67, 53)
    b, dz = draw(rng, dtype, 53), draw(rng, dtype, 45, 53)
    z = kernels.dense_forward(x, w, b)
    yield from (z, kernels.dense_input_gradient(dz, w))
    yield kernels.dense_weight_gradient(x, dz)
    wide = draw(rng, dtype, 3001, scale=10)
    for name in FUNCTIONS:
        yield getattr(kernels, name)(np.abs(wide) if name.startswith("log") else wide)
    for name in ref.ACTIVATIONS:
        yield from kernels.activation_forward(name, wide, 0.3)
    a = kernels.softmax_forward(z)
    yield from (a, kernels.softmax_backward(dz, a))
    for name in ref.LOSSES:
        y = targets(name, rng, dtype, 45, 53)
        yield from kernels.loss_rows(name, z, y, b[:45], param=0.4)
    yield kernels.dropout_mask(45, 53, 0.3, 1, 2, 3, dtype)
    yield kernels.random_uniform(999, 1, dtype=dtype)
    yield kernels.random_normal(999, 1, dtype=dtype)
    yield np.array(kernels.penalty_sums(w))
    for kind, penalty in itertools.product(OPTIMIZERS, PENALTIES):
        optimizer = ref.Optimizer(kind, 0.1, weight_decay=0.1)
        moved = [wide.copy(), *(np.zeros_like(wide) for _ in "mvq")]
        for _ in range(3):
            optimizer.begin_step()
            g = draw(rng, dtype, wide.size)
            update_with_kernel(optimizer, penalty, moved[0], moved[1:], g)
        yield from moved
    v = np.abs(draw(rng, dtype, *w.shape)) + dtype.type(0.1)
    for group, kind in itertools.product(("units", "inputs", "several"), OPTIMIZERS):
        yield group_step(kind, w, v, 8.0, group)[0]
        yield from group_step(kind, w, v, 0.5, group, v)[0]
    binding.max_norm(w, 3.0)
    yield w


def test_variants_with_fused_multiply_add_agree_in_every_bit(dtype, each_fused_isa):
    def compute():
        return list(bits_of_all_kernels(dtype, np.random.default_rng(3)))

    results = each_fused_isa(compute)
    first = next(iter(results.values()), [])
    for name, other in results.items():
        for number, (a, b) in enumerate(zip(first, other, strict=True)):
            assert a.tobytes() == b.tobytes(), f"result {number} differs under {name}"


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "relu", "tanh"])
def test_activations_have_the_defaults_of_dense(name, dtype, rng):
    z = rng.standard_normal((5, 4)).astype(dtype)
    net = rn.Network([rn.Dense(4, 4, activation=name)], dtype=dtype)
    net.set_weights([np.eye(4), np.zeros(4)])
    a, _ = kernels.activation_forward(name, z)
    np.testing.assert_array_equal(a, net.predict(z))


def test_max_norm_is_named_as_in_dense(rng):
    w = rng.standard_normal((6, 3))
    norms = np.linalg.norm(kernels.max_norm(w, max_norm=0.5), axis=0)
    np.testing.assert_allclose(norms, 0.5)


def test_update_has_the_documented_state(rng):
    w, state = rng.standard_normal(5), {}
    kernels.update(w, w.copy(), rn.Adam(0.1), state, l1=0.1)
    assert sorted(state) == ["m", "q", "scalars", "v"]
    names = ["beta1", "beta2", "credit", "response", "step"]
    assert sorted(state["scalars"]) == names and state["scalars"]["step"] == 1
    text = kernels.update.__doc__
    assert all(f"``{name}``" in text for name in [*state, *names, "credit_decay"])


def test_an_update_alone_is_an_epoch_of_the_decay(rng):
    decay = rn.schedules.StepDecay(0.5, 0.5, 1)
    w, state = np.ones(3), {}
    for _ in range(2):  # without gradient: w (1 - .1 * .5) (1 - .1 * .25)
        kernels.update(w, np.zeros(3), rn.AdamW(0.1, weight_decay=decay), state)
    np.testing.assert_allclose(w, 0.95 * 0.975, rtol=1e-12)
