"""The data of a path: names of the columns, classes, units; the loss its networks have.

A `Problem` is learned from the rows a path is trained on and is applied unchanged to all
others: validation rows, those of a re-fit, those of stability selection.
"""

from __future__ import annotations

import copy
import numbers
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import tables
from .._core import checks
from .._core.csr import CSR
from .._core.units import Units
from ..lassonet import LassoNet
from ..losses import get_loss
from ..network import Network
from ..tables.form import KEY, TableForm
from ..tables.task import infer_task
from .sources import Sources, needs_encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..losses import Loss
    from ..tables.encoder import TableEncoder
    from ..typing import (
        AnyArray,
        Config,
        DType,
        FloatArray,
        IntArray,
        LossName,
    )
    from .folds import Pair
    from .recipe import Recipe


class Problem:
    """What a path has learned about X and y.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n, n_in)
    y : array-like
    loss : str or Loss, optional
    standardize : bool
    encoder : TableEncoder, "auto" or None

    Attributes
    ----------
    loss : Loss
        In the units of y.
    scaled_loss : Loss
        On the scale of the path.
    names : list of str or None
        Of the columns, if X has them.
    classes : ndarray or None
        In the order of the outputs, if y is one label per row.
    n_in, n_out : int
        Columns of X, outputs.
    encoder : TableEncoder or None
        What makes inputs of the columns of a table.
    sources : Sources or None
        Which inputs each column of a table has.
    units : Units
    floor : float
        The lowest loss in training that any predictions of these y have, on the scale of
        the path.
    """

    names: list[str] | None
    n_in: int
    encoder: TableEncoder | None
    n_inputs: int
    loss: Loss
    units: Units
    scaled_loss: Loss
    floor: float

    def __init__(
        self,
        X: Any,
        y: Any,
        loss: Loss | LossName | None = None,
        standardize: bool = True,
        encoder: TableEncoder | Literal["auto"] | None = "auto",
    ) -> None:
        standardize = checks.check_bool(standardize, "standardize")
        self.names = column_names(X)
        self.n_in = 0  # not yet known
        self.classes: AnyArray | None = None
        self.sources: Sources | None = None
        self.encoder = _fresh_encoder(encoder, X)
        if self.encoder is not None:
            self.encoder.fit(X)
            self.sources = Sources.of(self.encoder.groups_)
        x, y = self._array(X, "X"), _targets(y)
        self.n_in = x.shape[1] if self.sources is None else len(self.sources)
        self.n_inputs = x.shape[1]
        if loss is None:
            loss = "softmax_cross_entropy" if _labels(y) else "squared_error"
        self.loss = get_loss(loss)
        if self.loss.classification and (y.ndim == 1 or y.dtype.kind not in "iubf"):
            self.classes = _classes(y, self.loss)
        y = self._encoded(y, len(x))
        self.n_out = 1 if y.ndim == 1 else y.shape[1]
        if self.loss.takes_labels and self.classes is not None:
            self.n_out = len(self.classes)
        # an encoder's inputs have a scale already
        scaled = standardize and self.encoder is None
        self.units = Units(x, y, self.loss, scaled, joint=not standardize)
        self.scaled_loss = self.units.scaled(self.loss)
        labels = y.ndim == 1
        targets = np.eye(1, self.n_out) if labels else self.units.targets(y)
        self.floor = self.scaled_loss.least(self.scaled_loss.smoothed(targets))

    def data(self, X: Any, y: Any, dtype: DType, name: str = "X") -> Pair:
        """(X, y) as the path's networks see them."""
        x = self._array(X, name)
        y = self._encoded(_targets(y), len(x))
        return self.units.inputs(x, dtype), self.units.targets(y)

    def _array(self, X: Any, name: str) -> AnyArray | CSR:
        """Finite numbers, an array or CSR, with the columns the path was trained on."""
        if self.encoder is not None:
            return self.encoder.network_rows(X)
        found = column_names(X)
        if found and self.names and found != self.names:
            raise ValueError(_other_names(found, self.names, name))
        array = np.asarray(X) if found is not None else X
        if found is not None and array.ndim == 2 and array.dtype.kind not in "fiub":
            columns = [
                checks.as_array(array[:, j], f"column {column!r} of {name}")
                for j, column in enumerate(found)
            ]
            array = np.column_stack(columns)
        shape = np.shape(array)
        n_in = self.n_in or (shape[-1] if shape else 0)
        checked = checks.check_x(array, (n_in, None, n_in), name)
        _expect_finite(checked, name)
        return checked

    def _encoded(self, y: AnyArray, n: int) -> AnyArray:
        """y with labels as whole numbers, else with a row of targets per row of X."""
        if len(y) != n:
            raise ValueError(f"y has {len(y)} rows, X has {n}")
        if self.classes is not None:
            labels = self._numbers_of(y, self.classes)
            return labels if self.loss.takes_labels else labels.reshape(-1, 1)
        y = checks.as_array(y, "y")
        y = y.reshape(len(y), -1) if y.ndim == 1 else y
        if y.ndim != 2 or not y.size:
            raise ValueError(f"y has shape {y.shape}, expected (n,) or (n, n_out)")
        _expect_finite(y, "y")
        expected = getattr(self, "n_out", y.shape[1])
        if y.shape[1] != expected:
            raise ValueError(f"y has shape {y.shape}, expected ({n}, {expected})")
        self.loss.check_range(y)
        return y

    def _numbers_of(self, y: AnyArray, classes: AnyArray) -> IntArray:
        if y.ndim != 1:
            raise ValueError(f"y has shape {y.shape}, expected one label per row")
        known = {label: number for number, label in enumerate(classes.tolist())}
        labels = y.tolist()
        unknown = sorted({str(label) for label in labels if label not in known})
        if unknown:
            raise ValueError(
                f"y has the labels {', '.join(unknown[:5])}, expected only the classes "
                f"{classes.tolist()}"
            )
        return np.array([known[label] for label in labels], np.int64)

    def network(
        self, recipe: Recipe, weights: Sequence[FloatArray], columns: NDArray[np.intp]
    ) -> Network:
        """A Network or LassoNet in the user's units, from weights on the path's scale.

        It reads these inputs (columns of X, or what its encoder makes of them), or all
        and takes these.
        """
        far = recipe.dtype == "float64" or self.units.far(columns)
        dtype = "float64" if far else "float32"
        skip = len(weights) > 2 * (len(recipe.hidden) + 1)
        layers = recipe.layers(len(columns))
        common: dict[str, Any] = {
            "loss": self.loss,
            "dtype": dtype,
            "seed": recipe.seed,
        }
        if skip:
            hierarchy = recipe.hierarchy / self.units.least_gain
            groups = recipe.of_inputs(columns).groups
            network: Network = LassoNet(layers, 0.0, hierarchy, **common, groups=groups)
        else:
            network = Network(layers, **common)
        network.set_weights(self.units.weights(weights, columns, skip))
        if len(columns) < self.n_inputs:
            network._plan.keep_inputs(self.n_inputs, columns)
        if self.sources is not None and self.encoder is not None:
            network.metadata |= self._table(self.encoder)
            columns = self.sources.columns_of(columns)
        network.metadata["columns"] = columns.tolist()
        if self.names is not None:
            network.metadata["column_names"] = [self.names[i] for i in columns]
        if self.classes is not None:
            network.metadata["classes"] = self.classes.tolist()
        return network

    def _table(self, encoder: TableEncoder) -> Config:
        """The entry by which a file of the network reads tables."""
        classes = None
        if self.classes is not None:
            classes = [str(label) for label in self.classes.tolist()]
        numbers = (0.0,) * self.n_out, (1.0,) * self.n_out
        form = TableForm(encoder.encoding_, "y", classes, *numbers)
        return {KEY: form.to_config()}

    def inputs_of(self, columns: NDArray[np.intp]) -> NDArray[np.intp]:
        """The networks' inputs that these columns of X become."""
        return columns if self.sources is None else self.sources.inputs_of(columns)

    def columns(self, columns: Any) -> NDArray[np.intp]:
        """Sorted numbers of columns that are given by name or by number."""
        if isinstance(columns, (str, numbers.Integral)):
            columns = [columns]
        columns = np.asarray(columns) if hasattr(columns, "dtype") else columns
        if isinstance(columns, np.ndarray) and columns.dtype.kind == "b":
            if columns.shape != (self.n_in,):
                raise ValueError(
                    f"columns is a mask of shape {columns.shape}, expected "
                    f"({self.n_in},)"
                )
            columns = np.flatnonzero(columns)
        found = [self._number(c) for c in checks.check_list(columns, "columns")]
        if not found:
            raise ValueError("columns is empty, expected names or numbers of columns")
        if len(set(found)) < len(found):
            raise ValueError(f"columns is {list(columns)}, expected each column once")
        return np.array(sorted(found))

    def _number(self, column: object) -> int:
        if isinstance(column, str):
            if self.names is None:
                raise ValueError(
                    f"columns has the name {column!r}, X had no column names; use numbers"
                )
            if column not in self.names:
                raise ValueError(
                    f"columns has {column!r}, X has the columns {_few(self.names)}"
                )
            return self.names.index(column)
        number = checks.check_int(column, "columns", minimum=-self.n_in)
        if number >= self.n_in:
            raise ValueError(f"columns has {number}, X has {self.n_in} columns")
        return number % self.n_in


