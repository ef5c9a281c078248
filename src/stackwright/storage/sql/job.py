"""One write that waits for its commit."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from stackwright.storage.sql import Do, Script

Work = Sequence[Do] | Callable[[], Script[Any]]
"""Statements as `SqlBackend.commit` takes them, or what builds a script."""


class Job:
    """A piece of work, the future its caller awaits, and how it went. The future belongs to the event loop's thread.

    `limit` is when it must have begun, on the event loop's clock.
    """

    __slots__ = ("error", "future", "limit", "result", "work")

    def __init__(self, work: Work, future: "asyncio.Future[Any]", limit: float) -> None:
        self.work = work
        self.future = future
        self.limit = limit
        self.result: Any = None
        self.error: Exception | None = None


def release(jobs: Iterable[Job]) -> None:
    """Tell every caller how its job went. One that no longer waits is passed over."""
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


class Impatience:
    """One timer for all jobs of a lane: it follows the one that loses patience next."""

    def __init__(
        self, late: Callable[[float], tuple[list[Job], float | None]], refusal: Callable[[], Exception]
    ) -> None:
        """Use the running event loop.

        Args:
            late: Takes the jobs out whose limit is not after a time; returns them, and the next limit if there is one.
            refusal: What to tell their callers.
        """
        self._loop = asyncio.get_running_loop()
        self._late = late
        self._refusal = refusal
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, limit: float) -> None:
        """Ring at this time at the latest."""
        if self._timer is None or limit < self._timer.when():
            self.stop()
            self._timer = self._loop.call_at(limit, self._ring)

    def stop(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        jobs, following = self._late(self._loop.time())
        if following is not None:
            self.follow(following)
        for job in jobs:
            job.error = self._refusal()
        release(jobs)


class Lane(Protocol):
    """Where queued writes are performed, many to a commit."""

    def submit(self, work: Work, patience: float) -> "asyncio.Future[Any]":
        """Queue one piece of work. Its future fails with `Unavailable` when it cannot begin within `patience` seconds;
        once begun it is committed or failed, whether or not its caller still waits."""
        ...
