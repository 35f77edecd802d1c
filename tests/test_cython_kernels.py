"""The C interface for others: what the capsules hold, and a module built on it."""

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import regnet_c as rn
from regnet_c import kernels
from regnet_c._core import dispatch

ROOT = Path(__file__).parent.parent
HEADER = (ROOT / "csrc/rn.h").read_text().replace("\\\n", "\n")
LIST = re.findall(r"X\((\w+), (\w+),\s*\(([^)]*)\)\)", HEADER)
# networks, data sources, runs and predict's own sparse form are not for others; these
# two structs are
FOR_OTHERS = {
    name: " ".join(args.split())
    for _, name, args in LIST
    if not re.search(r"rn_(?!step\b|dropout\b)", args) and name[:7] != "sparse_"
}
C_TYPES = {"float32": ctypes.c_float, "float64": ctypes.c_double}


def signature(args, real):
    """What Cython calls the arguments: `const T *w` is `float const *`."""
    words = []
    for arg in args.split(", "):
        kind = re.sub(r"\w+$", "", arg).strip().removeprefix("const ")
        kind = kind.replace("T *", f"{real} *")
        kind = "double" if kind == "T" else kind  # no fused scalars
        if arg.startswith("const "):
            kind = kind.replace(" *", " const *", 1)
        words.append(kind)
    return f"void ({', '.join(words)})"


def capsule(name, dtype):
    code = 0 if np.dtype(dtype) == np.float32 else 1
    return dispatch.__pyx_capi__[f"__pyx_fuse_{code}{name}"]


def test_the_list_was_read():
    assert len(LIST) > 20
    assert {"exp", "update", "dropout_apply", "max_norm"} <= set(FOR_OTHERS)
    assert not {"train", "predict", "find_not_finite"} & set(FOR_OTHERS)


@pytest.mark.parametrize("name", sorted(FOR_OTHERS))
def test_every_kernel_on_arrays_is_exported_as_in_the_header(name, dtype):
    held = re.search(r'"(.*)"', repr(capsule(name, dtype))).group(1)
    real = "float" if dtype == np.float32 else "double"
    assert held == signature(FOR_OTHERS[name], real)


def constants(name):
    """The constants of a list of the header, with those of the lists in it."""
    body = re.search(rf"#define {name}\(X\)(.*?)\n\n", HEADER, re.S)[1]
    for inner in re.findall(r"(RN_\w+)\(X\)", body):
        body = body.replace(
            f"{inner}(X)", " ".join(f"X({c})" for c in constants(inner))
        )
    return re.findall(r"X\((RN_\w+)", body)


def test_the_enums_are_the_lists_of_the_header():
    text = (ROOT / "regnet_c/kernels/cython_kernels.pxd").read_text()
    found = re.findall(r"ctypedef enum (\w+):\n((?: +RN_\w+\n)+)", text)
    lists = re.findall(r"enum \{ (\w+)\(RN_CONSTANT\) \} (\w+);", HEADER)
    assert len(lists) == 4
    wanted = [(kind, constants(name)) for name, kind in lists]
    assert [(kind, members.split()) for kind, members in found] == wanted


def test_the_header_is_where_get_include_says():
    assert (Path(rn.get_include()) / "rn.h").read_text() == (
        ROOT / "csrc/rn.h"
    ).read_text()


# ---- calls through the capsules ------------------------------------------------------


class Dropout(ctypes.Structure):
    _fields_ = [
        ("seed", ctypes.c_uint64),
        ("step", ctypes.c_uint64),
        ("layer", ctypes.c_uint32),
        ("first_unit", ctypes.c_size_t),
        ("keep", ctypes.c_double),
    ]


def numbers_of(struct):
    """The members of a struct of rn.h that holds numbers alone."""
    text = re.search(r"typedef struct \{([^{}]*)\} " + struct, HEADER).group(1)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = re.findall(r"\b(int|double) ([^;]+);", text)
    return [
        (name, getattr(ctypes, f"c_{kind}"))
        for kind, names in found
        for name in names.split(", ")
    ]


class Step(ctypes.Structure):
    _fields_ = numbers_of("rn_step")


def call(name, dtype, *args):
    """Call a kernel as the text of its capsule says; arrays and None are pointers."""
    held = capsule(name, dtype)
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    kind = re.search(r'"(.*)"', repr(held)).group(1)
    known = {
        "size_t": ctypes.c_size_t,
        "int": ctypes.c_int,
        "double": ctypes.c_double,
        "uint64_t": ctypes.c_uint64,
        "uint32_t": ctypes.c_uint32,
    }
    kinds = [known.get(k, ctypes.c_void_p) for k in kind[6:-1].split(", ")]
    function = ctypes.CFUNCTYPE(None, *kinds)(pointer(held, kind.encode()))
    function(*(a.ctypes.data if isinstance(a, np.ndarray) else a for a in args))


address = ctypes.addressof


@pytest.fixture
def arrays(rng, dtype):
    """x (5, 7), w (7, 3), b (3), z (5, 3)."""
    shapes = {"x": (5, 7), "w": (7, 3), "b": (3,), "z": (5, 3)}
    return {name: rng.normal(size=s).astype(dtype) for name, s in shapes.items()}