def _fresh_encoder(
    encoder: TableEncoder | Literal["auto"] | None, X: Any
) -> TableEncoder | None:
    """An encoder to fit to X, or None where X is all numbers."""
    if encoder is None or (isinstance(encoder, str) and encoder == "auto"):
        if encoder is None or not needs_encoder(X):
            return None
        standard: TableEncoder = tables.TableEncoder(numeric="standard")
        return standard
    if not isinstance(encoder, tables.TableEncoder):
        raise TypeError(
            f"encoder is {encoder!r:.60}, expected 'auto', None or a TableEncoder"
        )
    fresh: TableEncoder = copy.deepcopy(encoder)
    return fresh


def column_names(X: Any) -> list[str] | None:
    """The names of a data frame's columns if all are text, else None."""
    for attribute in ("columns", "column_names"):  # the latter: Arrow tables
        names = getattr(X, attribute, None)
        if names is not None and not callable(names) and len(names):
            names = list(names)
            if all(isinstance(name, str) for name in names):
                return names
    return None


def _other_names(found: list[str], expected: list[str], name: str) -> str:
    for number, (a, b) in enumerate(zip(found, expected, strict=False)):
        if a != b:
            return f"{name} has the name {a!r} for column {number}, it was {b!r} before"
    return f"{name} has {len(found)} columns, the path was trained on {len(expected)}"


