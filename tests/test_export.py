"""Exported networks: compiled C, and ONNX, PyTorch and scikit-learn there and back."""

import csv
import ctypes
import importlib.util
import itertools
import os
import platform
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
from running import ulps

import regnet_c as rn
from regnet_c.activations import HIDDEN
from regnet_c.cli import main
from regnet_c.cli.export import read_calibration
from regnet_c.export import c_layer
from regnet_c.export.c import quantize
from regnet_c.export.plain import PlainLayer
from regnet_c.tables.form import TableForm

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
FLAGS = "-std=c99 -Wall -Wextra -Werror -pedantic -ffp-contract=off".split()
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler")


def make_net(sizes, activation="relu", loss="mse", density=1.0, seed=0, **options):
    """A network with random weights; `density` is that of the first layer."""
    rng = np.random.default_rng(seed)
    dense = {
        k: options.pop(k) for k in ("use_bias", "activation_param") if k in options
    }
    layers = [
        rn.Dense(n, m, activation=activation, **dense)
        for n, m in itertools.pairwise(sizes[:-1])
    ]
    dense.pop("activation_param", None)
    layers.append(rn.Dense(*sizes[-2:], **dense))
    net = rn.Network(layers, loss=loss, **options)
    weights = [rng.normal(0, 2 / np.sqrt(len(w)), w.shape) for w in net.get_weights()]
    weights[0] *= (rng.random(weights[0].shape) < density) / np.sqrt(density)
    net.set_weights(weights)
    return net