@pytest.mark.parametrize(
    "name", ["exp", "expm1", "log", "log1p", "tanh", "atan", "erf"]
)
def test_elementwise_kernels_are_those_of_python(arrays, dtype, isa, name):
    x = np.abs(arrays["x"])
    y = np.empty_like(x)
    call(name, dtype, x.size, y, x)
    assert y.tobytes() == getattr(kernels, name)(x).tobytes()


def test_products_are_those_of_python(arrays, dtype, isa):
    x, w, b, z = arrays.values()
    got = np.empty_like(z)
    call("dense_forward", dtype, 5, 7, 3, got, x, w, b)
    assert got.tobytes() == kernels.dense_forward(x, w, b).tobytes()
    call("dense_forward", dtype, 5, 7, 3, got, x, w, None)
    assert got.tobytes() == kernels.dense_forward(x, w).tobytes()
    dx, dw, work = np.empty_like(x), np.empty_like(w), np.empty(16 * 3, dtype)
    call("dense_input_gradient", dtype, 5, 7, 3, dx, z, w, work)
    assert dx.tobytes() == kernels.dense_input_gradient(z, w).tobytes()
    call("dense_weight_gradient", dtype, 5, 7, 3, dw, x, z)
    assert dw.tobytes() == kernels.dense_weight_gradient(x, z).tobytes()


def test_panels_are_those_of_python(arrays, dtype, isa):
    z = arrays["z"]
    panel = np.ascontiguousarray(z.T)
    a, dz, slope = (np.empty_like(panel) for _ in range(3))
    call("softmax_forward", dtype, 3, 5, 5, a, panel)
    np.testing.assert_array_equal(a.T, kernels.softmax_forward(z))
    call("softmax_backward", dtype, 3, 5, 5, dz, panel, a)
    np.testing.assert_array_equal(dz.T, kernels.softmax_backward(z, a.T))
    elu = rn.activations.code("elu")
    call("activation_forward", dtype, elu, 15, a, slope, panel, 0.7)
    want_a, want_slope = kernels.activation_forward("elu", panel, 0.7)
    assert a.tobytes() == want_a.tobytes() and slope.tobytes() == want_slope.tobytes()
    label, scale = np.array([0, 2, 1, 1, 0]), np.arange(5).astype(dtype)
    rows = np.empty(5, dtype)
    call("loss_rows", dtype, 0, 3, 5, 5, rows, dz, panel, None, label, scale, 0.0)
    want, want_dz = kernels.loss_rows("softmax_cross_entropy", z, label, scale)
    assert rows.tobytes() == want.tobytes()
    np.testing.assert_array_equal(dz.T, want_dz)


def test_results_may_replace_arguments_as_the_contracts_say(arrays, dtype, isa):
    """y may be x, a may be z, dz may be da or z, slope may be NULL."""
    z = arrays["z"]
    panel = np.ascontiguousarray(z.T)
    for name in ("exp", "expm1", "tanh", "atan", "erf"):
        x = panel.copy()
        call(name, dtype, x.size, x, x)
        assert x.tobytes() == getattr(kernels, name)(panel).tobytes()
    a = panel.copy()
    call("activation_forward", dtype, rn.activations.code("elu"), 15, a, None, a, 0.7)
    want, _ = kernels.activation_forward("elu", panel, 0.7)
    assert a.tobytes() == want.tobytes()
    a, dz = panel.copy(), panel.copy()
    call("softmax_forward", dtype, 3, 5, 5, a, a)
    np.testing.assert_array_equal(a.T, kernels.softmax_forward(z))
    call("softmax_backward", dtype, 3, 5, 5, dz, dz, a)
    np.testing.assert_array_equal(dz.T, kernels.softmax_backward(z, a.T))
    y = kernels.softmax_forward(z)
    for code, name in enumerate(rn.losses.NAMES):
        rows, dz = np.empty(5, dtype), panel.copy()
        own = rn.Loss(name).param
        targets = np.ascontiguousarray(y.T)
        call("loss_rows", dtype, code, 3, 5, 5, rows, dz, dz, targets, None, None, own)
        want, want_dz = kernels.loss_rows(name, z, y)
        assert rows.tobytes() == want.tobytes()
        np.testing.assert_array_equal(dz.T, want_dz)


def test_the_contract_of_loss_rows_does_not_permit_what_it_writes_through():
    text = Path(dispatch.__file__).with_name("dispatch.pxd").read_text()
    before = text.split("\ncdef void loss_rows(")[0].split("\n\n")[-1]
    words = " ".join(before.replace("# ", "").split())
    assert "dz may be z, but not NULL; scale NULL means 1" in words


