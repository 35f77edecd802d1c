"""Every check of an argument, every message; `_check_arrays` has those of arrays.

A check returns the value in the form the package uses or raises TypeError or ValueError
with a sentence that says what came and what was expected.
"""

import difflib
import math
import numbers
import os
from pathlib import Path

import numpy as np


def _shown(value):
    """repr, cut where it is long; the size of an integer with too many digits."""
    if isinstance(value, numbers.Integral) and int(value).bit_length() > 1024:
        return f"an integer of {int(value).bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def check_float(
    value, name, minimum=None, maximum=None, open_minimum=False, below=None
):
    """A finite float in the stated range."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {_shown(value)}, expected a number")
    try:
        value = float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large for a float") from None
    low_ok = (
        minimum is None or value > minimum or (value == minimum and not open_minimum)
    )
    high_ok = (maximum is None or value <= maximum) and (below is None or value < below)
    if not (math.isfinite(value) and low_ok and high_ok):
        limits = []
        if minimum is not None:
            limits.append(f"{'>' if open_minimum else '>='} {minimum}")
        if maximum is not None:
            limits.append(f"<= {maximum}")
        if below is not None:
            limits.append(f"< {below}")
        wanted = " and ".join(["a finite number", *limits])
        raise ValueError(f"{name} is {value}, expected {wanted}")
    return value


def check_int(value, name, minimum=None, maximum=None):
    """An int in the stated range."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is {_shown(value)}, expected an integer")
    value = int(value)
    if minimum is not None and value < minimum:
        raise ValueError(f"{name} is {_shown(value)}, expected at least {minimum}")
    if maximum is not None and value > maximum:
        raise ValueError(f"{name} is {_shown(value)}, expected at most {maximum}")
    return value


def check_bool(value, name):
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {_shown(value)}, expected True or False")
    return bool(value)


def check_rate(value, name="rate"):
    """A dropout rate in [0, 1)."""
    return check_float(value, name, minimum=0, below=1)


def check_name(value, names, what):
    """One of `names`; the error lists them and guesses which was meant."""
    if isinstance(value, str) and value in names:
        return names[names.index(value)]  # the same string for all who use it
    close = difflib.get_close_matches(str(value)[:50], names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    error = ValueError if isinstance(value, str) else TypeError
    raise error(
        f"unknown {what} {_shown(value)}{hint}, expected one of {', '.join(names)}"
    )


def check_dtype(value):
    """numpy.dtype float32 or float64."""
    try:
        dtype = None if value is None else np.dtype(value)
    except (TypeError, ValueError, SyntaxError):  # all of which NumPy raises
        dtype = None
    if dtype not in (np.float32, np.float64) or not dtype.isnative:
        raise ValueError(f"dtype is {_shown(value)}, expected 'float32' or 'float64'")
    return dtype


def check_layers(layers):
    """A non-empty list of layers; what they are is checked by the plan."""
    if not isinstance(layers, (list, tuple)):
        raise TypeError(
            f"layers is a {type(layers).__name__}, expected a list of layers"
        )
    if not layers:
        raise ValueError("layers is empty, expected at least one Dense layer")
    return list(layers)


def check_threads(threads):
    """None or a positive int."""
    return None if threads is None else check_int(threads, "threads", minimum=1)


def check_tau(tau):
    """None, or the update average's tau."""
    if tau is None:
        return None
    return check_float(tau, "update_tau", minimum=0, open_minimum=True, maximum=1)


_CALLBACK_METHODS = (
    "on_epoch_end",
    "on_train_begin",
    "on_checkpoint",
    "on_train_end",
    "get_state",
    "set_state",
)


def check_callbacks(callbacks):
    """A list of objects with the methods of Callback."""
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(
            f"callbacks is a {type(callbacks).__name__}, expected a list of callbacks"
        )
    for callback in callbacks:
        for name in _CALLBACK_METHODS:
            if not hasattr(callback, name):
                raise TypeError(f"callback {callback!r} has no method {name}")
    return list(callbacks)


def check_validation_data(data):
    """A tuple (X, y) or (X, y, sample_weight)."""
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise TypeError(
            "validation_data must be a tuple (X, y) or (X, y, sample_weight)"
        )
    return data


def check_pair(data, name):
    """A tuple (X, y)."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(f"{name} must be a tuple (X, y)")
    return data


def check_list(value, name, of="arrays"):
    """A list of what a list, tuple or other iterable holds."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name} is {_shown(value)}, expected a list of {of}")
    return list(value)


def check_output(path):
    """OSError before the work rather than after it."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"--output {path}: there is no folder {folder}")
    if Path(path).is_dir() or not os.access(folder, os.W_OK):
        raise PermissionError(f"--output {path} cannot be written")
