"""Tables from CSV and NPZ files, encoded as numbers in a way a model can repeat.

An `Encoding` is learned from the training file (categories, means and deviations, class
names), is stored in the model's metadata and is applied unchanged by `predict`.
"""

import csv
from pathlib import Path

import numpy as np

_MISSING = {"", "na", "nan", "n/a", "null", "none", "?"}
_MAX_CLASSES = 50  # an integer target with more distinct values is a regression


class Table:
    """Named columns of a CSV file: `text` as written, `columns` as numbers if possible."""

    def __init__(self, text, path):
        self.text, self.path = text, path
        self.columns = {name: _numbers_or_text(cells) for name, cells in text.items()}


def read_csv(path):
    """Read a CSV file with a header line.

    Returns
    -------
    Table
        Columns in which every entry is a number are float64, the others text.

    Raises
    ------
    ValueError
        For missing values, rows of another length, repeated column names.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = next(rows, None)
        if not header:
            raise ValueError(f"{path} is empty, expected a header line")
        if len(set(header)) != len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise ValueError(f"{path} has the column {twice!r} twice")
        cells = [row for row in rows if row]
    if not cells:
        raise ValueError(f"{path} has a header but no rows")
    for number, row in enumerate(cells, start=2):
        if len(row) != len(header):
            raise ValueError(
                f"{path} line {number} has {len(row)} entries, the header {len(header)}"
            )
        for name, cell in zip(header, row, strict=True):
            if cell.strip().lower() in _MISSING:
                raise ValueError(
                    f"{path} line {number} has no value in column {name!r} ({cell!r}); "
                    "delete such rows, drop the column, or fill in a value (the column's "
                    "median, or a category of its own) before training"
                )
    columns = zip(header, zip(*cells, strict=True), strict=True)
    return Table({name: [c.strip() for c in column] for name, column in columns}, path)


def _numbers_or_text(cells):
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return np.array(cells)


def read_npz(path, need_target=True):
    """(X, y) of an NPZ file with X and y, or with x_train and y_train.

    Images are flattened.  y is None if the file has none and `need_target` is false.
    """
    with np.load(path, allow_pickle=False) as file:
        for x_name, y_name in (("X", "y"), ("x_train", "y_train")):
            if x_name not in file:
                continue
            X = file[x_name]
            if y_name not in file and need_target:
                raise ValueError(f"{path} has {x_name} but no {y_name}")
            return X.reshape(len(X), -1), file[y_name] if y_name in file else None
        raise ValueError(
            f"{path} has the arrays {', '.join(file.files) or 'none'}, expected X and y"
        )


def read_test_npz(path):
    """(X, y) of the x_test and y_test of an NPZ file, or None."""
    if Path(path).suffix != ".npz":
        return None
    with np.load(path, allow_pickle=False) as file:
        if "x_test" not in file or "y_test" not in file:
            return None
        X = file["x_test"]
        return X.reshape(len(X), -1), file["y_test"]


def is_npz(path):
    """True for NPZ, False for CSV; ValueError for other endings."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".npz", ".csv"):
        raise ValueError(f"{path} ends in {suffix!r}, expected .csv or .npz")
    return suffix == ".npz"


