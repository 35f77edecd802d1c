"""The result of a training run: one list per quantity, one entry per epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class History(Mapping[str, list[Any]]):
    """Result of `Network.fit`: a mapping from a quantity's name to its values.

    Explained in :doc:`/quick_start`.

    Attributes
    ----------
    history : dict of str to list
        ``loss`` (mean data loss over the epoch, while training), ``penalty``,
        ``zeros`` (share of exact zeros among the weights), ``learning_rate``, and with
        validation data ``val_loss`` and, for classification, ``val_accuracy``; with
        ``update_tau`` ``update_norm``, one number per Dense layer.
    epochs : int
        Epochs finished.
    seconds : float
        Time spent in `fit`.
    samples_per_second : float
    stopped_early : bool

    Examples
    --------
    >>> import numpy as np, regnet_c as rn
    >>> X = np.eye(4)
    >>> history = rn.Network([rn.Dense(4, 1)]).fit(X, X[:, :1], epochs=3)
    >>> list(history)
    ['loss', 'penalty', 'zeros', 'learning_rate']
    >>> len(history["loss"])
    3
    """

    epochs: int
    seconds: float
    samples: int
    stopped_early: bool

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epochs = 0
        self.seconds = 0.0
        self.samples = 0
        self.stopped_early = False

    def append(self, logs: Mapping[str, Any]) -> None:
        """Add one epoch's values.

        Parameters
        ----------
        logs : dict of str to float or list

        Examples
        --------
        >>> import regnet_c as rn
        >>> history = rn.History()
        >>> history.append({"loss": 0.5})
        >>> history.append({"loss": 0.25})
        >>> history["loss"], history.epochs
        ([0.5, 0.25], 2)
        """
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        self.epochs += 1

    def extend(self, other: History) -> None:
        """Add the history of another call of `fit`.

        Parameters
        ----------
        other : History

        Examples
        --------
        >>> import numpy as np, regnet_c as rn
        >>> X, adam = np.eye(4), rn.Adam()
        >>> net = rn.Network([rn.Dense(4, 1)])
        >>> history = net.fit(X, X[:, :1], 3, optimizer=adam)
        >>> history.extend(net.fit(X, X[:, :1], 2, optimizer=adam))
        >>> len(history["loss"])
        5
        """
        for name, values in other.history.items():
            self.history.setdefault(name, []).extend(values)
        self.epochs += other.epochs
        self.seconds += other.seconds
        self.samples += other.samples
        self.stopped_early = other.stopped_early

    @property
    def samples_per_second(self) -> float:
        """Training rows per second, everything included."""
        return self.samples / self.seconds if self.seconds else 0.0

    def __getitem__(self, name: str) -> list[Any]:
        return self.history[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.history)

    def __len__(self) -> int:
        return len(self.history)

    def __eq__(self, other: object) -> bool:
        return self is other  # two runs with the same numbers are two runs

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __repr__(self) -> str:
        numbers = {
            k: v[-1] for k, v in self.history.items() if isinstance(v[-1], float)
        }
        last = ", ".join(f"{k}={v:.4g}" for k, v in numbers.items())
        return f"History({self.epochs} epochs; last: {last})"
