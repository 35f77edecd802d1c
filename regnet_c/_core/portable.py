"""Functions and products of arrays with the same bits on every machine.

NumPy takes them from other libraries where the CPU has AVX-512, and products from a BLAS
that has kernels for each CPU: they differ in the last place (numpy/numpy#23523).  Learning
rates and weights would follow.  The core's functions, sums and products do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from . import binding
from .plan import ACTIVATIONS
from .slices import slices

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..typing import AnyArray, Float64Array, FloatArray, OutputName

    A = TypeVar("A", bound=FloatArray)

# sin(pi/2 x) / x in powers of x^2, the last one first (Taylor): exact to rounding up to 1/2
_SINE = (
    6.0669357311061955e-12,
    -6.688035109811468e-10,
    5.692172921967927e-08,
    -3.598843235212085e-06,
    0.00016044118478735983,
    -0.004681754135318688,
    0.07969262624616705,
    -0.6459640975062463,
    1.5707963267948966,
)


def power(base: ArrayLike, exponent: ArrayLike) -> Float64Array:
    """base^exponent of positive numbers, rounded to some units in the last place."""
    logs: Float64Array = np.asarray(np.multiply(log(base), exponent), order="C")
    return by_core("exp", logs)


def log(x: ArrayLike) -> Float64Array:
    """The natural logarithm of positive numbers."""
    return by_core("log", np.array(x, np.float64, order="C"))


def by_core(function: str, x: A) -> A:
    """exp, log or log1p of an array in C order, in its place."""
    flat = x.reshape(-1)
    binding.elementwise(binding.FUNCTIONS[function], flat, flat)
    return x


def activation(name: str, z: FloatArray, param: float = 0.0) -> FloatArray:
    """f(z), element by element, by the kernel that predict uses."""
    a, slope = np.empty_like(z), np.empty_like(z)
    flat = a.reshape(-1), slope.reshape(-1), z.reshape(-1)
    binding.activation_forward(ACTIVATIONS[name], *flat, param)
    return a


def output_of(output: OutputName, z: FloatArray) -> FloatArray:
    """softmax, sigmoid or exp of raw outputs (n, n_out)."""
    if output == "softmax":
        a = np.empty(z.shape[::-1], z.dtype)
        binding.softmax_forward(a, np.ascontiguousarray(z.T))
        return np.ascontiguousarray(a.T)
    if output == "sigmoid":
        return activation("sigmoid", z)
    return by_core("exp", z.copy()) if output == "exp" else z


def half_cosine(x: Float64Array) -> Float64Array:
    """(1 + cos(pi x)) / 2 for x from 0 to 1: from 1 to 0."""
    is_second = x > 0.5
    x = np.where(is_second, 1 - x, x)
    square, sine = np.square(x), np.zeros_like(x)
    for coefficient in _SINE:
        sine = sine * square + coefficient
    sine = np.square(sine * x)
    return np.where(is_second, sine, 1 - sine)


def product(a: AnyArray, b: AnyArray) -> AnyArray:
    """a b, in slices between which Ctrl-C is seen."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    out = np.zeros((len(a), b.shape[1]), b.dtype)
    for first, last in slices(len(a), 1):
        if b.dtype == np.float64:
            binding.dense_forward(out[first:last], a[first:last], b, None)
        else:  # NumPy's own loop; the core knows no long doubles
            np.matmul(a[first:last], b, out=out[first:last])
    return out