class Encoding:
    """How the columns of a file become the inputs of a network and its outputs again.

    Attributes
    ----------
    columns : list of dict or None
        Per column of a CSV: name, and mean and deviation or categories.
    scale : float
        What the entries of an NPZ are divided by.
    target : str or None
    classes : list or None
        Class names in the order of the outputs; None for regression.
    target_mean, target_deviation : float
        Standardisation of a regression's target, undone by `decode`.
    """

    def __init__(
        self,
        columns=None,
        scale=1.0,
        target=None,
        classes=None,
        target_mean=0.0,
        target_deviation=1.0,
    ):
        self.columns, self.scale = columns, scale
        self.target, self.classes = target, classes
        self.target_mean, self.target_deviation = target_mean, target_deviation

    def standardize_target(self, y):
        """Learn mean and deviation of a regression's target; the standardised target."""
        self.target_mean = float(y.mean())
        self.target_deviation = float(y.std()) or 1.0
        return (y - self.target_mean) / self.target_deviation

    def decode(self, out):
        """A regression's outputs in the units of the target."""
        return out * self.target_deviation + self.target_mean

    @classmethod
    def learn_csv(cls, table, target, task):
        """The encoding of a training table, and (X, y)."""
        if target is None:
            raise ValueError("a CSV file needs --target COLUMN")
        if target not in table.columns:
            raise ValueError(
                f"{table.path} has no column {target!r}, it has "
                f"{', '.join(table.columns)}"
            )
        columns = [
            _learn_column(name, values)
            for name, values in table.columns.items()
            if name != target
        ]
        if not columns:
            raise ValueError(f"{table.path} has no column beside the target")
        classes, y = _learn_target(table.columns[target], task)
        encoding = cls(columns, target=target, classes=classes)
        return encoding, encoding.encode_table(table), y

    @classmethod
    def learn_arrays(cls, X, y, task):
        """The encoding of training arrays, and (X, y); integers are scaled to [0, 1]."""
        largest = float(X.max()) if X.dtype.kind in "iu" and X.size else 1.0
        classes, y = _learn_target(np.asarray(y), task)
        return cls(scale=largest or 1.0, classes=classes), X, y

    def encode_table(self, table):
        """X (n, inputs) of a table with the same columns."""
        parts = []
        for column in self.columns:
            if column["name"] not in table.columns:
                raise ValueError(f"{table.path} has no column {column['name']!r}")
            parts.append(_encode_column(column, table))
        return np.column_stack(parts).astype(np.float32)

    def encode_arrays(self, X):
        """X divided by the scale, float32."""
        return np.divide(X, self.scale, dtype=np.float32)

    def encode_target(self, y):
        """Labels (or float targets) of other rows, by the learned class names."""
        if self.classes is None:
            y = np.asarray(y, np.float64)
            return (y - self.target_mean) / self.target_deviation
        number = {name: i for i, name in enumerate(self.classes)}
        names = _class_names(np.asarray(y))
        unknown = sorted({str(name) for name in names} - {str(c) for c in number})
        if unknown:
            raise ValueError(f"unknown classes {', '.join(unknown[:5])}")
        return np.array([number[name] for name in names])

    def to_dict(self):
        """JSON-able form, for the model's metadata."""
        return dict(vars(self))

    @property
    def input_names(self):
        """One name per input of the network, or None for arrays."""
        if self.columns is None:
            return None
        names = []
        for column in self.columns:
            if "categories" in column:
                names += [f"{column['name']}={c}" for c in column["categories"]]
            else:
                names.append(column["name"])
        return names


def _learn_column(name, values):
    if values.dtype.kind == "f":
        deviation = float(values.std())
        return {
            "name": name,
            "mean": float(values.mean()),
            "deviation": deviation if deviation > 0 else 1.0,
        }
    return {"name": name, "categories": sorted(set(values.tolist()))}


def _encode_column(column, table):
    name = column["name"]
    if "categories" not in column:
        values = table.columns[name]
        if values.dtype.kind != "f":
            raise ValueError(f"{table.path} has text in column {name!r}, not numbers")
        return (values - column["mean"]) / column["deviation"]
    texts = table.text[name]
    unknown = sorted(set(texts) - set(column["categories"]))
    if unknown:
        raise ValueError(
            f"{table.path} has {unknown[0]!r} in column {name!r}, known are "
            f"{', '.join(column['categories'])}"
        )
    return np.array(texts)[:, None] == np.array(column["categories"])


def _class_names(values):
    """Class names as JSON-able Python values: whole numbers as int, the rest text."""
    if values.dtype.kind == "f" and (values == np.round(values)).all():
        values = values.astype(np.int64)
    return values.tolist()


def _learn_target(values, task):
    """(class names or None, labels or float targets)."""
    whole = values.dtype.kind in "iub" or (
        values.dtype.kind == "f" and (values == np.round(values)).all()
    )
    text = values.dtype.kind not in "iubf"
    if task == "auto":
        few = values.ndim == 1 and len(np.unique(values)) <= _MAX_CLASSES
        task = "classification" if text or (whole and few) else "regression"
    if task == "regression":
        if text:
            raise ValueError("the target is text, a regression needs numbers")
        return None, np.asarray(values, np.float64)
    names = _class_names(values)
    classes = sorted(set(names))
    if len(classes) < 2:
        raise ValueError(f"the target has one class only, {classes[0]!r}")
    number = {name: i for i, name in enumerate(classes)}
    return classes, np.array([number[name] for name in names])


def split(n, fraction, seed):
    """(training rows, validation rows) of a random split, a function of the seed."""
    from .kernels import permutation

    order = permutation(n, seed, 2**63)  # an epoch that training never reaches
    count = int(round(n * fraction))
    if not 0 < count < n:
        raise ValueError(
            f"a validation share of {fraction} leaves {count} of {n} rows for validation"
        )
    return np.sort(order[count:]), np.sort(order[:count])
