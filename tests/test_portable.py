"""Functions that NumPy computes differently on other machines have one result here."""

import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pytest

import regnet_c as rn
from regnet_c import schedules
from regnet_c._core import portable

PACKAGE = Path(rn.__file__).parent
# nothing that is trained or predicted depends on these: plots, write-ups, warnings,
# reports, logarithms that users ask for
FREE = {"plots.py", "reproduce", "diagnose.py", "losses.py", "classifier.py"}
FREE |= {"evaluate.py", "base.py"}
X = np.linspace(0, 1, 10_001)


def test_powers_and_logarithms_are_those_of_math():
    for base in (0.01, 0.5, 0.999, 1.0, 3.0):
        got = portable.power(base, 50 * X)
        want = np.array([math.pow(base, 50 * x) for x in X])
        allowed = 2.3e-16 * (2 + 50 * X * abs(math.log(base)))
        assert (np.abs(got / want - 1) <= allowed).all(), base
    assert (portable.power(1.0, X) == 1).all() and portable.power(0.3, 0.0) == 1
    assert np.abs(portable.log(X[1:]) - [math.log(x) for x in X[1:]]).max() < 1e-15
    assert portable.log(1.0) == 0 and portable.power([[4.0]], 0.5).shape == (1, 1)


def test_half_a_cosine():
    got = portable.half_cosine(X)
    assert got[0] == 1 and got[-1] == 0 and (np.diff(got) < 0).all()
    want = [(1 + math.cos(math.pi * x)) / 2 for x in X]
    assert np.abs(got - want).max() < 3e-16


def test_products(rng):
    a, b = rng.standard_normal((300, 40)), rng.standard_normal((40, 7))
    np.testing.assert_allclose(portable.product(a, b), a @ b, rtol=1e-12)
    long = portable.product(a[:2].astype(np.longdouble), b.astype(np.longdouble))
    assert long.dtype == np.longdouble


def test_waves_of_the_rate():
    """Twice as long each, from 0 to the highest rate and back (RealMLP)."""
    factor = schedules.CosineCycles(1.0, epochs=15, cycles=4).factor
    ends = np.array([0.0, 1, 3, 7, 15, 16])
    np.testing.assert_allclose(factor(ends), 0, atol=1e-15)
    tops = 2 ** (np.arange(4) + 0.5) - 1
    np.testing.assert_allclose(factor(tops), 1, atol=1e-15)
    t = np.array([0.4, 2.2, 6.0])
    want = [(1 - math.cos(2 * math.pi * math.log2(1 + e))) / 2 for e in t]
    np.testing.assert_allclose(factor(t), want, atol=1e-14)


def test_flat_then_half_a_cosine():
    factor = schedules.FlatCosine(1.0, epochs=8, final=0.2).factor
    got = factor(np.array([0.0, 2, 4, 5, 6, 7, 8, 9]))
    fall = [0.2 + 0.4 * (1 + math.cos(math.pi * x)) for x in (0.25, 0.5, 0.75)]
    np.testing.assert_allclose(got, [1, 1, 1, *fall, 0.2, 0.2], rtol=1e-15)


def test_rates_have_the_same_bits_on_every_machine():
    """Those of the machines this was written on, with fused multiply-add."""
    if not rn.cpu_info()["fused"]:
        pytest.skip("base has bits of its own")
    steps, digest = np.arange(2000), hashlib.sha256()
    for schedule in (
        schedules.ExponentialDecay(0.1, 0.93),
        schedules.StepDecay(0.1, 0.7, 3),
        schedules.LinearDecay(0.1, 9, 0.1),
        schedules.CosineDecay(0.1, 9),
        schedules.CosineCycles(0.1, 9),
        schedules.FlatCosine(0.1, 9, 0.1),
    ):
        digest.update(schedule(steps, 200).tobytes())
    assert digest.hexdigest()[:16] == "3237f165a0bd25da"


def test_nothing_else_takes_such_functions_from_numpy():
    names = "exp|expm1|exp2|log|log1p|log2|log10|power|float_power|sin|cos|tan|tanh"
    pattern = re.compile(rf"np\.({names}|arctan|geomspace|logspace|hypot|cbrt)\(")
    for path in PACKAGE.rglob("*.py"):
        if not FREE & set(path.relative_to(PACKAGE).parts):
            code = re.sub(r">>>.*", "", path.read_text())
            assert not pattern.findall(code), path
