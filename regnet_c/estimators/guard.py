"""What scikit-learn's validation lets through, and calls that are refused half-way."""

import functools

from sklearn.utils.validation import validate_data

from .._core import checks


def unchanged_if_refused(method):
    """An error before a network was trained leaves every attribute as it was.

    Otherwise an estimator that was fitted before would go on with the old weights and
    the classes, or the number of columns, of the data that were refused.
    """

    @functools.wraps(method)
    def guarded(estimator, *arguments, **options):
        before = dict(vars(estimator))
        try:
            return method(estimator, *arguments, **options)
        except BaseException:
            if getattr(estimator, "network_", None) is before.get("network_"):
                vars(estimator).clear()
                vars(estimator).update(before)
            raise

    return guarded


def validated(estimator, X, *y, **options):
    """`validate_data`, and no masked entries, dates or integers beyond all floats.

    Returns
    -------
    X, or (X, y)
    """
    for value, name in zip((X, *y), "Xy", strict=False):
        checks.check_unmasked(value, name)
    try:
        result = validate_data(estimator, X, *y, dtype="numeric", **options)
    except OverflowError:
        raise ValueError("X has an integer too large for a float") from None
    array = result[0] if y else result
    if array.dtype.kind not in "fiub":
        raise TypeError(f"X has dtype {array.dtype}, expected real numbers")
    return result


def check_one_kind(y):
    """TypeError for a list of text and numbers, all of which NumPy turns into text."""
    if not isinstance(y, (list, tuple)):
        return
    text = [isinstance(label, str) for label in y]
    if any(text) and not all(text):
        label = y[text.index(False)]
        raise TypeError(f"y has text and {label!r}, expected labels of one kind")
