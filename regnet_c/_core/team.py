"""How many threads a call gets, and how they divide a step.

No bit of a result depends on what is decided here: only the time does.
"""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from . import binding

if TYPE_CHECKING:
    from .plan import Plan

    class Division(TypedDict):
        """Members of rn_run."""

        n_threads: int
        block_rows: int
        piece_rows: int
        by_layer: bool


_STEP_WORK = 1_500_000  # multiply-adds of a step that repay one more thread's barriers
_CALL_WORK = 4_000_000  # and of a call that repay starting it
_ENTRY_WORK = 4  # products of the first layer that take as long as one of an entry
_ASLEEP = 0.2  # share of the threads' time that they may spend asleep
_WINDOW = 0.02  # seconds of work after which the machine is judged
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0  # seconds of one thread on a crowded machine
_PIECE_BYTES = 1 << 15  # weights whose gradient travels from thread to thread
_PIECE_ROWS, _PIECES = 256, 64  # rows of a piece, pieces of a block
_NEAR_BYTES = 1 << 17  # weights beyond this are read once per block, not per panel
_BLOCK_BYTES = 1 << 18
MIN_BLOCK_ROWS = 256


def available_threads() -> int:
    """Number of CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def useful_threads(
    plan: Plan,
    threads: int | None,
    step_rows: int,
    call_rows: int,
    products: int,
    entries: int | None = None,
) -> int:
    """At most `threads`, fewer where starting and meeting would cost more than it saves.

    Between two barriers lies a step of `step_rows`, between two starts of the team a
    call of about `call_rows`; `products` is the dense products per layer: 3 in
    training, 1 in prediction; `entries` those of a row that is read entry by entry.
    """
    work = products * plan.products
    if entries is not None:
        first = plan.dense[0]
        spared = first.n_in - _ENTRY_WORK * entries
        work -= products * plan.members * spared * first.n_out
    step, call = step_rows * work, call_rows * work
    if step < _STEP_WORK or call < _CALL_WORK:
        return 1  # asking the system would take longer than a small prediction
    paid = min(step // _STEP_WORK, call // _CALL_WORK)
    limit = available_threads() if threads is None else threads
    return int(min(limit, paid + 1))


def block_rows(plan: Plan, batch_size: int, entries: int | None = None) -> int:
    """Rows whose activations are kept at a time; no bit depends on it."""
    if entries is not None and batch_size <= binding.LONG_BATCH:
        return batch_size  # their columns are looked up once
    units = plan.dense[0].n_in + 3 * sum(layer.n_out for layer in plan.dense)
    rows = max(MIN_BLOCK_ROWS, _BLOCK_BYTES // (units * plan.dtype.itemsize))
    return batch_size if batch_size <= 2 * rows else rows // 64 * 64


def divide(
    plan: Plan, threads: int | None, batch_size: int, n: int, entries: int | None = None
) -> Division:
    """How a step is divided among threads and cut into blocks; no bit depends on it.

    Parameters
    ----------
    plan : Plan
    threads : int or None
        At most.
    batch_size, n : int
        Rows of a batch and of the data.
    entries : int, optional
        Of a row that is read entry by entry.

    Returns
    -------
    dict
        n_threads, block_rows, piece_rows, by_layer: members of rn_run.
    """
    threads = useful_threads(plan, threads, batch_size, n, 3, entries)
    if plan.members > 1:  # each thread has one
        return {
            "n_threads": min(threads, plan.members),
            "block_rows": block_rows(plan, batch_size, entries),
            "piece_rows": 0,
            "by_layer": _are_far(plan.member_plan),
        }
    if (
        threads > 1
        and entries is None
        and plan.size * plan.dtype.itemsize <= _PIECE_BYTES
        and batch_size >= 4 * threads * _PIECE_ROWS
    ):
        rows = min(batch_size, _PIECES * _PIECE_ROWS)
        return {
            "n_threads": threads,
            "block_rows": rows,
            "piece_rows": _PIECE_ROWS,
            "by_layer": False,
        }
    rows = block_rows(plan, batch_size, entries)
    panels = -(-min(rows, batch_size) // (2 * binding.lanes(plan.dtype == np.float32)))
    even = panels >= threads and (panels % threads == 0 or panels >= 4 * threads)
    return {
        "n_threads": threads,
        "block_rows": rows,
        "piece_rows": 0,
        "by_layer": not even or _are_far(plan),
    }


def _are_far(plan: Plan) -> bool:
    """Whether the weights are better read once per block than once per panel."""
    return plan.size * plan.dtype.itemsize > _NEAR_BYTES


class Crowd:
    """Whether other programs leave CPUs free for a team of threads.

    Threads that meet many times in a millisecond need their CPUs at the same time.
    Where other programs hold a CPU, the threads mostly sleep, waiting for each other,
    and one thread is faster: then only one is used for a while, longer each time,
    before the next attempt. The result has the same bits.
    """

    def __init__(self) -> None:
        self._alone_until, self._pause = -math.inf, _FIRST_PAUSE
        self._seconds = self._asleep = 0.0

    def threads(self, wanted: int) -> int:
        """How many of the wanted threads to use now."""
        return 1 if time.monotonic() < self._alone_until else wanted

    def report(self, threads: int, seconds: float, asleep: float) -> None:
        """Note the time of a call of n threads, and how long they slept in sum."""
        if threads == 1:
            return
        self._seconds += threads * seconds
        self._asleep += asleep
        if self._seconds < threads * _WINDOW:
            return
        crowded = self._asleep > _ASLEEP * self._seconds
        self._seconds = self._asleep = 0.0
        if crowded:
            self._alone_until = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, _LAST_PAUSE)
        else:
            self._pause = _FIRST_PAUSE
