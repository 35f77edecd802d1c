"""The checks themselves, at their limits and with their whole messages.

tools/mutate.py changes the checks one by one; what it found that no other test noticed is
here.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import regnet_c as rn
from regnet_c._core import checks
from regnet_c._core.csr import CSR, take_columns
from regnet_c._core.data import Data
from regnet_c._core.initialization import INITIALIZERS, fill_weights
from regnet_c._core.keywords import explains_keywords

F32, F64 = np.dtype("float32"), np.dtype("float64")
ALL = (2, None, 2)  # columns of a network that reads both
KEPT = (2, np.array([0, 3]), 5)  # of one that reads two of five


def csr_like(**changes):
    """2 rows of 3 columns with 3 entries, as any object with CSR's attributes."""
    parts = {
        "data": np.array([1.0, 2.0, 3.0]),
        "indices": np.array([0, 2, 1], np.int32),
        "indptr": np.array([0, 2, 3], np.int32),
        "shape": (2, 3),
    }
    return SimpleNamespace(**parts | changes)


TAKEN = {  # name: (result, what it must equal)
    "float at its minimum": lambda: (checks.check_float(0, "a", minimum=0), 0.0),
    "float at its maximum": lambda: (checks.check_float(1, "a", maximum=1), 1.0),
    "rate of zero": lambda: (checks.check_rate(0.0), 0.0),
    "int at its minimum": lambda: (checks.check_int(3, "a", 3, 3), 3),
    "one thread": lambda: (checks.check_threads(1), 1),
    "no threads": lambda: (checks.check_threads(None), None),
    "tau of one": lambda: (checks.check_tau(1), 1.0),
    "no tau": lambda: (checks.check_tau(None), None),
    "three validation arrays": lambda: (
        checks.check_validation_data([1, 2, 3]),
        (1, 2, 3),
    ),
    "a pair": lambda: (checks.check_pair([1, 2], "pair"), (1, 2)),
    "labels of both ends": lambda: (
        checks.check_labels(np.array([0, 2]), 3).tolist(),
        [0, 2],
    ),
    "whole floats": lambda: (
        checks.check_labels(np.array([0.0, 1.0]), 2).tolist(),
        [0, 1],
    ),
    "rates of zero": lambda: (
        checks.check_learning_rates([0.0, 1.0], 2).tolist(),
        [0, 1],
    ),
    "weights of zero": lambda: (checks.check_sample_weight([0, 1], 2).tolist(), [0, 1]),
    "modest weights": lambda: (
        checks.check_sample_weight([2.0**500, 2.0**-500], 2).tolist(),
        [2.0**500, 2.0**-500],
    ),
    "huge weights": lambda: (
        checks.check_sample_weight([2.0**600, 2.0**599], 2).tolist(),
        [0.5, 0.25],
    ),
    "tiny weights": lambda: (
        checks.check_sample_weight([2.0**-600, 0.0], 2).tolist(),
        [0.5, 0.0],
    ),
    "masks": lambda: (checks.check_masks([[[0, 1]]], [(1, 2)])[0].tolist(), [[0, 1]]),
    "kept columns": lambda: (
        checks.check_x(np.arange(5.0).reshape(1, 5), KEPT).tolist(),
        [[0, 3]],
    ),
    "only the columns that are read": lambda: (
        checks.check_x(np.ones((1, 2)), KEPT).tolist(),
        [[1, 1]],
    ),
    "one column of labels": lambda: (
        checks.check_targets(
            np.array([[1], [0]]), 2, 3, rn.Loss("softmax_cross_entropy")
        )[1].tolist(),
        [1, 0],
    ),
    "a row of targets": lambda: (
        checks.check_targets([1.0, 2.0], 2, 1, rn.Loss("mse"))[0].tolist(),
        [[1], [2]],
    ),
    "an integer of 1024 bits": lambda: (
        len(checks._shown(2**1023)) <= 200,
        True,
    ),
    "200 characters": lambda: (checks._shown("x" * 198), repr("x" * 198)),
    "201 characters": lambda: (checks._shown("x" * 199), "'" + "x" * 196 + "..."),
    "an article": lambda: (checks.a_type(1), "an int"),
    "another article": lambda: (checks.a_type([]), "a list"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken(name):
    result, wanted = TAKEN[name]()
    assert result == wanted
    assert type(result) is type(wanted)


def big(bits):
    return 1 << (bits - 1)


EXPECTED_PARTS = "expected as many data as indices, and 3 indptr"
REFUSED = {  # message: call
    "a is True, expected a number": lambda: checks.check_float(True, "a"),
    "a is too large for a float": lambda: checks.check_float(10**400, "a"),
    "a is nan, expected a finite number": lambda: checks.check_float(math.nan, "a"),
    "a is 0.0, expected a finite number and > 0 and <= 1": lambda: checks.check_float(
        0, "a", minimum=0, open_minimum=True, maximum=1
    ),
    "a is -1.0, expected a finite number and >= 0": lambda: checks.check_float(
        -1, "a", 0
    ),
    "rate is 1.0, expected a finite number and >= 0 and < 1": lambda: checks.check_rate(
        1
    ),
    "a is np.False_, expected an integer": lambda: checks.check_int(np.False_, "a"),
    "a is 2, expected at least 3": lambda: checks.check_int(2, "a", minimum=3),
    "a is 4, expected at most 3": lambda: checks.check_int(4, "a", maximum=3),
    "a is an integer of 1025 bits, expected at most 3": lambda: checks.check_int(
        big(1025), "a", maximum=3
    ),
    "a is 1, expected True or False": lambda: checks.check_bool(1, "a"),
    "unknown kind 'xyz', expected one of red, blue": lambda: checks.check_name(
        "xyz", ("red", "blue"), "kind"
    ),
    "unknown kind 'blux' (did you mean 'blue'?), expected one of red, blue, bluer": (
        lambda: checks.check_name("blux", ("red", "blue", "bluer"), "kind")
    ),
    "unknown kind 3, expected one of red": lambda: checks.check_name(
        3, ("red",), "kind"
    ),
    "dtype is None, expected 'float32' or 'float64'": lambda: checks.check_dtype(None),
    "dtype is '>f8', expected 'float32' or 'float64'": lambda: checks.check_dtype(
        ">f8"
    ),
    "layers is a dict, expected a list of layers": lambda: checks.check_layers({}),
    "layers is empty, expected at least one Dense layer": lambda: checks.check_layers(
        []
    ),
    "threads is 0, expected at least 1": lambda: checks.check_threads(0),
    "update_tau is 0.0, expected a finite number and > 0 and <= 1": (
        lambda: checks.check_tau(0)
    ),
    "validation_data must be a tuple (X, y) or (X, y, sample_weight)": (
        lambda: checks.check_validation_data((1,))
    ),
    "test must be a tuple (X, y)": lambda: checks.check_pair((1, 2, 3), "test"),
    "a is 'text', expected a list of arrays": lambda: checks.check_list("text", "a"),
    "a is a masked array with masked entries, fill or drop them first": (
        lambda: checks.as_array(np.ma.masked_equal([1, 2], 2), "a")
    ),
    "a is None, expected an array": lambda: checks.as_array(None, "a"),
    "a has dtype <U1, expected real numbers": lambda: checks.as_array(["x"], "a"),
    "a is an object array of NoneType, int, expected real numbers": (
        lambda: checks.as_array([1, None], "a")
    ),
    "a has an integer too large for a float": (
        lambda: checks.as_array([10**400, 1], "a")
    ),
    "X has 1 dimension(s), expected 2, use X.reshape(-1, 1) for one column": (
        lambda: checks.check_x(np.ones(3), ALL)
    ),
    "X has 3 dimension(s), expected 2": lambda: checks.check_x(np.ones((1, 1, 1)), ALL),
    "X has no rows, shape (0, 2)": lambda: checks.check_x(np.ones((0, 2)), ALL),
    "X has 3 columns, the network expects 2": lambda: checks.check_x(
        np.ones((1, 3)), ALL
    ),
    "X has 3 columns, the network expects 2 (or all 5)": (
        lambda: checks.check_x(np.ones((1, 3)), KEPT)
    ),
    f"X has {2**47 + 1} rows, more than memory can address": lambda: checks.check_x(
        np.broadcast_to(np.float32(1), (2**47 + 1, 2)), ALL
    ),
    "y has 1 rows, X has 2": lambda: checks.check_targets(3, 2, 1, rn.Loss("mse")),
    "y has 3 rows, X has 2": lambda: checks.check_targets(
        [1] * 3, 2, 1, rn.Loss("mse")
    ),
    "y has shape (2, 2), expected (2, 3)": lambda: checks.check_targets(
        np.ones((2, 2)), 2, 3, rn.Loss("mse")
    ),
    "label 0.5 in row 1 of y is not an integer": lambda: checks.check_labels(
        np.array([1, 0.5]), 2
    ),
    "labels go from 0 to 3, expected 0 to 2 for 3 outputs": lambda: checks.check_labels(
        np.array([0, 3]), 3
    ),
    "labels go from -1 to 0, expected 0 to 2 for 3 outputs": lambda: (
        checks.check_labels(np.array([0, -1]), 3)
    ),
    "sample_weight has shape (1,), expected (2,)": (
        lambda: checks.check_sample_weight([1], 2)
    ),
    "sample_weight has NaN or infinite entries": (
        lambda: checks.check_sample_weight([1, math.inf], 2)
    ),
    "sample_weight has negative entries (the smallest is -2.0)": (
        lambda: checks.check_sample_weight([-1, -2], 2)
    ),
    "sample_weight is zero everywhere, expected a positive sum": (
        lambda: checks.check_sample_weight([0, 0], 2)
    ),
    "got 1 weight arrays, expected 2": lambda: checks.check_weights([1], [(), ()], F64),
    "weights[1] has shape (), expected (2,)": (
        lambda: checks.check_weights([1, 1], [(), (2,)], F64)
    ),
    "weights[0] has entries that are not finite as float32": (
        lambda: checks.check_weights([[1e300]], [(1,)], F32)
    ),
    "the schedule returned shape (1,), expected (2,)": (
        lambda: checks.check_learning_rates([1], 2)
    ),
    "the schedule returned rates from -1.0 to 1.0, expected finite numbers >= 0": (
        lambda: checks.check_learning_rates([1, -1], 2)
    ),
    "got 0 dropout masks, expected 1: one per Dropout layer": (
        lambda: checks.check_masks([], [(1, 2)])
    ),
    "dropout_masks[0] has shape (1,), expected (1, 2)": (
        lambda: checks.check_masks([[1]], [(1, 2)])
    ),
    "dropout_masks[0] has entries other than 0 and 1": (
        lambda: checks.check_masks([[[0, 2]]], [(1, 2)])
    ),
    "X is sparse in the format 'coo', expected 'csr'": (
        lambda: checks.check_x(csr_like(format="coo"), (3, None, 3))
    ),
    "indices of X is an array of 1 dimension(s) of float64, expected one of integers": (
        lambda: checks.check_x(csr_like(indices=np.ones(3)), (3, None, 3))
    ),
    "X has 3 data, 2 indices and 3 indptr, " + EXPECTED_PARTS: (
        lambda: checks.check_x(csr_like(indices=np.zeros(2, int)), (3, None, 3))
    ),
    "X has 3 data, 3 indices and 2 indptr, " + EXPECTED_PARTS: (
        lambda: checks.check_x(csr_like(indptr=np.array([0, 3])), (3, None, 3))
    ),
    "X is no CSR: row 0 ends before it begins, or behind the data, or has an entry outside "
    "columns 0 to 2": (
        lambda: checks.check_x(csr_like(indices=np.array([0, 3, 1])), (3, None, 3))
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused_and_the_whole_message(message):
    with pytest.raises((TypeError, ValueError)) as caught:
        REFUSED[message]()
    assert str(caught.value) == message


def test_names_of_another_type_are_a_type_error():
    with pytest.raises(TypeError):
        checks.check_name(3, ("red",), "kind")
    with pytest.raises(ValueError, match="unknown kind 'x'"):
        checks.check_name("x", ("red",), "kind")


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint16])
def test_the_parts_of_a_csr_are_as_c_reads_them(kind):
    X = csr_like(indices=np.array([0, 2, 1], kind), indptr=np.array([0, 2, 3], kind))
    X.data = np.array([1, 2, 3], ">f4")
    X.data.setflags(write=False)
    matrix = checks.check_x(X, (3, None, 3))
    assert type(matrix) is CSR
    assert matrix.indices.dtype == (np.int32 if kind == np.int32 else np.int64)
    assert matrix.indptr.dtype == np.int64 and matrix.indptr is not X.indptr
    assert matrix.data.dtype == F32 and matrix.data.dtype.isnative
    assert matrix[np.arange(2)].tolist() == [[1, 0, 2], [0, 3, 0]]


def test_entries_in_another_order_are_sorted_and_added():
    X = csr_like(indices=np.array([2, 0, 1], np.int32))
    dense = checks.check_x(X, (3, None, 3))[np.arange(2)]
    assert dense.tolist() == [[2, 0, 1], [0, 3, 0]]


def data_set(**changes):
    x = changes.pop("x", np.arange(200.0).reshape(100, 2))
    y = changes.pop("y", np.arange(100.0).reshape(100, 1))
    weight = changes.pop("weight", None)
    return Data(x, y, None, weight, changes.pop("dtype", F64)).checksum()


def test_a_checksum_knows_inputs_targets_and_weights():
    x, y = np.arange(200.0).reshape(100, 2), np.arange(100.0).reshape(100, 1)
    last = x.copy()
    last[99, 1] += 1
    others = [
        data_set(x=last),
        data_set(y=-y),
        data_set(weight=np.ones(100)),
        data_set(weight=np.full(100, 2.0)),
        data_set(dtype=F32),
    ]
    assert len({data_set(), *others}) == 6
    assert data_set() == data_set(x=np.asfortranarray(x))
    assert len(data_set()) == 16 and set(data_set()) <= set("0123456789abcdef")


class Owner:
    @explains_keywords(old="use new=")
    def method(self, first, new=1, *, alone=2):
        numbers = (first, new, alone)
        return sum(numbers)


@pytest.mark.parametrize(
    ("keyword", "end"),
    [
        ("old", ": use new="),
        ("alon", " (did you mean 'alone'?)"),
        ("firs", " (did you mean 'first'?)"),
        ("xyz", ", expected some of first, new, alone"),
        ("numbers", ", expected some of first, new, alone"),
        ("self", ", expected some of first, new, alone"),
    ],
)
def test_an_unknown_keyword_is_explained(keyword, end):
    with pytest.raises(TypeError) as caught:
        Owner().method(1, **{keyword: 3})
    start = f"Owner.method() got an unexpected keyword argument {keyword!r}"
    assert str(caught.value) == start + end


def test_known_keywords_arrive():
    assert Owner().method(first=1, new=2, alone=3) == 6
    assert Owner().method(1) == 4


def test_the_longest_integer_that_is_shown_has_1024_bits():
    for value, shown in (
        (2**1023, str(2**1023)[:197] + "..."),
        (2**1024, "an integer of 1025 bits"),
    ):
        with pytest.raises(ValueError) as caught:
            checks.check_int(value, "n", minimum=0, maximum=9)
        assert str(caught.value) == f"n is {shown}, expected at most 9"


def test_the_type_of_indices_does_not_follow_indptr():
    far = 2**31 + 5
    X = csr_like(
        data=np.ones(1),
        indices=np.array([far]),
        indptr=np.array([0, 1], np.int32),
        shape=(1, far + 1),
    )
    assert checks.check_x(X, (far + 1, None, far + 1)).indices == [far]


@pytest.mark.parametrize(("count", "few"), [(3, True), (4, False)])
def test_few_entries_are_read_one_by_one(count, few):
    X = CSR(np.ones(count), np.arange(count), np.array([0, 0, count]), (2, 10))
    assert X.by_entry == few
    assert X.row_entries == (2 if few else None)


@pytest.mark.parametrize("bad", [None, 0, 2, 4])
def test_the_first_row_that_is_not_finite(bad):
    data = np.ones(5)
    indptr = np.array([2, 3, 3, 4, 5])  # of rows cut out of more; the second is empty
    if bad is not None:
        data[bad] = np.nan
    X = CSR(data, np.zeros(5, np.int32), indptr, (4, 1))
    assert X.first_not_finite() == {None: None, 0: None, 2: 0, 4: 3}[bad]


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_initial_weights_have_the_spread_of_their_name(name):
    n_in, n_out = 300, 100
    variance = {"he": 2 / n_in, "glorot": 2 / (n_in + n_out), "lecun": 1 / n_in}
    weight = np.empty((n_in, n_out))
    fill_weights(weight, name, 0, 0)
    kind, _, shape = name.partition("_")
    found = weight.ravel() / math.sqrt(variance[kind])
    assert abs(found.mean()) < 0.02 and abs(found.std() - 1) < 0.02
    assert (abs(found).max() <= math.sqrt(3)) == (shape == "uniform")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_begin_at_cache_lines_and_waste_less_than_one(dtype):
    net = rn.Network([rn.Dense(3, 5), rn.Dense(5, 2)], "mse", dtype)
    plan, line = net._plan, 64 // np.dtype(dtype).itemsize
    sizes = [math.prod(shape) for shape in plan.shapes]
    lengths = np.diff([*plan.offsets, plan.size])
    assert all(offset % line == 0 for offset in plan.offsets)
    assert all(0 <= length - n < line for length, n in zip(lengths, sizes, strict=True))
    assert plan.products == 3 * 5 + 5 * 2
    assert plan.matrices == [0, 2]


@pytest.mark.parametrize("scale", [None, np.array([2.0, 10.0])])
def test_columns_are_taken_and_scaled(scale):
    dense = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 4.0]])
    sparse = CSR(
        np.array([1.0, 2, 3, 4]), np.array([0, 2, 1, 2]), np.array([0, 2, 4]), (2, 3)
    )
    want = dense[:, [0, 2]] * (1 if scale is None else scale)
    for X in (dense, sparse):
        np.testing.assert_array_equal(take_columns(X, np.array([0, 2]), scale)[:], want)


def test_a_dropout_before_the_first_layer_drops_inputs():
    found = []
    for first in ([], [rn.Dropout(0.5)]):
        layers = [*first, rn.Dense(20, 3, "tanh"), rn.Dense(3, 1)]
        net = rn.Network(layers, "mse", "float64", seed=0)
        net.train_step(np.ones((8, 20)), np.ones(8), rn.SGD(1.0))
        found.append(net.get_weights()[0])
    assert not np.array_equal(*found)
