"""A store's writes on their way to Postgres: the equal ones together, a few batches at once."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from stackwright.errors import Unavailable
from stackwright.storage.sql import Do, Row, Script, Value
from stackwright.storage.sql.job import Impatience, Job, Work, release
from stackwright.storage.sql.postgres_one import as_one

T = TypeVar("T")


class Committer(Protocol):
    """What a lane needs of its database."""

    name: str

    async def commit(self, do: Do, *also: Do, patience: float | None = None) -> list[Row]: ...

    async def commit_many(self, sql: str, args: Sequence[Sequence[Value]], *, patience: float) -> None: ...

    async def transact(self, script: Callable[[], Script[T]], *, patience: float | None = None) -> T: ...


class PostgresLane:
    """Performs queued writes with at most `batches` batches at once; the next batch forms while they run."""

    def __init__(self, database: Committer, batches: int) -> None:
        self._database = database
        self._batches = batches
        self._running: set[asyncio.Task[None]] = set()
        # By what may share a commit: all inserts of one table are one entry, a script is an entry of its own.
        self._waiting: dict[object, list[Job]] = {}
        self._impatience: Impatience | None = None

    def submit(self, work: Work, patience: float) -> "asyncio.Future[Any]":
        """Queue one piece of work; see `Lane`."""
        loop = asyncio.get_running_loop()
        if not callable(work):
            work = (as_one(work[0], work[1:]),)
        job = Job(work, loop.create_future(), loop.time() + patience)
        key = job if callable(work) or "RETURNING" in work[0].sql else work[0].sql
        self._waiting.setdefault(key, []).append(job)
        if len(self._running) < self._batches:
            task = asyncio.create_task(self._drain())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        self._impatience = self._impatience or Impatience(self._take_late, self._held_up)
        self._impatience.follow(job.limit)
        return job.future

    async def drained(self) -> None:
        """Return when nothing waits or runs."""
        while self._running:
            await asyncio.wait(self._running)
        if self._impatience is not None:
            self._impatience.stop()

    def _held_up(self) -> Unavailable:
        return Unavailable(
            f"Backend {self._database.name!r}: the writes before this one took too long. Nothing was written."
        )

    def _take_late(self, now: float) -> tuple[list[Job], float | None]:
        late = [job for jobs in self._waiting.values() for job in jobs if job.limit <= now]
        kept = {key: [job for job in jobs if job.limit > now] for key, jobs in self._waiting.items()}
        self._waiting = {key: jobs for key, jobs in kept.items() if jobs}
        return late, min((job.limit for jobs in self._waiting.values() for job in jobs), default=None)

    async def _drain(self) -> None:
        # A task begins on the loop's next round. On the one after, who is about to write as well is there, too.
        await asyncio.sleep(0)
        while self._waiting:
            batch = self._waiting.pop(next(iter(self._waiting)))
            await self._perform(batch)
            release(batch)
        # Now, not when the task's end is told: one who was just released may submit before that, and would wait for
        # a task that is over.
        self._running.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _perform(self, batch: list[Job]) -> None:
        if len(batch) > 1 and await self._together(batch):
            return
        for job in batch:
            try:
                job.result = await self._alone(job)
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the one who waits
                job.error = error

    async def _together(self, batch: list[Job]) -> bool:
        """Perform all in one transaction. False when one of them spoilt it: then each goes alone."""
        works = [job.work[0] for job in batch if not callable(job.work)]
        try:
            # In the order of arrival, the last is the most patient: a batch begins while anybody in it still waits.
            await self._database.commit_many(works[0].sql, [do.args for do in works], patience=_left(batch[-1]))
        except Unavailable as error:
            for job in batch:
                job.error = error
        except Exception:  # noqa: BLE001 - the guilty one raises it again when it goes alone
            return False
        else:
            for job in batch:
                job.result = []
        return True

    async def _alone(self, job: Job) -> Any:
        if callable(job.work):
            return await self._database.transact(job.work, patience=_left(job))
        return await self._database.commit(*job.work, patience=_left(job))


def _left(job: Job) -> float:
    """Return the seconds that a job still has to begin."""
    return max(0.0, job.limit - asyncio.get_running_loop().time())
