"""What a model file knows about tables: its encoder, its target, how files are written.

    {"version": 1,
     "encoder": {...},              as in `encoding`
     "target": {"name": "income", "classes": ["<=50K", ">50K"]}
            or {"name": "price", "centers": [19.5], "scales": [4.2]},
     "dialect": {"header": true, "delimiter": null, "decimal": null,
                 "thousands": null, "missing": null}}

is in a network's metadata under `KEY` and is checked whenever such a file is loaded.
A number predicted is output * scale + center.  Two classes may share one output, the
probability of the second.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .encoding import Encoding

if TYPE_CHECKING:
    from ..network import Network
    from ..typing import AnyArray, Config, Float64Array, StrPath

KEY = "regnet_c.table"
VERSION = 1


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written; None means detected.

    Attributes
    ----------
    header : bool
        The first line has the names; otherwise they are column_1, column_2, ...
    delimiter : str, optional
    decimal : str, optional
        "." or ",".
    thousands : str, optional
        What separates groups of three digits: ",", ".", "'" or a space.
    missing : tuple of str, optional
        Cells that are missing values besides empty ones.
    """

    header: bool = True
    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TableForm:
    """The way from a table to a network's inputs, and from its outputs to the target.

    Attributes
    ----------
    encoding : Encoding
    target : str
        Its name.
    classes : list of str or None
        As they were written; None for a regression.
    centers, scales : tuple of float
        Of a regression, one per output.
    dialect : Dialect
    """

    encoding: Encoding
    target: str
    classes: list[str] | None = None
    centers: tuple[float, ...] = (0.0,)
    scales: tuple[float, ...] = (1.0,)
    dialect: Dialect = Dialect()

    @property
    def names(self) -> list[str]:
        """Of the predicted columns: the target's, numbered if there are several."""
        if self.classes is not None or len(self.centers) == 1:
            return [self.target]
        return [f"{self.target}_{i}" for i in range(len(self.centers))]

    def scaled(self, y: AnyArray) -> Float64Array:
        """Targets of a regression as the network learns them, float64 (n, n_outputs)."""
        y = np.asarray(y, np.float64).reshape(len(y), -1)
        array: Float64Array = (y - self.centers) / self.scales
        return array

    def decoded(self, out: AnyArray) -> AnyArray:
        """Outputs (n, n_outputs) of a regression in the units of the target."""
        array: AnyArray = out * np.asarray(self.scales) + self.centers
        return array

    def probabilities(self, out: AnyArray) -> AnyArray:
        """Outputs as one probability per class, (n, n_classes)."""
        if out.shape[1] == 1:
            out = np.column_stack([1 - out, out])
        return out

    def to_config(self) -> Config:
        """The JSON-able form that the head of this file describes."""
        target: Config = {"name": self.target}
        if self.classes is not None:
            target["classes"] = list(self.classes)
        else:
            target |= {"centers": list(self.centers), "scales": list(self.scales)}
        dialect = asdict(self.dialect)
        if dialect["missing"] is not None:
            dialect["missing"] = list(dialect["missing"])
        return {
            "version": VERSION,
            "encoder": self.encoding.to_config(),
            "target": target,
            "dialect": dialect,
        }

    @classmethod
    def from_config(cls, config: Any, n_inputs: int, n_outputs: int) -> TableForm:
        """The form that `to_config` described, for a network of this size.

        Raises
        ------
        ValueError
            If it describes anything else; a model file may be untrusted.
        """
        keys = ["version", "encoder", "target", "dialect"]
        if not isinstance(config, dict) or list(config) != keys:
            raise ValueError("its table has unexpected entries")
        if type(config["version"]) is not int or config["version"] != VERSION:
            raise ValueError(
                f"its table has version {config['version']!r:.20}, this release reads "
                f"{VERSION}"
            )
        encoding = Encoding.from_config(config["encoder"])
        if encoding.n_outputs != n_inputs:
            raise ValueError(
                f"its encoder has {encoding.n_outputs} outputs, the network {n_inputs} "
                "inputs"
            )
        target = _read_target(config["target"], n_outputs)
        return cls(encoding, **target, dialect=_read_dialect(config["dialect"]))

    @classmethod
    def of(cls, network: Network, path: StrPath = "the network") -> TableForm:
        """The form of a network that was trained on a table.

        Raises
        ------
        ValueError
            If it has none, or one that does not describe a form for it.
        """
        if KEY not in network.metadata:
            raise ValueError(
                f"{path} does not know how to read tables: it was not written by "
                "regnet-c train or by an estimator with an encoder"
            )
        n_outputs = network._plan.dense[-1].n_out
        try:
            return cls.from_config(network.metadata[KEY], network.n_inputs, n_outputs)
        except ValueError as error:
            raise ValueError(f"{path} has wrong metadata {KEY!r}: {error}") from None


def _read_target(target: Any, n_outputs: int) -> dict[str, Any]:
    """The arguments of TableForm in this entry."""
    if not isinstance(target, dict) or not isinstance(target.get("name"), str):
        raise ValueError("its target has no name")
    if list(target) == ["name", "classes"]:
        classes = target["classes"]
        if not isinstance(classes, list) or not all(
            isinstance(c, str) for c in classes
        ):
            raise ValueError("its target has classes that are not text")
        pair = len(classes) == 2 and n_outputs == 1
        if len(set(classes)) != len(classes) or not (len(classes) == n_outputs or pair):
            raise ValueError(f"its target does not name {n_outputs} different classes")
        return {"target": target["name"], "classes": classes}
    if list(target) != ["name", "centers", "scales"]:
        raise ValueError("its target has unexpected entries")
    centers, scales = target["centers"], target["scales"]
    for numbers in (centers, scales):
        if not isinstance(numbers, list) or len(numbers) != n_outputs:
            raise ValueError(f"its target does not scale {n_outputs} outputs")
        if not all(type(x) is float and math.isfinite(x) for x in numbers):
            raise ValueError("its target has impossible scales")
    if not all(scale > 0 for scale in scales):
        raise ValueError("its target has impossible scales")
    return {
        "target": target["name"],
        "centers": tuple(centers),
        "scales": tuple(scales),
    }


def _read_dialect(entry: Any) -> Dialect:
    if not isinstance(entry, dict) or list(entry) != list(asdict(Dialect())):
        raise ValueError("its dialect has unexpected entries")
    missing = entry["missing"]
    texts = [entry[key] for key in ("delimiter", "decimal", "thousands")]
    fine = all(
        text is None or (isinstance(text, str) and len(text) == 1) for text in texts
    )
    if missing is not None:
        fine = fine and isinstance(missing, list)
        fine = fine and all(isinstance(text, str) for text in missing)
    if not fine or type(entry["header"]) is not bool:
        raise ValueError("its dialect has impossible entries")
    return Dialect(**entry | {"missing": missing and tuple(missing)})
