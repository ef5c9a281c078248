"""One write that waits for its commit."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from stackwright.storage.sql import Do, Script

Work = Do | Callable[[], Script[Any]]
"""A single statement, or what builds a script."""


class Job:
    """A piece of work, the future its caller awaits, and how it went. The future belongs to the event loop's thread.

    `limit` is how long it may wait to begin, in the terms of its lane.
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


class Lane(Protocol):
    """Where queued writes are performed, many to a commit."""

    def submit(self, work: Work, patience: float) -> "asyncio.Future[Any]":
        """Queue one piece of work. Its future fails with `Unavailable` when it cannot begin within `patience` seconds;
        once begun it is committed or failed, whether or not its caller still waits."""
        ...
