"""A progress bar over the steps of a path."""

from __future__ import annotations

import sys
from typing import Self


class Bar:
    """A tqdm bar over steps, or nothing."""

    def __init__(self, show: bool, total: int, name: str) -> None:
        self._bar = None
        if show and sys.stderr is not None:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, unit=" steps", desc=name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, n_features: int) -> None:
        """One step is done."""
        if self._bar is not None:
            self._bar.total = max(self._bar.total, self._bar.n + 1)
            self._bar.set_postfix_str(f"{n_features} features", refresh=False)
            self._bar.update()
