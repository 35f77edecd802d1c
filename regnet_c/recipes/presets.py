"""What "auto" means: the values of an estimator's parameters that follow from the data.

The recipes were chosen on validation parts of the training rows of 14 public tables;
`benchmarks/bench_tables.py --ablation` measures what each value is for.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .._core import checks
from ..layers import Dense

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..layers import Layer

AUTO = "auto"
PRESETS = ("auto", "plain")
KEEP = ("few", "one")  # of tune
FEW_ROWS = 64  # with fewer, bins, batches and dropout do not help
MANY_ROWS = 10_000
_ROWS_PER_COLUMN = 200  # with more, a deeper network hardly over-fits
_BUDGET = 1.2e11  # multiply-adds of training that further members may cost in all
MOST_MEMBERS = 3

# scikit-learn's MLPClassifier and MLPRegressor
_PLAIN = {
    "activation": "relu",
    "hidden_layer_sizes": (100,),
    "dropout": 0.0,
    "l1": 0.0,
    "weight_decay": None,
    "label_smoothing": 0.0,
    "optimizer": "adam",
    "learning_rate": "constant",
    "batch_size": 200,
    "max_iter": 200,
    "encoder": None,
    "n_members": 1,
}
_TABLES = {
    "activation": "relu",
    "weight_decay": 0.3,
    "optimizer": "adamw",
    "learning_rate": "cosine",
    "learning_rate_init": 3e-3,
    "batch_size": 64,
    "max_iter": 100,
}
_CLASSES = _TABLES | {
    "hidden_layer_sizes": (256,),
    "dropout": (0.1, 0.3),  # inputs, hidden layers
    "l1": 0.0,
    "label_smoothing": 0.03,
}
_CLASSES_LONG = {"hidden_layer_sizes": (256, 128), "dropout": (0.05, 0.2)}
_NUMBERS = _TABLES | {
    "hidden_layer_sizes": (128, 128),
    "dropout": (0.0, 0.1),
    "l1": 1e-4,
    "label_smoothing": 0.0,
}
# larger batches at a higher rate have the same error in half the time
_MANY = {"batch_size": 256, "learning_rate_init": 6e-3, "max_iter": 50}
# with this many rows a weaker penalty is enough; California loses 4 % of its error and
# Bike 12 % against the values of _MANY, which take the same time
_NUMBERS_MANY = {
    "hidden_layer_sizes": (256, 128),
    "batch_size": 128,
    "learning_rate_init": 3e-3,
    "l1": 3e-5,
}
_FEW = {"dropout": (0.0, 0.0), "batch_size": FEW_ROWS}


class Recipe(SimpleNamespace):
    """The parameters a fit was made with; prints as a table.

    Attributes
    ----------
    chosen : frozenset of str
        Names of those that followed from the data.
    """

    def __repr__(self) -> str:
        values = {k: v for k, v in vars(self).items() if k != "chosen"}
        width = max(map(len, values))
        lines = (
            f"{name:{width}}  {value!r}{'  (auto)' if name in self.chosen else ''}"
            for name, value in values.items()
        )
        return "\n".join(lines)


def resolve(
    params: dict[str, Any],
    shape: tuple[int, ...],
    classification: bool,
    one_epoch: bool = False,
) -> Recipe:
    """The Recipe of an estimator's parameters on a table.

    Parameters
    ----------
    params : dict
        The estimator's parameters by name.
    shape : tuple (n_rows, n_columns)
        Of X before it is encoded.
    classification : bool
    one_epoch : bool
        For partial_fit, which has no last epoch: a constant rate and one network.
    """
    preset = checks.check_name(params["preset"], PRESETS, "preset")
    n_rows, n_columns = shape
    values = dict(_PLAIN)
    if preset == AUTO:
        values = _CLASSES if classification else _NUMBERS
        if classification and n_rows >= _ROWS_PER_COLUMN * n_columns:
            values = values | _CLASSES_LONG
        if n_rows > MANY_ROWS:
            values = values | _MANY | ({} if classification else _NUMBERS_MANY)
        values = values | (_FEW if n_rows < FEW_ROWS else {})
    if one_epoch:
        values = values | {"learning_rate": "constant", "n_members": 1}
        values = values | {"learning_rate_init": None}
    if params["learning_rate"] == "constant":
        values = values | {"max_iter": 200}
    known = dict(params) | {"bins": True}
    chosen = {k for k, v in known.items() if is_auto(v) and k in values}
    if not is_auto(params["optimizer"]):  # it has its own
        values = values | {"learning_rate_init": None, "weight_decay": None}
    if not isinstance(params["learning_rate"], str):  # the schedule has its own
        values = values | {"learning_rate_init": None}
    known |= {k: values[k] for k in chosen}
    if known["learning_rate_init"] == AUTO:
        known["learning_rate_init"] = None
    return Recipe(**known, chosen=frozenset(chosen))


def is_auto(value: object) -> bool:
    """Whether a parameter is left to the data; it may be an array."""
    return isinstance(value, str) and value == AUTO


def member_count(recipe: Recipe, n_rows: int, layers: Sequence[Layer]) -> int:
    """How many networks are averaged: as many as a stated amount of work allows.

    Parameters
    ----------
    recipe : Recipe
    n_rows : int
    layers : list of Dense and Dropout
        Of one member.
    """
    if not is_auto(recipe.n_members):
        return checks.check_int(recipe.n_members, "n_members", minimum=1)
    if n_rows < FEW_ROWS:
        return 1
    products = sum(x.n_in * x.n_out for x in layers if isinstance(x, Dense))
    work = 3 * n_rows * recipe.max_iter * products
    return int(max(1, min(MOST_MEMBERS, _BUDGET // work)))
