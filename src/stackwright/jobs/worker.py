"""One process's part of the work: finds jobs, runs their handlers, and keeps saying that it lives."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Literal, Protocol, TypeVar

from stackwright.errors import StackwrightError, Unavailable
from stackwright.jobs.queue import Job, JobQueue, LeaseLost
from stackwright.kit.beside import rounds
from stackwright.storage.sql import Script

T = TypeVar("T")

log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between two looks at the table: for work, and for jobs that are no longer ours."""
SWEEP = 300.0


class Fence:
    """A handler's hold on its job. Made by the worker."""

    def __init__(self, queue: JobQueue, job: Job) -> None:
        self.stopped: Literal["lost", "timeout", "stopping"] | None = None
        """Why the handler was cancelled."""
        self.ended = False
        """True when the handler has ended the job itself."""
        self._queue = queue
        self._job = job

    def holding(self) -> Script[None]:
        """Begin a script that writes on the job's behalf. `LeaseLost` when it is no longer ours."""
        return self._queue.holding(self._job)

    def ending(self, state: Literal["done", "failed"]) -> Script[None]:
        """End the job in the script that completes its work. `LeaseLost` when it is no longer ours."""
        yield from self._queue.ending(self._job, state)
        self.ended = True


Handler = Callable[[Job, Fence], Awaitable[None]]
Adding = Callable[[], Script[None]]
"""Builds a script that adds a job."""


class Transacting(Protocol):
    """What runs scripts in a queue's database."""

    async def transact(self, script: Callable[[], Script[T]]) -> T:
        """See `SqlBackend`."""
        ...


class _Run:
    """A job being worked on."""

    def __init__(self, job: Job, fence: Fence, task: "asyncio.Task[None]") -> None:
        self.job = job
        self.fence = fence
        self.task = task

    def stop(self, why: Literal["lost", "timeout", "stopping"]) -> None:
        if self.fence.stopped is None:
            self.fence.stopped = why
            self.task.cancel()