@pytest.mark.parametrize("kind", range(7))
def test_arrays_that_a_step_does_not_use_may_be_null(kind, arrays, dtype, isa):
    w, g = arrays["w"], arrays["w"][::-1].copy()
    step = Step(
        kind=kind, l1_rule=1, learning_rate=0.1, l1=0.2, momentum=0.9, beta1=0.9
    )
    step.beta2, step.epsilon, step.correction1, step.correction2 = 0.99, 1e-8, 0.1, 0.01
    step.response, step.credit, step.credit_decay = 0.1, 1, 1
    for rule in range(5):
        step.l1_rule = rule
        full, less = w.copy(), w.copy()
        zeros = lambda used: np.zeros_like(w) if used else None  # noqa: E731
        call("update", dtype, w.size, full, *map(zeros, (1, 1, 1)), g, address(step))
        used = kind in (1, 2, 5, 6), kind >= 3, rule == 1
        call("update", dtype, w.size, less, *map(zeros, used), g, address(step))
        assert full.tobytes() == less.tobytes() != w.tobytes()


def test_random_numbers_are_those_of_python(dtype, isa):
    u = np.empty(19, dtype)
    for name in ("random_uniform", "random_normal"):
        call(name, dtype, 19, u, 3, 1, 40)
        assert u.tobytes() == getattr(kernels, name)(19, 3, 1, 40, dtype).tobytes()
    mask = np.ones((6, 11), dtype)
    dropout = Dropout(seed=5, step=2, layer=1, first_unit=0, keep=0.75)
    call("dropout_apply", dtype, 6, 11, 11, mask, None, 0, ctypes.addressof(dropout))
    np.testing.assert_array_equal(
        mask.T, kernels.dropout_mask(11, 6, 0.25, 5, 2, 1, dtype)
    )


def test_penalties_are_those_of_python(arrays, dtype, isa):
    w = arrays["w"]
    got, sums = w.copy(), np.empty(3)
    call("prox_l1", dtype, w.size, got, 0.5)
    assert got.tobytes() == kernels.prox_l1(w, 0.5).tobytes()
    call("penalty_sums", dtype, w.size, sums, got)
    assert tuple(sums) == kernels.penalty_sums(got) and sums[2] > 0
    got = w.copy()
    call("max_norm", dtype, 7, 3, got, 1, 3, 0.8)
    assert got[:, 0].tobytes() == w[:, 0].tobytes()
    assert got[:, 1:].tobytes() == kernels.max_norm(w, 0.8)[:, 1:].tobytes()


def test_a_step_is_that_of_python(arrays, dtype, isa):
    w, g = arrays["w"], arrays["w"][::-1].copy()
    got, want, state = w.copy(), w.copy(), {}
    m, v, q = (np.zeros_like(w) for _ in range(3))
    optimizer = rn.SGD(0.1, momentum=0.9)
    for k in range(3):
        kernels.update(want, g, optimizer, state, l1=0.2, l2=0.1, l1_rule="proximal")
        step = Step(
            kind=1,
            l1_rule=2,
            learning_rate=0.1,
            l1=0.2,
            l2=0.1,
            momentum=0.9,
            response=sum(0.1 * 0.9**i for i in range(k + 1)),
            credit=k + 1,
        )
        call("update", dtype, w.size, got, m, v, q, g, ctypes.addressof(step))
    np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == np.float32 else 1e-14)
    assert np.any(got == 0)


# ---- a module of somebody else -------------------------------------------------------


@pytest.fixture(scope="module")
def lasso(tmp_path_factory):
    """examples/cython, built in a folder of its own against this regnet_c."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    if not any(map(shutil.which, ("cc", "gcc", "clang", "cl"))):
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("lasso")
    for source in ("lasso.pyx", "setup.py"):
        shutil.copy(ROOT / "examples/cython" / source, folder)
    package_folder = str(Path(rn.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": package_folder, "CFLAGS": "-O0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (built,) = [*folder.glob("lasso*.so"), *folder.glob("lasso*.pyd")]
    spec = importlib.util.spec_from_file_location("lasso", built)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def regression(rng, dtype):
    x = rng.normal(size=(200, 10))
    y = x[:, 0] * 2 - x[:, 1] + 0.1 * rng.normal(size=200)
    return x.astype(dtype), y.astype(dtype)


def test_a_cimporting_module_uses_the_variant_in_use(lasso, regression, dtype, isa):
    x, y = regression
    w = np.zeros((10, 1), dtype)
    rate = dtype.type(0.3 / 200)
    for _ in range(4):
        g = kernels.dense_weight_gradient(x, kernels.dense_forward(x, w) - y[:, None])
        w = kernels.prox_l1(w - rate * g, 0.3 * 0.1)
    got = lasso.fit(x, y, 0.1, 0.3, 4)
    assert got.dtype == dtype and got.tobytes() == w.tobytes()


def test_a_cimporting_module_solves_the_lasso(lasso, regression, dtype):
    x, y = regression
    w = lasso.fit(x, y, 0.1, 0.3, 300)[:, 0]
    gradient = x.T @ (x @ w - y) / 200
    assert np.count_nonzero(w) == 2
    np.testing.assert_allclose(gradient[w != 0], -0.1 * np.sign(w[w != 0]), rtol=1e-4)
    assert np.all(np.abs(gradient[w == 0]) < 0.1)
    with pytest.raises(ValueError, match="do not fit"):
        lasso.fit(x, y[1:], 0.1, 0.3, 1)
