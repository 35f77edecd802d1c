"""The course of an epoch: which block comes when, and in which order its rows are taken.

Data in memory are one block.  The blocks of a `Stream` are numbered through all epochs:
block `at` of the course is the one at place ``at % count`` of epoch ``at // count``.  What
it is and the order of its rows are functions of the seed and the epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import binding
from .stream import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..typing import IntArray
    from .data import Data
    from .stream import Stream

# between the seeds of two blocks; odd, so that all 2^64 are visited before one repeats
_NEXT_SEED = 0xD1B54A32D192ED03


def block_seed(seed: int, number: int) -> int:
    """The seed of a block's random numbers."""
    return (seed + number * _NEXT_SEED) % 2**64


class Course:
    """The blocks of all epochs.

    Parameters
    ----------
    data : Data or Stream
    batch_size : int
        No batch has rows of two blocks.
    shuffle : bool
    seed : int

    Attributes
    ----------
    count : int
        Blocks of an epoch.
    steps : int
        Batches of an epoch.
    """

    count: int
    steps: int

    def __init__(
        self, data: Data | Stream, batch_size: int, shuffle: bool, seed: int
    ) -> None:
        self._data, self._batch_size = data, batch_size
        self._shuffle, self._seed = shuffle, seed
        self.count = len(data.lengths)
        self.steps = sum(map(self._steps, data.lengths))
        self._reader = Reader(data) if self.count > 1 else None
        self._epoch: int | None = None
        self._blocks: Sequence[int] = ()

    def _steps(self, rows: int) -> int:
        return -(-rows // self._batch_size)

    def _permutation(self, n: int, stream: int, epoch: int) -> IntArray:
        order = np.empty(n, np.int64)
        binding.permutation(order, block_seed(self._seed, stream), epoch)
        return order

    def _numbers(self, epoch: int) -> Sequence[int]:
        """The blocks of an epoch in their order."""
        if epoch != self._epoch:
            self._blocks = range(self.count)
            if self._shuffle:  # the streams below count are the blocks' own
                order = self._permutation(self.count, self.count, epoch)
                self._blocks = order.tolist()
            self._epoch = epoch
        return self._blocks

    def _number(self, at: int) -> int:
        if self.count == 1:
            return 0
        epoch, place = divmod(at, self.count)
        return self._numbers(epoch)[place]

    def _before(self, at: int) -> Sequence[int]:
        """Rows of each block of the epoch that comes before."""
        if self.count == 1:
            return ()
        epoch, place = divmod(at, self.count)
        return [self._data.lengths[k] for k in self._numbers(epoch)[:place]]

    def block(self, at: int, last: bool) -> Data:
        """The rows of block `at`, a Data; the next block is read meanwhile, unless this is
        the last one."""
        if self._reader is None:
            return self._data.block(0)
        following = None if last else self._number(at + 1)
        return self._reader.read(self._number(at), following)

    @property
    def is_reading(self) -> bool:
        """Whether a thread reads the next block now."""
        return self._reader is not None and self._reader.is_busy

    def order(self, at: int) -> IntArray | None:
        """The order in which its rows are taken; None: as stored."""
        rows = self.rows(at)
        if not self._shuffle or self._batch_size >= rows:
            return None
        return self._permutation(rows, self._number(at), at // self.count)

    def rows(self, at: int) -> int:
        """Number of its rows."""
        return self._data.lengths[self._number(at)]

    def steps_of(self, at: int) -> int:
        """Number of its batches."""
        return self._steps(self.rows(at))

    def rows_before(self, at: int) -> int:
        """Rows of the epoch before it."""
        return sum(self._before(at))

    def steps_before(self, at: int) -> int:
        """Batches of the epoch before it."""
        return sum(map(self._steps, self._before(at)))

    def close(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            self._reader.close()