class Worker:
    """Runs the handlers of some kinds of jobs, several at once."""

    def __init__(
        self, queue: JobQueue, handlers: Mapping[str, Handler], *, slots: int = 4, seconds: float = 3600.0
    ) -> None:
        """Prepare; `running` begins.

        Args:
            queue: Where the jobs are.
            handlers: What to do, by the job's kind. Jobs of other kinds are left to other workers.
            slots: Most jobs at once.
            seconds: Most time for one job.
        """
        self._queue = queue
        self._handlers = handlers
        self._kinds = tuple(sorted(handlers))
        self._slots = slots
        self._seconds = seconds
        self._runs: dict[int, _Run] = {}
        self._adding: set[asyncio.Task[None]] = set()
        """Jobs that are being claimed as they are added. Each has its slot."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = True
        self._closing = False
        self._look_at = 0.0
        self._extend_at = 0.0
        self._sweep_at = 0.0

    @property
    def active(self) -> int:
        """Jobs being worked on here."""
        return len(self._runs)

    @property
    def _full(self) -> bool:
        return len(self._runs) + len(self._adding) >= self._slots

    def drain(self) -> None:
        """Begin no more jobs."""
        self._draining = True

    async def idle(self) -> None:
        """Wait until no job is being worked on here."""
        await self._idle.wait()

    async def hand_over(self, adding: Adding, database: Transacting) -> None:
        """Add a job, committed on return. When a slot is free here, the job, or one that has waited for longer, is
        claimed in the same transaction and begun at once."""
        if self._full or self._draining:
            await database.transact(adding)
            self._queue.woken.set()
        else:
            # Shielded: a job that was claimed must be begun, also when who added it is gone by then.
            task = asyncio.create_task(self._add_and_begin(adding, database))
            self._adding.add(task)
            task.add_done_callback(self._adding.discard)
            await asyncio.shield(task)

    async def _add_and_begin(self, adding: Adding, database: Transacting) -> None:
        def script() -> Script[Job | None]:
            yield from adding()
            return (yield from self._queue.claiming(self._queue.owner, self._kinds))

        if (job := await database.transact(script)) is not None:
            self._begin(job)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Worker"]:
        """Work until the block is left. What has not ended then is left to others."""
        self._draining = False
        looking = asyncio.create_task(self._rounds())
        try:
            yield self
        finally:
            # Not cancelled: a claim that is on its way would become a job that nobody works on.
            self._closing = self._draining = True
            self._queue.woken.set()
            await looking
            await asyncio.gather(*self._adding, return_exceptions=True)
            await self._hand_back()

    async def _hand_back(self) -> None:
        await asyncio.sleep(0)  # A task that never began could not be told why it stops.
        runs = list(self._runs.values())
        for run in runs:
            run.stop("stopping")
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)
        try:
            await self._queue.hand_back(self._queue.owner)
        except StackwrightError as error:
            log.warning("The jobs of this process wait until their leases run out: %s", error.message)

    async def _rounds(self) -> None:
        tell = partial(log.warning, "Cannot look for jobs in %s now, and trying again: %s", self._queue.name)
        await rounds(self._round, self._woken, tell, over=lambda: self._closing)

    async def _woken(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await self._queue.woken.wait()
        self._queue.woken.clear()

    async def _round(self) -> None:
        now = asyncio.get_running_loop().time()
        # Not at every end of a short job, which wakes us for the next one.
        if now >= self._look_at and (self._runs or now >= self._extend_at):
            await self._look_after_ours(now)
            self._look_at = now + POLL
        while not self._draining and (job := await self._claimed()) is not None:
            self._begin(job)
        # A little at a time: leases must be extended in between.
        if now >= self._sweep_at and not await self._queue.sweep():
            self._sweep_at = now + SWEEP

    async def _claimed(self) -> Job | None:
        owner = self._queue.owner
        if not self._full:
            return await self._queue.claim(owner, self._kinds)
        # Nobody waits for a process that died: what it left behind is not kept waiting for a slot.
        return await self._queue.adopt(owner, self._kinds)

    async def _look_after_ours(self, now: float) -> None:
        known = list(self._runs.values())
        owned = await self._queue.owned(self._queue.owner)
        if now >= self._extend_at:
            await self._queue.extend([*(run.job for run in known), *(one for one in owned if one.state == "queued")])
            self._extend_at = now + self._queue.lease / 3
        ours = {(one.seq, one.fence) for one in owned}
        for run in known:
            if (run.job.seq, run.job.fence) not in ours:
                run.stop("lost")

    def _begin(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        fence = Fence(self._queue, job)
        run = _Run(job, fence, loop.create_task(self._run(job, fence)))
        timer = loop.call_later(self._seconds, run.stop, "timeout")
        self._runs[job.seq] = run
        self._idle.clear()

        def over(_: "asyncio.Task[None]") -> None:
            timer.cancel()
            # The same job may have come back to us under a newer fence.
            if self._runs.get(job.seq) is run:
                del self._runs[job.seq]
            if not self._runs:
                self._idle.set()
            self._queue.woken.set()

        run.task.add_done_callback(over)

    async def _run(self, job: Job, fence: Fence) -> None:
        try:
            outcome = await self._outcome(job, fence)
            if outcome is not None and not fence.ended:
                await self._queue.end(job, outcome)
        except LeaseLost:
            log.info("Job %s was cancelled, or is another worker's now.", job.id)
        except StackwrightError as error:
            # Its lease runs out, and another worker begins it again.
            log.warning("Ending job %s: %s", job.id, error.message)
            return
        self._queue.forget(job)

    async def _outcome(self, job: Job, fence: Fence) -> Literal["done", "failed"] | None:
        """Run the handler and return how the job ended; None when it did not, and goes on elsewhere."""
        try:
            await self._handlers[job.kind](job, fence)
        except (LeaseLost, Unavailable):
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if fence.stopped is None or task is None:
                raise
            task.uncancel()
            return "failed" if fence.stopped == "timeout" else None
        except Exception:
            log.exception("Job %s (%s) failed.", job.id, job.kind)
            return "failed"
        return "done"