def compile_c(source, output, *options):
    run = subprocess.run(
        [CC, *FLAGS, *options, str(source), "-o", str(output), "-lm"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[:2000]
    return output


def predict_c(source, X, n_out, *options, prefix="net"):
    """(outputs, classes) of the compiled file for rows X, called one by one.

    Without fused multiply-add here, the file is compiled to do without as well.
    """
    if not rn.cpu_info()["fused"]:
        options = [*options, f"-D{prefix.upper()}_NO_FMA"]
    library = compile_c(
        source, source.with_suffix(".so"), "-shared", "-fPIC", "-O1", *options
    )
    function = ctypes.CDLL(str(library))[f"{prefix}_predict"]
    X = np.ascontiguousarray(X, np.float32)
    out = np.empty((len(X), n_out), np.float32)
    classes = [
        function(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
        for x, y in zip(X, out, strict=True)
    ]
    return out, classes


def run_self_test(source, *options):
    program = compile_c(source, source.with_suffix(".exe"), *options)
    return subprocess.run([str(program)], capture_output=True, text=True)


@needs_cc
@pytest.mark.parametrize("activation", HIDDEN)
def test_c_has_the_bits_of_predict(activation, tmp_path, rng):
    net = make_net([9, 17, 6, 5], activation, "softmax_cross_entropy")
    net.to_c(tmp_path / "net")
    X = rng.normal(0, 3, (400, 9)).astype(np.float32)
    X[0], X[1] = 0, 1e4
    want = net.predict(X)
    got, classes = predict_c(tmp_path / "net.c", X, 5)
    assert ulps(got, want) == 0
    assert classes == want.argmax(axis=1).tolist()


@needs_cc
@pytest.mark.parametrize(
    ("loss", "n_out", "last"),
    [
        ("binary_cross_entropy", 1, "identity"),
        ("binary_cross_entropy", 3, "identity"),
        ("poisson", 2, "identity"),
        ("mse", 1, "tanh"),
        ("mse", 3, "softmax"),
    ],
)
def test_c_outputs_and_classes(loss, n_out, last, tmp_path, rng):
    layers = [
        rn.Dense(4, 6, activation="relu"),
        rn.Dense(6, n_out, activation=last, use_bias=False),
    ]
    net = rn.Network(layers, loss=loss, seed=3)
    report = net.to_c(tmp_path / "m.c", prefix="my")
    assert report["files"] == [str(tmp_path / "m.c"), str(tmp_path / "m.h")]
    X = rng.normal(size=(50, 4)).astype(np.float32)
    want = net.predict(X)
    got, classes = predict_c(tmp_path / "m.c", X, n_out, prefix="my")
    assert ulps(got, want) <= 4
    expected = np.zeros(50, int)
    if loss == "binary_cross_entropy" and n_out == 1:
        expected = (want[:, 0] > 0.5).astype(int)
    elif n_out == 3:
        expected = want.argmax(axis=1)
    assert classes == expected.tolist()


@needs_cc
@pytest.mark.parametrize("activation", ["identity", "relu", "leaky_relu"])
def test_float64_networks_are_rounded_to_float32(activation, tmp_path, rng):
    net = make_net([5, 8, 2], activation, dtype="float64", use_bias=False)
    net.to_c(tmp_path / "net")
    single = make_net([5, 8, 2], activation, use_bias=False)
    X = rng.normal(size=(100, 5))
    got, _ = predict_c(tmp_path / "net.c", X, 2)
    assert ulps(got, single.predict(X.astype(np.float32))) <= 4
    np.testing.assert_allclose(got, net.predict(X), atol=1e-5)


@needs_cc
def test_c_parameters_of_activations(tmp_path, rng):
    X = rng.normal(size=(100, 5)).astype(np.float32)
    for activation, param in (("elu", 0.3), ("leaky_relu", 0.2)):
        net = make_net([5, 8, 2], activation, activation_param=param)
        net.to_c(tmp_path / activation)
        got, _ = predict_c(tmp_path / f"{activation}.c", X, 2)
        assert ulps(got, net.predict(X)) <= 4


# inputs and density of the first layer that make each form the smallest
SMALLEST = {
    "dense": (600, 1.0),
    "bitmap": (600, 0.6),
    "gaps4": (600, 0.1),
    "gaps8": (3000, 0.004),
    "sparse": (200, 0.03),
}


@needs_cc
@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("form", list(SMALLEST))
def test_c_takes_the_smallest_form_and_every_form_is_right(dtype, form, tmp_path, rng):
    n_in, density = SMALLEST[form]
    net = make_net([n_in, 21, 3], density=density, seed=1)
    report = net.to_c(tmp_path / "net", dtype)
    first = report["layers"][0]
    assert first["form"] == form
    X = rng.normal(size=(30, n_in)).astype(np.float32)
    want = net.predict(X)
    got, _ = predict_c(tmp_path / "net.c", X, 3)
    if dtype == "float32":
        assert ulps(got, want) <= 4
        assert first["weights"] == np.count_nonzero(net.get_weights()[0])
    else:
        assert np.abs(got - want).max() <= 0.03 * np.abs(want).max()
        assert np.abs(got - want).max() > 0


def test_all_forms_describe_the_same_weights(rng):
    w = np.zeros((2000, 4), np.float32)
    for column, at in enumerate(([0, 255, 256, 511, 1999], [], [1999], [0])):
        w[at, column] = rng.normal(size=len(at))
    dense = c_layer.dense_arrays(w)["w"].reshape(4, 2000)
    np.testing.assert_array_equal(dense, w.T)
    sparse = c_layer.sparse_arrays(w)
    assert sparse["at"].tolist() == [0, 255, 256, 511, 1999, 1999, 0]
    assert sparse["w"].tolist() == w.T[w.T != 0].tolist()
    assert sparse["count"].tolist() == [5, 0, 1, 1]
    gaps = c_layer.FORMS["gaps8"](w)
    far = [255] * 5 + [1488 - 5 * 255]
    assert gaps["at"].tolist() == [0, 255, 0, 1, 255, 0, *far, *[255] * 7, 214, 0]
    gaps = c_layer.FORMS["gaps4"](w)["at"]
    halves = np.stack([gaps & 15, gaps >> 4], axis=1).reshape(-1)
    ends = np.flatnonzero(halves < 15)
    steps = np.diff(np.cumsum(halves.astype(int))[ends], prepend=0)
    assert steps.tolist()[:7] == [0, 255, 1, 255, 1488, 1999, 0]
    arrays = c_layer.bitmap_arrays(w)
    bits = np.unpackbits(arrays["at"], bitorder="little").astype(bool)
    assert arrays["w"].tolist() == w.T.reshape(-1)[bits].tolist()
    assert bits.sum() == np.count_nonzero(w)
    assert c_layer.smallest_type(255) == np.uint8
    assert c_layer.smallest_type(256) == np.uint16
    assert c_layer.smallest_type(65536) == np.uint32


@needs_cc
def test_sizes_are_those_of_the_compiled_constants(tmp_path):
    """flash is what the object file has as read-only data, but for alignment."""
    net = make_net([300, 40, 20, 4], density=0.1, seed=2)
    report = net.to_c(tmp_path / "net")
    assert report["flash"] == sum(row["bytes"] for row in report["layers"])
    assert report["ram"] == 4 * (40 + 20)
    head = (tmp_path / "net.c").read_text().split("*/")[0]
    assert f"Flash: {report['flash']} bytes" in head
    assert f"RAM: {report['ram']} bytes of buffers" in head and "300 -> 40" in head
    size = shutil.which("size")
    if size is None:
        pytest.skip("no program to read object files")
    compile_c(tmp_path / "net.c", tmp_path / "net.o", "-c", "-Os")
    run = subprocess.run([size, "-A", tmp_path / "net.o"], capture_output=True)
    rows = [line.split() for line in run.stdout.decode().splitlines()]
    constants = sum(int(r[1]) for r in rows if r and r[0].startswith(".rodata"))
    assert report["flash"] <= constants <= report["flash"] + 400


@needs_cc
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_self_test_passes_and_notices_a_wrong_weight(dtype, tmp_path):
    net = make_net([6, 9, 3], "gelu", "softmax_cross_entropy")
    net.to_c(tmp_path / "net.c", dtype, prefix="digits")
    for options in ([], ["-DDIGITS_NO_FMA"]):
        run = run_self_test(tmp_path / "net.c", "-DDIGITS_SELF_TEST", *options)
        assert (run.returncode, run.stdout) == (0, "0 of 4 rows wrong\n")
    text = (tmp_path / "net.c").read_text()
    at = text.index("b[9] = {") + len("b[9] = {")
    (tmp_path / "net.c").write_text(f"{text[:at]}1.0f + {text[at:].lstrip()}")
    run = run_self_test(tmp_path / "net.c", "-DDIGITS_SELF_TEST")
    assert run.returncode == 4


@needs_cc
def test_int8_states_its_loss_on_the_calibration_data(tmp_path):
    from regnet_c.datasets import load_digits

    X, y = load_digits()
    X = (X / 16).astype(np.float32)
    net = rn.Network(
        [
            rn.Dense(64, 40, activation="relu", weight_penalty=rn.L1(3e-4)),
            rn.Dense(40, 10, weight_penalty=rn.L1(3e-4)),
        ],
        loss="softmax_cross_entropy",
    )
    net.fit(X[:1400], y[:1400], epochs=40, optimizer=rn.Adam(3e-3))
    small = net.compact()
    report = small.to_c(tmp_path / "net", "int8", calibration=(X[1400:], y[1400:]))
    original, exported = report["original"], report["exported"]
    assert original["accuracy"] == net.evaluate(X[1400:], y[1400:])["accuracy"] > 0.9
    assert abs(original["accuracy"] - exported["accuracy"]) <= 0.005
    got, classes = predict_c(tmp_path / "net.c", X[1400:, small.kept_inputs], 10)
    assert np.mean(classes == y[1400:]) == pytest.approx(exported["accuracy"], abs=1e-9)
    loss = -np.log(got[np.arange(len(got)), y[1400:]]).mean()
    assert loss == pytest.approx(exported["loss"], rel=1e-5)
    assert report["flash"] < 0.45 * small.to_c(tmp_path / "f")["flash"]
    text = (tmp_path / "net.c").read_text()
    assert f"exported: loss {exported['loss']:.6g}, accuracy" in text
    columns = ", ".join(map(str, small.kept_inputs))
    assert f"NET_KEPT_INPUTS {{{columns}}}" in (tmp_path / "net.h").read_text()


@needs_cc
def test_int8_layers_of_zeros_and_without_bias(tmp_path, rng):
    net = make_net([3, 4, 2], "sigmoid", use_bias=False)
    net.set_weights([np.zeros((3, 4)), net.get_weights()[1]])
    net.to_c(tmp_path / "net", "int8")
    got, _ = predict_c(tmp_path / "net.c", rng.normal(size=(3, 3)), 2)
    np.testing.assert_allclose(got, net.predict(np.zeros((3, 3))), atol=0.02)


@needs_cc
def test_denormal_weights_are_zero_as_in_predict(tmp_path):
    net = make_net([2, 1], use_bias=False)
    net.set_weights([[[1e-40], [1.0]]])
    assert net.to_c(tmp_path / "net")["layers"][0]["weights"] == 1
    assert "e-40" not in (tmp_path / "net.c").read_text()
    X = np.array([[1e35, 0], [1e35, 1]], np.float32)
    got, _ = predict_c(tmp_path / "net.c", X, 1)
    assert got.tobytes() == net.predict(X).tobytes()


@needs_cc
def test_two_networks_in_one_program(tmp_path):
    for prefix in ("one", "two"):
        make_net([3, 4, 2], "tanh").to_c(tmp_path / prefix, prefix=prefix)
    main = '#include "one.c"\n#include "two.c"\nint main(void) {\n'
    main += "    float x[3] = {1, 2, 3}, y[2];\n    one_predict(x, y);\n"
    main += "    return two_predict(x, y);\n}\n"
    (tmp_path / "main.c").write_text(main)
    program = compile_c(tmp_path / "main.c", tmp_path / "main.exe")
    assert subprocess.run([str(program)]).returncode == 0


def test_c_refuses_what_it_cannot_write(tmp_path):
    net = make_net([3, 4, 2])
    with pytest.raises(ValueError, match="unknown dtype 'int4'"):
        net.to_c(tmp_path / "net", dtype="int4")
    with pytest.raises(ValueError, match="prefix is '1x', expected a C identifier"):
        net.to_c(tmp_path / "net", prefix="1x")
    for name in ("nét", "a\tb", "a\x01b", 'a"b', "a\\b"):
        with pytest.raises(ValueError, match="expected a file name of printable ASCII"):
            net.to_c(f"{tmp_path}/{name}")
    for name in ("", ".", "..", "/"):
        with pytest.raises(ValueError, match="expected a file name"):
            net.to_c(name)
    big = make_net([3, 4, 2], dtype="float64")
    big.set_weights([w * 1e60 for w in big.get_weights()])
    with pytest.raises(ValueError, match="too large for float32"):
        big.to_c(tmp_path / "net")
    assert not list(tmp_path.iterdir())


@needs_cc
@pytest.mark.parametrize("prefix", ["model", "net_a", "NET", "c"])
def test_no_word_of_the_users_is_renamed(prefix, tmp_path, rng):
    """File names and columns may begin as our own names do."""
    net, X = make_net([3, 6, 2], "tanh"), rng.normal(size=(5, 3))
    out, _ = predict_c_of(net, tmp_path / "net_a_NET_b.c", X, prefix)
    np.testing.assert_array_equal(out, net.predict(X))


def predict_c_of(net, path, X, prefix):
    net.to_c(path, prefix=prefix)
    return predict_c(path, X, len(net.get_weights()[-1]), prefix=prefix)


@needs_cc
def test_a_column_called_net_income_keeps_its_name(tmp_path, rng):
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    rows = rng.normal(size=(60, 2))
    lines = ["net_income,NET_worth,price", *(f"{a},{b},{a - b}" for a, b in rows)]
    table.write_text("\n".join(lines))
    options = ["--hidden", "3", "--epochs", "2", "--quiet", "--encoding", "standard"]
    files = ["--data", str(table), "--output", str(model), "--target", "price"]
    assert main(["train", *files, *options]) == 0
    rn.Network.load(model).to_c(tmp_path / "out.c", prefix="house")
    header = (tmp_path / "out.h").read_text()
    assert "net_income" in header and "NET_worth" in header
    compile_c(tmp_path / "out.c", tmp_path / "out.so", "-shared", "-fPIC")


def compile_cplusplus(standard, folder):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    command = [compiler, f"-std={standard}", "-x", "c++", "-pedantic-errors"]
    command += ["-Wall", "-Wextra", "-Werror", "-Wno-long-long", "-fsyntax-only"]
    command += ["-DNET_SELF_TEST", "net.c"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]


def net_of_all_activations(loss="squared_error"):
    layers = [rn.Dense(5, 5, activation) for activation in HIDDEN]
    return rn.Network([*layers, rn.Dense(5, 3)], loss)


@needs_cc
@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("standard", ["c++98", "c++11", "c++17"])
def test_a_c_file_of_all_activations_is_also_cplusplus(standard, dtype, tmp_path):
    net_of_all_activations().to_c(tmp_path / "net.c", dtype=dtype)
    compile_cplusplus(standard, tmp_path)


@needs_cc
def test_files_of_two_exports_do_not_compile_together(tmp_path):
    """What a power cut between the two replacements leaves."""
    for name, seed in (("old", 1), ("new", 2)):
        (tmp_path / name).mkdir()
        layers = [rn.Dense(3, 4, activation="relu"), rn.Dense(4, 2)]
        rn.Network(layers, seed=seed).to_c(tmp_path / name / "net.c")
    for source, header in (("old", "new"), ("new", "old")):
        text = (tmp_path / source / "net.c").read_text()
        (tmp_path / "net.c").write_text(text)
        (tmp_path / "net.h").write_text((tmp_path / header / "net.h").read_text())
        command = [CC, *FLAGS, "-fsyntax-only", "net.c"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode != 0
        assert "net.c and net.h come from different exports" in done.stderr
        (tmp_path / "net.h").write_text((tmp_path / source / "net.h").read_text())
        compile_c(tmp_path / "net.c", tmp_path / "net.so", "-shared", "-fPIC")


class Cut(BaseException):
    """The end of everything."""


def cut_after(patch, steps):
    """Let the system calls of a replacement fail after so many of them."""
    calls = iter(range(steps))

    def limited(original):
        def call(*args, **kwargs):
            if next(calls, None) is None:
                raise Cut
            return original(*args, **kwargs)

        return call

    for name in ("open", "write", "fsync", "link", "replace", "close"):
        patch.setattr(os, name, limited(getattr(os, name)))


@needs_cc
def test_an_export_cut_short_anywhere_never_misleads(tmp_path, monkeypatch):
    """The old files, the new ones, or a pair that does not compile."""
    path = tmp_path / "net.c"
    layers = [rn.Dense(3, 4, activation="relu"), rn.Dense(4, 2)]
    old, new = (rn.Network(layers, seed=seed) for seed in (1, 2))

    def state():
        return path.read_bytes(), path.with_suffix(".h").read_bytes()

    new.to_c(path)
    new_files = state()
    seen, cut, done = set(), 0, False
    while not done:
        old.to_c(path)
        old_files = state()
        with monkeypatch.context() as patch:
            cut_after(patch, cut)
            try:
                new.to_c(path)
                done = True
            except Cut:
                cut += 1
        found = state()
        command = [CC, *FLAGS, "-fsyntax-only", str(path)]
        compiles = subprocess.run(command, capture_output=True).returncode == 0
        assert compiles == (found in (old_files, new_files))
        seen.add((found == old_files, found == new_files))
    assert seen == {(True, False), (False, True), (False, False)}


AVR = shutil.which("avr-gcc")


@pytest.mark.skipif(AVR is None, reason="no avr-gcc")
@pytest.mark.parametrize("activation", ["gelu", "isru", "tanh"])
def test_a_program_for_avr_has_its_constants_in_flash(activation, tmp_path):
    make_net([6, 12, 3], activation, "softmax_cross_entropy").to_c(tmp_path / "net")
    main = '#include "net.h"\nint main(void) {\n    float x[6] = {0}, y[3];\n'
    (tmp_path / "main.c").write_text(main + "    return net_predict(x, y);\n}\n")
    command = [AVR, "-std=gnu99", "-mmcu=atmega2560", "-Os", "-Wall", "-Wextra"]
    command += ["-Werror", "-DNET_CONST=const __flash", "net.c", "main.c", "-lm"]
    run = subprocess.run(
        [*command, "-o", "a.elf"], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[:2000]
    size = subprocess.run(
        ["avr-size", tmp_path / "a.elf"], capture_output=True, text=True
    )
    _, data, bss = map(int, size.stdout.splitlines()[1].split()[:3])
    assert data + bss <= 8


@needs_cc
def test_no_library_is_called_where_the_cpu_has_fused_multiply_add(tmp_path):
    if platform.machine() not in ("x86_64", "AMD64") or shutil.which("nm") is None:
        pytest.skip("needs x86-64 and nm")
    net_of_all_activations("softmax_cross_entropy").to_c(tmp_path / "net.c")
    options = ["-O2", "-mfma", "-ffreestanding", "-fno-math-errno", "-c"]
    compiled = compile_c(tmp_path / "net.c", tmp_path / "net.o", *options)
    listing = subprocess.run(["nm", "-u", compiled], capture_output=True, text=True)
    assert listing.returncode == 0 and listing.stdout.strip() == ""


@needs_cc
def test_constants_may_be_given_an_address_space(tmp_path, rng):
    net, X = make_net([3, 6, 2], "elu"), rng.normal(size=(5, 3))
    net.to_c(tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    assert "static const" not in text.split("#ifdef NET_SELF_TEST")[0]
    out, _ = predict_c(tmp_path / "net.c", X, 2, "-DNET_CONST=const volatile")
    np.testing.assert_array_equal(out, net.predict(X))


def test_quantised_weights_are_within_half_a_step(rng):
    w = rng.normal(size=(50, 7)).astype(np.float32)
    w[:, 3] = 0
    layer = quantize(PlainLayer(w, None, "identity", 0.0))
    assert layer.w.dtype == np.int8 and np.abs(layer.w[:, [0, 6]]).max() == 127
    error = np.abs(layer.w * layer.scale.astype(np.float64) - w)
    assert (error <= 0.500001 * layer.scale).all() and not layer.w[:, 3].any()


OUTPUTS = [
    ("softmax_cross_entropy", 3),
    ("binary_cross_entropy", 2),
    ("poisson", 1),
    ("mse", 2),
]


def tolerance(dtype):
    return {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-10}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", HIDDEN)
def test_onnx_models_predict_the_same(activation, dtype, tmp_path, rng):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    loss, n_out = OUTPUTS[HIDDEN.index(activation) % 4]
    net = make_net([6, 9, 5, n_out], activation, loss, dtype=dtype)
    net.to_onnx(tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [o.version for o in model.opset_import] == [17]
    X = rng.normal(0, 2, (40, 6)).astype(np.float32)
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    (got,) = session.run(None, {"x": X})
    assert got.dtype == np.float32
    assert session.get_outputs()[0].shape == ["rows", n_out]
    np.testing.assert_allclose(got, net.predict(X), **tolerance("float32"))


def network_of_members(loss, n_out, rng, dtype="float32"):
    """Every array is drawn, many shared weights are 0."""
    layers = [rn.Dense(13, 17, "tanh"), rn.Dense(17, 9, "relu", use_bias=False)]
    layers += [rn.Dropout(0.5), rn.Dense(9, n_out)]
    net = rn.Network(layers, loss, dtype, members=3)
    weights = [rng.normal(size=w.shape) for w in net.get_weights()]
    weights[0][rng.random((13, 17)) < 0.9] = 0
    net.set_weights(weights)
    return net


@needs_cc
@pytest.mark.parametrize(
    ("loss", "n_out", "form"),
    [(*OUTPUTS[0], form) for form in c_layer.FORMS]
    + [(*output, "dense") for output in OUTPUTS[1:]],
)
def test_members_in_c_have_the_bits_of_predict(
    loss, n_out, form, tmp_path, rng, monkeypatch
):
    for other in c_layer.FORMS.keys() - {form}:
        monkeypatch.delitem(c_layer.FORMS, other)
    net = network_of_members(loss, n_out, rng)
    report = net.to_c(tmp_path / "net")
    assert [row["form"] for row in report["layers"]] == [form, form, "dense"]
    X = rng.normal(size=(50, 13)).astype(np.float32)
    got, classes = predict_c(tmp_path / "net.c", X, n_out)
    want = net.predict(X)
    assert ulps(got, want) == 0
    if loss == "softmax_cross_entropy":
        assert classes == want.argmax(axis=1).tolist()
    if form == "dense":
        done = run_self_test(tmp_path / "net.c", "-DNET_SELF_TEST", "-lm")
        assert done.returncode == 0


def test_the_c_file_of_members_has_the_shared_weights_once(tmp_path):
    layers = [rn.Dense(50, 60, "relu"), rn.Dense(60, 1)]
    net = rn.Network(layers, members=8)
    one = net.member(0).to_c(tmp_path / "one")
    report = net.to_c(tmp_path / "net")
    assert one["flash"] == 4 * (50 * 60 + 60) and one["ram"] == 4 * 60
    own = 50 + 60 + 60  # r, s, the last layer
    assert report["flash"] == 4 * (50 * 60 + 8 * own) and report["ram"] == 4 * 61
    assert "mean of 8 members" in (tmp_path / "net.c").read_text()


@needs_cc
def test_members_in_int8_are_close(tmp_path, rng):
    net = network_of_members("softmax_cross_entropy", 3, rng)
    X, y = rng.normal(size=(200, 13)).astype(np.float32), rng.integers(0, 3, 200)
    report = net.to_c(tmp_path / "net", "int8", calibration=(X, y))
    assert report["exported"]["loss"] == pytest.approx(
        report["original"]["loss"], rel=0.05
    )
    got, _ = predict_c(tmp_path / "net.c", X, 3)
    np.testing.assert_allclose(got, net.predict(X), atol=0.1)
    program = run_self_test(tmp_path / "net.c", "-DNET_SELF_TEST", "-lm")
    assert program.returncode == 0, program.stdout


@pytest.mark.parametrize(("loss", "n_out"), OUTPUTS)
def test_members_in_onnx_predict_the_same(loss, n_out, tmp_path, rng):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    net = network_of_members(loss, n_out, rng, "float64")
    net.to_onnx(tmp_path / "m.onnx")
    X = rng.normal(size=(40, 13)).astype(np.float32)
    (got,) = runtime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": X})
    np.testing.assert_allclose(got, net.predict(X), **tolerance("float32"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "n_out"), OUTPUTS)
def test_members_in_torch_predict_the_same(loss, n_out, dtype, rng):
    torch = pytest.importorskip("torch")
    net = network_of_members(loss, n_out, rng, dtype)
    X = rng.normal(size=(40, 13)).astype(dtype)
    with torch.no_grad():
        got = net.to_torch()(torch.from_numpy(X)).numpy()
        raw = net.to_torch(raw=True)(torch.from_numpy(X))
    np.testing.assert_allclose(got, net.predict(X), **tolerance(dtype))
    assert raw.shape == (3, 40, n_out)


def test_onnx_models_say_which_columns_they_read(tmp_path, rng):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    net = make_net([6, 9, 2], "tanh", use_bias=False)
    W = net.get_weights()
    W[0][[1, 4]] = 0
    net.set_weights(W)
    net.compact().to_onnx(tmp_path / "m.onnx")
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata == {"loss": "mse", "kept_inputs": "0,2,3,5"}
    X = rng.normal(size=(10, 6)).astype(np.float32)
    (got,) = session.run(None, {"x": X[:, [0, 2, 3, 5]]})
    np.testing.assert_allclose(got, net.predict(X), **tolerance("float32"))


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("onnx", lambda net: net.to_onnx("never.onnx")),
        ("torch", lambda net: net.to_torch()),
    ],
)
def test_missing_packages_are_named(module, call, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImportError, match=f"^to_{module} needs .*: pip install [^\n]*$"
    ):
        call(make_net([2, 3, 1]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", HIDDEN)
def test_torch_there_and_back(activation, dtype, rng):
    torch = pytest.importorskip("torch")
    loss, n_out = OUTPUTS[HIDDEN.index(activation) % 4]
    bias = activation != "elu"
    net = make_net([6, 9, 5, n_out], activation, loss, dtype=dtype, use_bias=bias)
    X = rng.normal(0, 20, (40, 6)).astype(dtype)
    want = net.predict(X)
    module = net.to_torch()
    with torch.no_grad():
        got = module(torch.from_numpy(X)).numpy()
    assert got.dtype == dtype and not module.training
    np.testing.assert_allclose(got, want, **tolerance(dtype))
    back = rn.Network.from_torch(module.state_dict(), activation, loss)
    assert back.predict(X).tobytes() == want.tobytes()
    assert back.dtype == dtype and back.layers == net.layers


def test_torch_gets_dropout_and_raw_outputs(rng):
    torch = pytest.importorskip("torch")
    first = rn.Dropout(rn.schedules.LinearDecay(0.1, 5))  # its initial rate
    layers = [first, rn.Dense(4, 5, activation="relu"), rn.Dropout(0.5)]
    layers.append(rn.Dense(5, 3))
    net = rn.Network(layers, loss="softmax_cross_entropy")
    module = net.to_torch(raw=True)
    kinds = [type(m).__name__ for m in module]
    assert kinds == ["Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    assert [module[0].p, module[3].p] == [0.1, 0.5]
    X = rng.normal(size=(20, 4)).astype(np.float32)
    y = rng.integers(3, size=20)
    got = torch.nn.functional.cross_entropy(
        module(torch.from_numpy(X)), torch.from_numpy(y)
    )
    assert got.item() == pytest.approx(net.evaluate(X, y)["loss"], rel=1e-5)
    net.set_weights([w * 0 for w in net.get_weights()])
    assert module[1].weight.abs().max() > 0  # a copy


def test_from_torch_takes_lists_and_plain_arrays(rng):
    state = {
        "a.weight": rng.normal(size=(4, 3)).astype(np.float32),
        "a.bias": rng.normal(size=4).astype(np.float32),
        "b.weight": rng.normal(size=(2, 4)).astype(np.float32),
    }
    X = rng.normal(size=(5, 3)).astype(np.float32)
    hidden = np.tanh(X @ state["a.weight"].T + state["a.bias"])
    want = np.exp(hidden @ state["b.weight"].T)
    for names in (["tanh"], ["tanh", "identity"]):
        net = rn.Network.from_torch(state, names, loss="poisson")
        assert net.dtype == np.float32 and not net.layers[1].use_bias
        np.testing.assert_allclose(net.predict(X), want, rtol=1e-5)
    net = rn.Network.from_torch(state, "tanh", loss="poisson", dtype="float64")
    np.testing.assert_allclose(net.predict(X), want, rtol=1e-5)
    assert net.dtype == np.float64


@pytest.mark.parametrize(
    ("state", "activations", "message"),
    [
        ({}, "relu", "state_dict is empty"),
        ([], "relu", "state_dict is a list, expected module.state_dict"),
        ({"c.weight": np.ones((1, 2, 3))}, "relu", r"c.weight has shape \(1, 2, 3\)"),
        ({"n.running_mean": np.ones(3)}, "relu", "n.running_mean has shape"),
        ({"weight": np.ones((2, 3))}, ["relu"] * 4, "got 4 activations for 1 Linear"),
        ({"weight": np.ones((2, 3))}, ["cubic"], "unknown activation 'cubic'"),
    ],
)
def test_from_torch_refuses_other_modules(state, activations, message):
    with pytest.raises((TypeError, ValueError), match=message):
        rn.Network.from_torch(state, activations)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_from_sklearn_predicts_the_same(activation, dtype, rng):
    neural = pytest.importorskip("sklearn.neural_network")
    options = {"activation": activation, "hidden_layer_sizes": (7, 4), "max_iter": 5}
    X = rng.normal(size=(80, 5)).astype(dtype)
    three = np.array(["a", "b", "c"])[rng.integers(3, size=80)]
    many = rng.integers(2, size=(80, 3))
    for y in (three, three == "a", many):
        mlp = neural.MLPClassifier(**options).fit(X, y)
        net = rn.Network.from_sklearn(mlp)
        want = mlp.predict_proba(X)
        want = want[:, 1:] if y.dtype == bool else want
        assert net.dtype == dtype and net.metadata["classes"] == mlp.classes_.tolist()
        np.testing.assert_allclose(net.predict(X), want, **tolerance(dtype))
    for y in (X[:, 0], X[:, :2]):
        mlp = neural.MLPRegressor(**options).fit(X, y)
        want = mlp.predict(X).reshape(80, -1)
        got = rn.Network.from_sklearn(mlp).predict(X)
        np.testing.assert_allclose(got, want, **tolerance(dtype))


def test_from_sklearn_wants_a_fitted_mlp():
    linear = pytest.importorskip("sklearn.linear_model")
    neural = pytest.importorskip("sklearn.neural_network")
    for estimator in (linear.Lasso(), neural.MLPClassifier()):
        name = type(estimator).__name__
        with pytest.raises(TypeError, match=f"{name} has no coefs_, expected a fitted"):
            rn.Network.from_sklearn(estimator)


def test_parameters_of_activations_reach_onnx_and_torch(tmp_path, rng):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    X = rng.normal(size=(30, 4)).astype(np.float32)
    for activation in ("elu", "leaky_relu"):
        net = make_net([4, 6, 2], activation, activation_param=0.3)
        net.to_onnx(tmp_path / "m.onnx")
        (got,) = runtime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": X})
        np.testing.assert_allclose(got, net.predict(X), **tolerance("float32"))
        with torch.no_grad():
            got = net.to_torch()(torch.from_numpy(X)).numpy()
        np.testing.assert_allclose(got, net.predict(X), **tolerance("float32"))


def write_table(path, rng, n=80):
    """Columns size and *colour?/ (a name that would end a comment), target price."""
    rows = [
        (size, colour, 3 * size + 5 * (colour == 'r"ed'))
        for size, colour in zip(
            rng.uniform(1, 9, n), rng.choice(['r"ed', "blue"], n), strict=True
        )
    ]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("size", "*/ c\u00f6lour??/", "price"), *rows])
    return path


@needs_cc
def test_export_command_writes_c_with_a_legend(tmp_path, rng, capsys):
    table, model = write_table(tmp_path / "t.csv", rng), tmp_path / "m.safetensors"
    options = "--target price --hidden 8 --l1 1e-4 --epochs 400 --quiet --dropout 0"
    options += " --encoding standard"
    assert (
        main(["train", "--data", str(table), "--output", str(model), *options.split()])
        == 0
    )
    capsys.readouterr()
    argv = ["export", model, tmp_path / "out.c", "--dtype", "int8", "--compact"]
    argv += ["--prefix", "price", "--calibration", table]
    assert main([str(a) for a in argv]) == 0
    printed = capsys.readouterr().out
    for word in (
        "flash",
        "ram",
        "layer 1: ",
        "original",
        "exported",
        "out.h",
        "2 of 2",
    ):
        assert word in printed
    header = (tmp_path / "out.h").read_text()
    net = rn.Network.load(model)
    size = TableForm.of(net).encoding.columns[0]
    assert f"x[0] = (size - {size.fill:.9g}) / " in header
    assert 'is \\"blue\\"' not in header and 'is "blue", else 0' in header
    assert "price = y * " in header
    X, y = read_calibration(net, model, table)
    loss = net.compact().evaluate(X, y)["loss"]
    assert 0 < loss < 0.1 and f"original             loss {loss:.6g}\n" in printed
    X = np.array([[0.5, 1], [-0.5, -1]])
    got, _ = predict_c(tmp_path / "out.c", X, 1, prefix="price")
    np.testing.assert_allclose(got, net.predict(X), atol=0.05)
    assert run_self_test(tmp_path / "out.c", "-DPRICE_SELF_TEST").returncode == 0


def test_export_never_writes_over_what_it_reads(tmp_path, capsys):
    model = tmp_path / "model.c"  # any name will do
    make_net([3, 4, 2]).save(model)
    before = model.read_bytes()
    assert main(["export", str(model), str(model)]) != 0
    assert "is a file to be read, expected another" in capsys.readouterr().err
    assert model.read_bytes() == before


def test_export_command_writes_onnx_and_one_line_errors(tmp_path, capsys, monkeypatch):
    net, model = make_net([3, 4, 2]), tmp_path / "m.safetensors"
    weights = net.get_weights()
    weights[0][1] = 0
    net.set_weights(weights)
    net.save(model)
    np.savez(tmp_path / "c.npz", X=np.ones((5, 3)), y=np.ones((5, 2)))
    argv = ["export", str(model)]
    calibration = ["--calibration", str(tmp_path / "c.npz")]
    assert main([*argv, str(tmp_path / "m.c"), *calibration]) == 0
    assert "inputs               3 of 3" in capsys.readouterr().out
    assert main([*argv, str(tmp_path / "m.c"), "--compact"]) == 0
    assert "inputs               2 of 3" in capsys.readouterr().out
    if importlib.util.find_spec("onnx"):
        assert main([*argv, str(tmp_path / "m.onnx")]) == 0
        assert (tmp_path / "m.onnx").stat().st_size > 100
    monkeypatch.setitem(sys.modules, "onnx", None)
    for output, options, message in (
        ("m.txt", [], "m.txt ends in '.txt', expected .c or .onnx"),
        ("m.onnx", ["--dtype", "int8"], "are for C files"),
        ("m.onnx", [], "to_onnx needs the package onnx: pip install"),
        ("m.c", ["--prefix", "a-b"], "prefix is 'a-b', expected a C identifier"),
    ):
        capsys.readouterr()
        assert main([*argv, str(tmp_path / output), *options]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


# ---- extremes ------------------------------------------------------------------------


def test_isru_of_huge_numbers_is_one_in_onnx_and_torch(tmp_path):
    net = rn.Network([rn.Dense(1, 1, activation="isru"), rn.Dense(1, 1)])
    net.set_weights([[[1.0]], [0.0], [[1.0]], [0.0]])
    X = np.array([[1e38], [-3e38], [2e19], [1.0]], np.float32)
    want = net.predict(X)
    np.testing.assert_allclose(want[:, 0], [1, -1, 1, 0.5**0.5], rtol=1e-6)
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        got = net.to_torch()(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-6)
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    net.to_onnx(tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    np.testing.assert_allclose(session.run(None, {"x": X})[0], want, rtol=1e-6)


def test_more_than_onnx_holds_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    from regnet_c.export import onnx

    net = make_net([30, 4, 2])
    net.to_onnx(tmp_path / "small.onnx")
    monkeypatch.setattr(onnx, "_MOST_BYTES", 400)
    with pytest.raises(ValueError, match="take 536 bytes, an ONNX file holds at most"):
        net.to_onnx(tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_from_torch_says_what_it_cannot_read():
    torch = pytest.importorskip("torch")
    weight = torch.ones(2, 3)
    with pytest.raises(TypeError, match="a.weight is torch.complex64, expected real"):
        rn.Network.from_torch({"a.weight": weight + 1j})
    with pytest.raises(ValueError, match="a.weight is on the meta device"):
        rn.Network.from_torch({"a.weight": weight.to("meta")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)
    with pytest.raises(TypeError, match="a.weight is quantized .torch.qint8."):
        rn.Network.from_torch({"a.weight": quantized})
