"""The progress bar of `Network.fit`."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..typing import Logs

_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class ProgressBar:
    """A tqdm bar over all rows of all epochs, at most 80 columns wide, or nothing."""

    def __init__(self, show: bool, epochs: int, n: int, done: int = 0) -> None:
        self._bar, self._n, self._epoch, self._epochs = None, n, done, epochs
        if show and sys.stderr is not None:  # as under pythonw
            from tqdm.auto import tqdm

            notebook = any(c.__module__ == "tqdm.notebook" for c in tqdm.__mro__)
            self._bar = tqdm(
                total=epochs * n,
                initial=done * n,
                desc=self._count(),
                bar_format=_BAR,
                ncols=None if notebook else min(80, shutil.get_terminal_size().columns),
            )

    def _count(self) -> str:
        return f"epoch {min(self._epoch + 1, self._epochs)}/{self._epochs}"

    def rows(self, row: int, loss: float) -> None:
        """Row `row` of the epoch is done."""
        if self._bar is not None:
            self._bar.update(self._epoch * self._n + row - self._bar.n)
            if self._epoch == 0:
                self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)

    def epoch(self, logs: Logs) -> None:
        """An epoch is done; show its figures."""
        self._epoch += 1
        if self._bar is None:
            return
        parts = [f"loss {logs['loss']:.4g}"]
        if "val_accuracy" in logs:
            parts.append(f"val acc {logs['val_accuracy']:.2%}")
        elif "val_loss" in logs:
            parts.append(f"val loss {logs['val_loss']:.4g}")
        parts.append(f"zeros {logs['zeros']:.0%}")
        self._bar.set_description_str(self._count(), refresh=False)
        self._bar.set_postfix_str(", ".join(parts), refresh=False)

    def close(self) -> None:
        """Leave the bar in its current state."""
        if self._bar is not None:
            self._bar.close()