def _few(names: list[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")


def _targets(y: Any) -> AnyArray:
    """y as an array, (n,) for one column of labels; no labels are missing."""
    if y is None:
        raise TypeError("y is None, expected labels or targets")
    checks.check_unmasked(y, "y")
    if isinstance(y, (list, tuple)):
        _expect_one_kind(y)
    array = np.asarray(y)
    if array.ndim == 0:
        raise ValueError(
            f"y is {array.item()!r}, expected labels or targets, one per row"
        )
    if not len(array):
        raise ValueError("y has no rows")
    if array.dtype.kind == "O":
        flat = array.reshape(-1)
        missing = np.array([v is None or _is_nan(v) for v in flat])
        if missing.any():
            row = int(np.argmax(missing)) * len(array) // len(flat)
            raise ValueError(
                f"y has a missing value in row {row}, drop such rows first"
            )
        _expect_one_kind(flat.tolist())
        if all(isinstance(v, (numbers.Real, np.bool_)) for v in flat):
            array = checks.as_array(array, "y")
    if array.dtype.kind in "OUS" and array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    return array


def _is_nan(value: object) -> bool:
    """True for NaN, NaT and pandas' NA, which differ from themselves."""
    if type(value).__name__ == "NAType":
        return True
    return isinstance(value, numbers.Number) and value != value


def _expect_one_kind(values: Sequence[object]) -> None:
    """TypeError for text among numbers, all of which NumPy would turn into text."""
    text = [isinstance(value, str) for value in values]
    if any(text) and not all(text):
        other = values[text.index(False)]
        raise TypeError(f"y has text and {other!r}, expected labels of one kind")


def _labels(y: AnyArray) -> bool:
    """True if y is text, true or false, or integers that `infer_task` takes for classes."""
    if y.ndim != 1 or y.dtype.kind not in "iubOUS":
        return False
    if y.dtype.kind not in "iu":
        return True
    return infer_task(len(y), len(np.unique(y)))[0] == "classification"


def _classes(y: AnyArray, loss: Loss) -> AnyArray | None:
    """The classes, sorted; None for numbers that are probabilities."""
    if y.dtype.kind not in "iubfOUS":
        raise TypeError(f"y has dtype {y.dtype}, expected labels")
    if y.dtype.kind == "f":
        _expect_finite(y, "y")
        whole = y == np.round(y)
        if not whole.all():
            if not loss.takes_labels:
                return None
            row = int(np.argmin(whole))
            raise ValueError(f"label {y[row]} in row {row} of y is not an integer")
        y = y.astype(np.int64) if np.abs(y).max() < 2**53 else y
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y has only one class ({classes.tolist()[0]!r}), expected two or more"
        )
    if not loss.takes_labels and len(classes) > 2:
        raise ValueError(
            f"loss is {loss.name!r}, y has {len(classes)} classes, expected 2"
        )
    return classes


def _expect_finite(array: AnyArray | CSR, name: str) -> None:
    """ValueError that states where the first NaN or infinity is."""
    if array.dtype.kind != "f":
        return
    if type(array) is CSR:
        bad = array.first_not_finite()
        if bad is not None:
            raise ValueError(checks.not_finite_message(array, name, bad, array.dtype))
        return
    for first in range(0, len(array), 65536):
        part = array[first : first + 65536]
        fine = np.isfinite(part)
        if not fine.all():
            row = first + int(np.argmin(fine.reshape(len(part), -1).all(axis=1)))
            raise ValueError(checks.not_finite_message(array, name, row, array.dtype))
