"""How many threads a call gets, and how they divide a step.

No bit of a result depends on what is decided here: only the time does.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
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
_ASLEEP = 0.2  # share of its threads' time that a team may spend asleep unasked
_WINDOW = 0.02  # seconds of work after which a team is judged
_TRIAL = 0.004  # and those of a trial of the other number of threads
_NOISE = 1.05  # one thread must be faster than a team by more than this
_FIRST_PAUSE, _LAST_PAUSE = 0.02, 0.25  # seconds between two trials
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


@dataclass
class Judgement:
    """What the last trial of any run says of the machine; the next run starts from it."""

    alone: bool = False
    pause: float = _FIRST_PAUSE
    next_trial: float = -math.inf


_OF_THE_MACHINE = Judgement()


class Pace:
    """How many threads the calls of a run get: all it may have, or one if that is faster.

    Threads that meet many times in a millisecond need their CPUs at the same time.
    Where another program holds one, they sleep, waiting for each other.  A team that
    sleeps much is compared with one thread by their times per row, in a short trial,
    and one thread tries the team again after a pause.  The pause doubles with every
    trial that speaks for one thread, and halves with every other one and every window of
    work in which the team is awake, so that trials cost a few per cent of the time and a
    disturbance of milliseconds is over in milliseconds.  The result has the same bits.

    Parameters
    ----------
    most : int
        Threads of the team.
    last : Judgement, optional
        Of other runs on this machine, kept up to date.
    """

    def __init__(self, most: int, last: Judgement = _OF_THE_MACHINE) -> None:
        self._most, self._last = most, last
        # a run may be too short for a trial of its own
        self._on_trial = last.alone and time.monotonic() >= last.next_trial
        self._threads = 1 if last.alone and not self._on_trial else most
        self._per_row: dict[int, float] = {}  # seconds, when last judged
        self._forget()

    def _forget(self) -> None:
        self._rows, self._seconds, self._asleep = 0, 0.0, 0.0

    @property
    def threads(self) -> int:
        """Those of the next call."""
        return self._threads

    @property
    def seconds(self) -> float:
        """Of work until the threads in use are judged."""
        return _TRIAL if self._on_trial else _WINDOW

    def report(self, rows: int, seconds: float, asleep: float) -> None:
        """Note the time of a call, and how long its threads slept in sum."""
        if self._most == 1:
            return
        self._rows += rows
        self._seconds += seconds
        self._asleep += asleep
        if self._seconds < self.seconds:
            return
        self._per_row[self._threads] = self._seconds / max(1, self._rows)
        sleepy = self._asleep > _ASLEEP * self._threads * self._seconds
        self._forget()
        if self._on_trial:
            self._decide(sleepy)
        elif self._threads > 1 and not sleepy:
            self._last.pause = max(self._last.pause / 2, _FIRST_PAUSE)
        elif time.monotonic() >= self._last.next_trial:
            self._on_trial = True
            self._threads = 1 if self._threads > 1 else self._most

    def _decide(self, sleepy: bool) -> None:
        """The faster number of threads continues."""
        alone_is_faster = sleepy
        if 1 in self._per_row:
            alone_is_faster = self._per_row[self._most] > _NOISE * self._per_row[1]
        self._threads = 1 if alone_is_faster else self._most
        self._on_trial = False
        last = self._last
        if alone_is_faster:
            last.pause = min(2 * last.pause, _LAST_PAUSE)
        else:
            last.pause = max(last.pause / 2, _FIRST_PAUSE)
        last.alone, last.next_trial = alone_is_faster, time.monotonic() + last.pause
