"""Which recipes race: the few of every default fit, and the cocktails of ``tune=``.

A candidate differs from the recipe in values that were left to the data; what the user
set stays.  All of them share the encoder, so that their networks fit side by side.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from . import recipe as parts
from .presets import AUTO, FEW_ROWS, MANY_ROWS, MOST_MEMBERS, Recipe, is_auto

if TYPE_CHECKING:
    from collections.abc import Iterator

N_FOLDS = 5
TRIALS = 24  # of tune=True
MOST_TRIALS = 500  # of tune=seconds
FEW = 3  # recipes whose networks may all be in the result
_BUDGET = 9e10  # multiply-adds of training for a race that nobody asked for
_MOST = 2.5e11  # no such race if one network costs more
_HEAT = 0.08  # of the epochs tell whether a function is smooth

# tables differ most in how much regularisation they bear
RIVALS: tuple[dict[str, Any], ...] = (
    # smooth functions of few columns
    {
        "bins": False,
        "activation": "mish",
        "hidden_layer_sizes": (256, 128),
        "dropout": (0.0, 0.0),
        "l1": 0.0,
    },
    # few rows or much noise: a quarter of the epochs at half the rate
    {"max_iter": 25, "learning_rate_init": 1.5e-3, "dropout": (0.05, 0.2)},
)
# values of ``tune=``, each as likely as often as it is listed; bins: whether the network
# sees the piecewise-linear bins; dropout: inputs, hidden layers
SPACE: dict[str, tuple[Any, ...]] = {
    "bins": (True, True, False),
    "hidden_layer_sizes": ((128, 128), (256, 128), (256, 256)),
    "dropout": ((0.0, 0.0), (0.0, 0.1), (0.05, 0.2), (0.1, 0.3), (0.1, 0.5)),
    "l1": (0.0, 0.0, 1e-5, 1e-4, 1e-3),
    "group_l1": (0.0, 0.0, 0.0, 1e-4, 1e-3),
    "weight_decay": (0.03, 0.1, 0.3, 1.0),
    "label_smoothing": (0.0, 0.03, 0.1),
    "learning_rate_init": (1.5e-3, 3e-3, 6e-3),
    "max_iter": (25, 50, 100),
}
_SMOOTH = "mish"  # without bins; with them relu
_SMOOTH_SIZES = (128, 128, 128)  # of regressions without bins


class Plan:
    """How a race is run.

    Attributes
    ----------
    candidates : list of Recipe
    rounds : int
        Folds that are held out, one after the other.
    more : int
        Networks that the winners train on all rows afterwards.
    seconds : float or None
    heat : float
        Share of the epochs of a round before the others, which keeps no network; 0: there
        is none.
    """

    candidates: list[Recipe]
    rounds: int
    more: int
    seconds: float | None
    heat: float

    def __init__(
        self,
        candidates: list[Recipe],
        rounds: int = N_FOLDS,
        more: int = 0,
        seconds: float | None = None,
        heat: float = 0.0,
    ) -> None:
        self.candidates, self.rounds, self.more = candidates, rounds, more
        self.seconds, self.heat = seconds, heat


def default_plan(
    recipe: Recipe,
    classification: bool,
    n_rows: int,
    n_inputs: int,
    n_outputs: int,
    has_bins: bool,
) -> Plan | None:
    """The race of a fit that did not ask for one; None if it is not worth its time.

    Parameters
    ----------
    recipe : Recipe
    classification : bool
    n_rows, n_inputs, n_outputs : int
        Of the encoded training rows.
    has_bins : bool
        Whether some inputs, but not all, are piecewise-linear bins.
    """
    one = not is_auto(recipe.n_members)
    if recipe.preset != AUTO or (one and (classification or recipe.n_members != 1)):
        return None
    if n_rows < FEW_ROWS or n_rows > MANY_ROWS:
        return None
    found = rivals(recipe, classification, has_bins)
    if one:  # a few epochs do not tell which number of epochs is best
        found = [r for r in found if r is recipe or not r.bins]
    sizes = [n_inputs, *parts.hidden_sizes(recipe.hidden_layer_sizes), n_outputs]
    work = sum(a * b for a, b in itertools.pairwise(sizes))
    work *= 3 * n_rows * recipe.max_iter
    if len(found) == 1 or work > _MOST:
        return None
    if one:
        return Plan(found, 0, heat=_HEAT)
    if work * N_FOLDS <= _BUDGET:
        return Plan(found)
    more = int(max(1, min(MOST_MEMBERS - 1, _BUDGET // work - 1)))
    return Plan(found, 1, more)


def tuning_plan(
    recipe: Recipe,
    classification: bool,
    tune: bool | float,
    seed: int,
    has_bins: bool,
) -> Plan:
    """The race of ``tune=``: the default's candidates, and cocktails.

    Parameters
    ----------
    recipe : Recipe
    classification : bool
    tune : True, int or float
        True: 24 candidates; an int: their number; a float: seconds.
    seed : int
        Of the cocktails.
    has_bins : bool
    """
    seconds = tune if isinstance(tune, float) else None
    count = MOST_TRIALS if seconds else TRIALS if tune is True else int(tune)
    found = rivals(recipe, classification, has_bins)[:count]
    keys = {_key(candidate) for candidate in found}
    for cocktail in cocktails(recipe, seed, has_bins, 4 * count):
        if len(found) == count:
            break
        if _key(cocktail) not in keys:
            keys.add(_key(cocktail))
            found.append(cocktail)
    return Plan(found, seconds=seconds)


def rivals(recipe: Recipe, classification: bool, has_bins: bool) -> list[Recipe]:
    """The recipe, and those of `RIVALS` all of whose values are left to the data."""
    found = [recipe]
    for changes in RIVALS:
        if not classification and not changes.get("bins", True):
            changes = changes | {"hidden_layer_sizes": _SMOOTH_SIZES}
        names = changes.keys() - {"bins"}
        if any(
            k not in recipe.chosen and getattr(recipe, k) != changes[k] for k in names
        ):
            continue
        rival = _changed(recipe, changes, recipe.chosen, has_bins)
        if rival is not None and _key(rival) not in map(_key, found):
            found.append(rival)
    return found


def cocktails(
    recipe: Recipe, seed: int, has_bins: bool, count: int
) -> Iterator[Recipe]:
    """Candidates drawn from `SPACE`: the same seed, the same candidates.

    A strength of 0 counts as one that the user did not set.
    """
    free = recipe.chosen | {k for k in ("l1", "group_l1") if getattr(recipe, k) == 0}
    random = np.random.default_rng(seed)
    for _ in range(count):
        changes = {k: v[random.integers(len(v))] for k, v in SPACE.items()}
        changes["bins"] = changes["bins"] or not has_bins
        if not changes["bins"]:
            changes |= {"activation": _SMOOTH, "group_l1": 0.0}
        cocktail = _changed(recipe, changes, free, has_bins)
        if cocktail is not None:
            yield cocktail


def _changed(
    recipe: Recipe, changes: dict[str, Any], free: frozenset[str], has_bins: bool
) -> Recipe | None:
    """The recipe with those changes that are free; None if its bins cannot go."""
    if not changes.get("bins", True) and (not has_bins or recipe.group_l1):
        return None
    values = {k: v for k, v in changes.items() if k in free or k == "bins"}
    return Recipe(**(vars(recipe) | values))


def _key(recipe: Recipe) -> str:
    """The same for recipes that do not differ in what candidates vary."""
    names = [*SPACE, "activation"]
    return repr([getattr(recipe, name, None) for name in names])
