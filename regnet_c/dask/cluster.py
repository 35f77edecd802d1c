"""Tasks on the workers of a cluster, or one after the other in this process."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import dask
import distributed
from distributed.comm import CommClosedError

from .._core import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    T = TypeVar("T")
    Client: TypeAlias = distributed.Client | Literal["serial"] | None

_LOOK = 0.5  # seconds between two looks at the connection
_GRACE = 10.0  # seconds in which it may come back


class Serial:
    """Runs tasks here: what the workers of a cluster have to agree with."""

    def compute(self, delayed: Sequence[Any]) -> list[Any]:
        """Results of delayed objects, kept in memory."""
        return list(dask.compute(*delayed, scheduler="synchronous"))

    results = compute

    def run(
        self, function: Callable[..., T], shards: Sequence[Any], *arguments: Any
    ) -> list[T]:
        """[function(shard, *arguments, its number)] for all shards."""
        return [function(s, *arguments, number=k) for k, s in enumerate(shards)]


class Cluster:
    """Runs tasks on workers; what they return does not depend on which ones.

    Parameters
    ----------
    client : distributed.Client
    timeout : float
        Seconds in which at least one task has to end.
    retries : int
        How often a task that raised is tried again.
    """

    def __init__(
        self, client: distributed.Client, timeout: float, retries: int
    ) -> None:
        self._client, self._timeout, self._retries = client, timeout, retries

    def compute(self, delayed: Sequence[Any]) -> list[Any]:
        """Futures of delayed objects, which stay on the workers."""
        futures = self._client.compute(delayed, retries=self._retries)
        self._wait(futures)
        found: list[Any] = futures
        return found

    def run(
        self, function: Callable[..., T], shards: Sequence[Any], *arguments: Any
    ) -> list[T]:
        """[function(shard, *arguments, its number)] for all shards, in their order."""
        futures = [
            self._client.submit(
                function,
                shard,
                *arguments,
                number=number,
                pure=False,
                retries=self._retries,
            )
            for number, shard in enumerate(shards)
        ]
        return self._wait(futures, gather=True)

    def results(self, delayed: Sequence[Any]) -> list[Any]:
        """Results of delayed objects."""
        return self._wait(
            self._client.compute(delayed, retries=self._retries), gather=True
        )

    def _wait(self, futures: Sequence[Any], gather: bool = False) -> list[Any]:
        """Wait for all; errors of tasks are raised.

        TimeoutError if none ends in time, ConnectionError without a scheduler.
        """
        pending, results = dict(enumerate(futures)), {}
        last = seen = time.monotonic()
        while pending:
            done = {}
            try:
                self._look([*pending.values()])
                done = {k: f for k, f in pending.items() if f.done()}
                for number, future in done.items():
                    results[number] = self._result(future, gather)
                    del pending[number]
            except (CancelledError, CommClosedError) as error:
                raise self._lost() from error
            now = time.monotonic()
            last = now if done else last
            seen = now if self._client.status == "running" else seen
            if now - seen > _GRACE:
                raise self._lost()
            if now - last > self._timeout:
                raise TimeoutError(self._stuck(len(pending)))
        return [results[number] for number in range(len(futures))]

    def _look(self, futures: Sequence[Any]) -> None:
        with contextlib.suppress(TimeoutError):
            distributed.wait(futures, timeout=_LOOK, return_when="FIRST_COMPLETED")

    def _result(self, future: Any, gather: bool) -> Any:
        """Its result; without `gather` it stays where it is, and only errors come.

        If its worker is lost in this moment, it is computed again.
        """
        if not gather and future.status == "finished":
            return None
        try:
            result = future.result(timeout=self._timeout)
        except TimeoutError as error:
            if future.status == "error":  # the task's own
                raise
            raise TimeoutError(self._stuck(1)) from error
        return result if gather else None

    def _lost(self) -> ConnectionError:
        return ConnectionError(
            "the connection to the Dask scheduler is lost; the rounds that ended before, "
            "if any, are kept"
        )

    def _stuck(self, count: int) -> str:
        try:  # scheduler_info would wait without end for a scheduler that is stopped
            call = self._client.scheduler.identity
            about = self._client.sync(call, n_workers=-1, callback_timeout=_GRACE)
            names = ", ".join(sorted(about["workers"])) or "none"
        except (TimeoutError, OSError):
            names = "unknown, the scheduler does not answer"
        return (
            f"none of {count} tasks ended in {self._timeout} seconds; workers: {names}"
        )


def executor(client: Client, timeout: float, retries: int) -> Serial | Cluster:
    """Where tasks run: "serial", a Client, or None for the one there is.

    Raises
    ------
    TypeError, ValueError
        For something else, or if there is none.
    """
    if isinstance(client, str) and client == "serial":
        return Serial()
    try:
        client = distributed.get_client() if client is None else client
    except ValueError as error:
        raise ValueError(
            "client is None and there is no Dask client: make one, or client='serial'"
        ) from error
    if not isinstance(client, distributed.Client):
        raise TypeError(
            f"client is {checks.a_type(client)}, expected a distributed.Client, None "
            "or 'serial'"
        )
    return Cluster(client, timeout, retries)
