"""Data that arrive block by block, are checked then, and are read one block ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .data import checked_data
from .digest import hexdigest, sha256

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from ..blocks import Blocks
    from .data import Data
    from .plan import Plan


class Stream:
    """Blocks of rows for a network; one is read here, so that wrong data are refused early.

    Parameters
    ----------
    blocks : Blocks
    plan : Plan

    Attributes
    ----------
    n : int
        Rows of all blocks.
    lengths : tuple of int
        Rows of each.
    row_entries : int or None
        That of the first block; see `Data`.

    Raises
    ------
    TypeError, ValueError
        For a first block that does not fit the network.
    """

    n: int
    lengths: tuple[int, ...]
    row_entries: int | None

    def __init__(self, blocks: Blocks, plan: Plan) -> None:
        self._blocks, self._plan, self._kept = blocks, plan, None
        self._checksums: dict[int, str] = {}
        first = self.block(0)
        self.lengths, self.row_entries = tuple(blocks.lengths), first.row_entries
        self.n = sum(self.lengths)
        if len(self.lengths) == 1:
            self._kept = first

    def block(self, number: int) -> Data:
        """Read a block; a Data.  ValueError if it has changed since the first time."""
        if self._kept is not None:
            return self._kept
        try:
            data = checked_data(self._plan, *self._blocks.read(number))
            found = data.checksum()
            if self._checksums.setdefault(number, found) != found:
                raise ValueError("its rows have changed since they were first read")
        except (TypeError, ValueError) as error:
            raise type(error)(f"block {number}: {error}") from error
        return data

    def checksum(self) -> str:
        """16 hexadecimal digits that tell these blocks from others.

        They are those of the number of rows of each and of the first one's content: to
        look at the others would take as long as an epoch.  A block that changes later is
        noticed when it is read again.
        """
        text = f"{self._checksums[0]} {self.lengths}"
        return hexdigest(sha256(text.encode()))[:16]


class Reader:
    """Reads the next block while another one is in use.

    Also the first of the next epoch, while the last of this one is trained on: where a
    callback stops then, that block has been read in vain.
    """

    def __init__(self, stream: Data | Stream) -> None:
        self._stream = stream
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[int, Future[Data]] = {}

    def read(self, number: int, following: int | None) -> Data:
        """Block `number`, and begin with `following` if there is one."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # and logging

            self._pool = ThreadPoolExecutor(1, "regnet_c reader")
        ahead, submit, read = self._ahead, self._pool.submit, self._stream.block
        if number not in ahead:
            ahead[number] = submit(read, number)
        block = ahead.pop(number).result()
        if following is not None:
            ahead[following] = submit(read, following)
        return block

    @property
    def is_busy(self) -> bool:
        """Whether a block is being read."""
        return not all(future.done() for future in self._ahead.values())

    def close(self) -> None:
        """Wait for the block that is being read, and forget it."""
        pool, self._pool, self._ahead = self._pool, None, {}
        if pool is not None:
            pool.shutdown(cancel_futures=True)
