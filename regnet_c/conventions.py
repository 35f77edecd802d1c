"""Strengths of other write-ups and libraries, converted exactly.

They put a 1/2, a 1/n or a 1/m before the penalty; the library's objective has none.
"""

from ._core import checks

# name -> (l1, l2, sign(0)); l1 and l2 as functions of the strength s, n (training rows),
# m (batch size) and rho (l1_ratio); None: the source has no such term.
CONVENTIONS = {
    "r1": (lambda s, n, m, rho: s / n, lambda s, n, m, rho: s / (2 * n), 0),
    "r2": (lambda s, n, m, rho: s, lambda s, n, m, rho: s, 1),
    "keras": (lambda s, n, m, rho: s, lambda s, n, m, rho: s, 0),
    "r3": (lambda s, n, m, rho: s, lambda s, n, m, rho: s, 1),
    "r4": (None, lambda s, n, m, rho: s / (2 * m), 0),
    "sklearn": (None, lambda s, n, m, rho: s / (2 * m), 0),
    "pytorch": (None, lambda s, n, m, rho: s / 2, 0),
    "glmnet": (lambda s, n, m, rho: s * rho, lambda s, n, m, rho: s * (1 - rho) / 2, 0),
    "skglm": (lambda s, n, m, rho: s * rho, lambda s, n, m, rho: s * (1 - rho) / 2, 0),
}
_NEEDS = {"r1": "n", "r4": "batch_size", "sklearn": "batch_size"}


def convert(convention, strength, n=None, batch_size=None, l1_ratio=None):
    """(l1, l2, sign_at_zero) of a foreign strength; l1 or l2 is None if it has no such.

    Parameters
    ----------
    convention : str
        ``r1`` lam/(2n) sum w^2 or lam/n sum|w|; ``r2``, ``r3``, ``keras`` lam sum w^2 or
        lam sum|w|; ``r4``, ``sklearn`` lam/(2m) sum w^2 with m the batch size;
        ``pytorch`` weight_decay; ``glmnet``, ``skglm`` alpha (rho sum|w| +
        (1-rho)/2 sum w^2) beside a data term of 1/(2n).
    strength : float
    n, batch_size : int
        Where the convention divides by them.
    l1_ratio : float
        rho, for glmnet and skglm.

    Returns
    -------
    l1, l2 : float or None
    sign_at_zero : {0, 1}

    Raises
    ------
    ValueError
        If the convention is unknown or needs n, batch_size or l1_ratio.
    """
    checks.check_name(convention, tuple(CONVENTIONS), "convention")
    strength = checks.check_float(strength, "strength", minimum=0)
    given = {"n": n, "batch_size": batch_size}
    needed = _NEEDS.get(convention)
    if needed:
        if given[needed] is None:
            raise ValueError(f"the convention {convention!r} needs {needed}=")
        checks.check_int(given[needed], needed, 1, 2**62)
    if l1_ratio is not None:
        l1_ratio = checks.check_float(l1_ratio, "l1_ratio", minimum=0, maximum=1)
    elif convention in ("glmnet", "skglm"):
        raise ValueError(f"the convention {convention!r} needs l1_ratio=")
    l1, l2, at_zero = CONVENTIONS[convention]
    return (
        None if l1 is None else l1(strength, n, batch_size, l1_ratio),
        None if l2 is None else l2(strength, n, batch_size, l1_ratio),
        at_zero,
    )
