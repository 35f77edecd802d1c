"""Tables encoded as numbers in a way a model can repeat.

An `Encoding` is learned from the training file (categories, means and deviations, class
names), is stored in the model's metadata and is applied unchanged by `predict`.
"""

import sys

import numpy as np

_MAX_CLASSES = 50  # an integer target with more distinct values is a regression


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
        if not np.isfinite(y).all():
            raise ValueError("the target has NaN or infinite entries")
        self.target_mean, self.target_deviation = _mean_and_deviation(y, "the target")
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
        """The encoding of training arrays, and (X, y); integers are scaled to [-1, 1]."""
        largest = 1.0
        if X.dtype.kind in "iu" and X.size:
            largest = float(max(int(X.max()), -int(X.min())))
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
        with np.errstate(over="ignore"):  # the network says where
            return np.divide(X, self.scale, dtype=np.float32, casting="unsafe")

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

    @classmethod
    def from_dict(cls, entries, n_in, n_out):
        """The encoding that `to_dict` described, for a network of this size.

        Raises
        ------
        ValueError
            If it describes anything else; a model file may come from a stranger.
        """
        if not isinstance(entries, dict) or set(entries) != set(vars(cls())):
            raise ValueError("its encoding has other entries")
        numbers = entries["scale"], entries["target_mean"], entries["target_deviation"]
        if not all(map(_is_number, numbers)) or not (numbers[0] and numbers[2]):
            raise ValueError("its encoding has impossible scales")
        if not isinstance(entries["target"], (str, type(None))):
            raise ValueError("its encoding has a target without a name")
        _check_classes(entries["classes"], n_out)
        columns = entries["columns"]
        if columns is not None and _inputs_of(columns) != n_in:
            raise ValueError(f"its encoding does not make {n_in} inputs of a table")
        return cls(**entries)

    @classmethod
    def of(cls, network, path):
        """The encoding in the metadata of a network that was loaded from `path`.

        Raises
        ------
        ValueError
            If there is none that fits; a model file may come from a stranger.
        """
        entries = network.metadata.get("encoding")
        try:
            return cls.from_dict(entries, network.n_inputs, network.layers[-1].n_out)
        except ValueError as error:
            raise ValueError(
                f"{path} was not written by regnet-c train: {error}"
            ) from None

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
        mean, deviation = _mean_and_deviation(values, f"column {name!r}")
        return {"name": name, "mean": mean, "deviation": deviation}
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


def _mean_and_deviation(values, what):
    """Both as floats, 1 for the deviation of a constant; ValueError if they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(values.mean()), float(values.std())
        deviation = deviation if deviation > 0 else 1.0
        scaled = (values - mean) / deviation
    if not (np.isfinite(deviation) and np.isfinite(scaled).all()):
        raise ValueError(
            f"{what} goes from {values.min()} to {values.max()}, "
            "too far to be standardised"
        )
    return mean, deviation


def _is_number(value):
    """True for an int or float that is finite as a float."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _check_classes(classes, n_out):
    """ValueError unless this is None or a list of n_out different names."""
    if classes is None:
        return
    if not isinstance(classes, list) or len(classes) != n_out:
        raise ValueError(f"its encoding does not name {n_out} classes")
    if not all(isinstance(name, (str, int, float)) for name in classes):
        raise ValueError("its encoding has classes without a name")


def _inputs_of(columns):
    """Inputs that these descriptions of columns make; None if they are no such."""
    if not isinstance(columns, list):
        return None
    count = 0
    for column in columns:
        if not isinstance(column, dict) or not isinstance(column.get("name"), str):
            return None
        categories = column.get("categories", ())
        if set(column) == {"name", "mean", "deviation"}:
            numbers = column["mean"], column["deviation"]
            fine = all(map(_is_number, numbers)) and numbers[1] != 0
        else:
            fine = set(column) == {"name", "categories"} and (
                isinstance(categories, list)
                and all(isinstance(c, str) for c in categories)
            )
        if not fine:
            return None
        count += len(categories) if "categories" in column else 1
    return count


def _class_names(values):
    """Class names as JSON-able Python values: whole numbers as int, the rest text."""
    if values.dtype.kind == "f" and (values == np.round(values)).all():
        values = values.astype(np.int64)
    return values.tolist()


def _learn_target(values, task):
    """(class names or None, labels or float targets)."""
    if values.dtype.kind not in "iubfUS":
        raise TypeError(
            f"the target has dtype {values.dtype}, expected numbers or text"
        )
    whole = values.dtype.kind in "iub" or (
        values.dtype.kind == "f"
        and np.isfinite(values).all()
        and (values == np.round(values)).all()
    )
    text = values.dtype.kind in "US"
    if task == "auto":
        few = values.ndim == 1 and len(np.unique(values)) <= _MAX_CLASSES
        task = "classification" if text or (whole and few) else "regression"
    if task == "regression":
        if text:
            raise ValueError("the target is text, a regression needs numbers")
        return None, np.asarray(values, np.float64)
    if values.ndim != 1:
        raise ValueError(
            f"the target has shape {values.shape}, expected one class a row"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("the target has NaN or infinite entries")
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    names = _class_names(values)
    classes = sorted(set(names))
    if len(classes) < 2:
        raise ValueError(f"the target has one class only, {classes[0]!r}")
    number = {name: i for i, name in enumerate(classes)}
    return classes, np.array([number[name] for name in names])
