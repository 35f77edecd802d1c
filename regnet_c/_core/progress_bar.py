"""Progress bars: of `Network.fit`, and over the steps of longer work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from ..typing import Logs

_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class StepBar:
    """A tqdm bar over steps, or nothing."""

    def __init__(
        self,
        show: bool,
        total: int,
        name: str,
        unit: str,
        ncols: int | None = None,
        done: int = 0,
    ) -> None:
        self._bar: Any = None
        if show and sys.stderr is not None:  # as under pythonw
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=total, initial=done, unit=f" {unit}", desc=name, ncols=ncols
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar in its current state."""
        if self._bar is not None:
            self._bar.close()

    def expect(self, left: int) -> None:
        """At most `left` steps are still to come."""
        if self._bar is not None:
            self._bar.total = self._bar.n + left

    def step(self, text: str) -> None:
        """One step is done; more than expected are shown too."""
        if self._bar is not None:
            self._bar.total = max(self._bar.total, self._bar.n + 1)
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update()


def terminal_width() -> int:
    """Columns of a bar: at most 80."""
    import shutil  # and every kind of archive

    return min(80, shutil.get_terminal_size().columns)


class ProgressBar:
    """A tqdm bar over all rows of all epochs, at most 80 columns wide, or nothing."""

    def __init__(self, show: bool, epochs: int, n: int, done: int = 0) -> None:
        self._bar, self._n, self._epoch, self._epochs = None, n, done, epochs
        if show and sys.stderr is not None:
            from tqdm.auto import tqdm

            notebook = any(c.__module__ == "tqdm.notebook" for c in tqdm.__mro__)
            self._bar = tqdm(
                total=epochs * n,
                initial=done * n,
                desc=self._count(),
                bar_format=_BAR,
                ncols=None if notebook else terminal_width(),
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
