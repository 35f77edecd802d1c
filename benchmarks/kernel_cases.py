"""What bench_kernels.py runs: one `Case` per kernel and size, with its NumPy answer.

The compiled functions are called on arrays that are there already, as training does,
so that neither allocation nor conversion is in the figures.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from regnet_c._core import binding
from regnet_c._core.plan import L1_RULES
from regnet_c.activations import code as code_of

# rows, inputs, outputs: one, small, odd, the shapes of the training workloads, large
SHAPES = (
    (1, 30, 64),
    (10, 784, 10),
    (10, 784, 100),
    (32, 104, 200),
    (37, 53, 29),
    (128, 256, 256),
    (3000, 2, 128),
    (128, 1024, 1024),
)
LENGTHS = (1, 33, 1000, 100_000)
KINDS = {"sgd": 0, "momentum": 1, "adam": 5}
STEP = {
    "sign_at_zero": 0,
    "non_negative": False,
    "learning_rate": 1e-3,
    "l1": 1e-3,
    "l2": 1e-3,
    "momentum": 0.9,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "weight_decay": 0.0,
    "correction1": 1 - 0.9,
    "correction2": 1 - 0.999,
    "response": 1e-3,
    "credit": 1.0,
    "credit_decay": 1.0,
}


@dataclass
class Case:
    """One kernel on one size: run() once, then results must equal the expected arrays."""

    kernel: str
    size: str
    run: Any
    results: list
    expected: list
    work: float  # operations or bytes of one run
    unit: str  # GFLOP/s or GB/s


def dense_cases(rng, dtype):
    """The three products of a layer."""
    for n, n_in, n_out in SHAPES:
        x = rng.standard_normal((n, n_in)).astype(dtype)
        w = rng.standard_normal((n_in, n_out)).astype(dtype)
        b = rng.standard_normal(n_out).astype(dtype)
        dz = rng.standard_normal((n, n_out)).astype(dtype)
        z, dx, dw = np.zeros_like(dz), np.zeros_like(x), np.zeros_like(w)
        work = np.empty(binding.lanes(dtype == "float32") * n_out * 8, dtype)
        x64, w64, dz64 = (a.astype(np.float64) for a in (x, w, dz))
        size, flops = f"{n}x{n_in}x{n_out}", 2 * n * n_in * n_out
        for kernel, args, out, expected in (
            ("dense_forward", (z, x, w, b), z, x64 @ w64 + b),
            ("dense_input_gradient", (dx, dz, w, work), dx, dz64 @ w64.T),
            ("dense_weight_gradient", (dw, x, dz), dw, x64.T @ dz64),
        ):
            run = _call(getattr(binding, kernel), *args)
            yield Case(kernel, size, run, [out], [expected], flops, "GFLOP/s")


def _call(function, *args):
    return lambda: function(*args)


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


_ANSWERS = {  # f and f', of float64
    "relu": lambda z: (np.maximum(z, 0), (z > 0).astype(float)),
    "sigmoid": lambda z: (_sigmoid(z), _sigmoid(z) * _sigmoid(-z)),
    "tanh": lambda z: (np.tanh(z), 1 / np.cosh(z) ** 2),
    "arctan": lambda z: (np.arctan(z), 1 / (1 + z * z)),
    "elu": lambda z: (np.where(z > 0, z, np.expm1(z)), np.exp(np.minimum(z, 0))),
    "softplus": lambda z: (np.logaddexp(z, 0), _sigmoid(z)),
    "silu": lambda z: (z * _sigmoid(z), _sigmoid(z) * (1 + z * _sigmoid(-z))),
}


def activation_cases(rng, dtype):
    """f(z) and f'(z); and exp alone."""
    for n in LENGTHS:
        z = rng.uniform(-4, 4, n).astype(dtype)
        z64, nbytes = z.astype(np.float64), 3 * z.nbytes
        for name, answer in _ANSWERS.items():
            a, slope = np.empty_like(z), np.empty_like(z)
            code = code_of(name)
            run = _call(binding.activation_forward, code, a, slope, z, 1.0)
            expected = list(answer(z64))
            yield Case(name, str(n), run, [a, slope], expected, nbytes, "GB/s")
        y = np.empty_like(z)
        run = _call(binding.elementwise, binding.FUNCTIONS["exp"], y, z)
        yield Case("exp", str(n), run, [y], [np.exp(z64)], 2 * z.nbytes, "GB/s")


def prox_cases(rng, dtype):
    """The soft threshold, in place."""
    for n in LENGTHS:
        w = rng.standard_normal(n).astype(dtype)
        t, w64 = 1e-3, w.astype(np.float64)
        expected = np.sign(w64) * np.maximum(np.abs(w64) - t, 0)
        run = _call(binding.prox_l1, w, t)
        yield Case("prox_l1", str(n), run, [w], [expected], 2 * w.nbytes, "GB/s")


def update_answer(w, g, kind, rule):
    """The first step from zero state, float64."""
    s = STEP
    d = g + 2 * s["l2"] * w
    if rule == "subgradient":
        d = d + s["l1"] * np.sign(w)
    metric = np.abs(d) + s["epsilon"] if kind == "adam" else 1.0
    w = w - s["learning_rate"] * d / metric
    if rule == "subgradient":
        return w
    limit = s["l1"] * s["response"] / metric  # cumulative: one step is owed
    return w - np.clip(w, -limit, limit)


def update_cases(rng, dtype):
    """Optimiser step and penalty over a flat array."""
    for n in LENGTHS:
        for kind, code in KINDS.items():
            for rule in ("proximal", "cumulative", "subgradient"):
                w = rng.standard_normal(n).astype(dtype)
                g = rng.standard_normal(n).astype(dtype)
                m, v, q = (np.zeros_like(w) for _ in range(3))
                step = {**STEP, "kind": code, "l1_rule": L1_RULES[rule]}
                used = 3 + 2 * (kind != "sgd") + 2 * (kind == "adam")
                used += 2 * (rule == "cumulative")
                yield Case(
                    f"{kind} {rule}",
                    str(n),
                    _call(binding.update, w, m, v, q, g, step),
                    [w],
                    [update_answer(w.astype(np.float64), g.astype(float), kind, rule)],
                    used * w.nbytes,
                    "GB/s",
                )


GROUPS = {
    "dense": dense_cases,
    "activation": activation_cases,
    "prox": prox_cases,
    "update": update_cases,
}
