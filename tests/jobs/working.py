"""A process that works on jobs until it is told to stop: `python -m tests.jobs.working DATABASE LEASE`.

A job's payload says how many ticks it takes. Each tick is a row, written under the fence; a job that is begun again
ends at once. What a handler meets is printed.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from stackwright.jobs import Fence, Job, JobQueue, LeaseLost, Worker
from stackwright.storage.sql import Do, Migration, Script
from tests.databases import database_at

FREEZE = b"1000000"
"""So many ticks that the process pauses itself within the first, where it holds the job's row."""

TICKS = [Migration(1, ["CREATE TABLE ticks (seq {serial}, job TEXT NOT NULL, pid BIGINT NOT NULL)"])]


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Ticking:
    """The handler."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._insert = database.render("INSERT INTO ticks (job, pid) VALUES ($1, $2)")

    async def __call__(self, job: Job, fence: Fence) -> None:
        say("begun", job.id, job.attempts)
        try:
            for _ in range(int(job.payload) if job.attempts == 1 else 1):
                await self._database.transact(lambda: self._tick(job, fence))
                await asyncio.sleep(0.02)
            await self._database.transact(lambda: self._last(job, fence))
            say("ended", job.id)
        except LeaseLost:
            say("lost", job.id)
            raise
        except asyncio.CancelledError:
            say(fence.stopped, job.id)
            raise

    def _tick(self, job: Job, fence: Fence) -> Script[None]:
        yield from fence.holding()
        if job.payload == FREEZE and job.attempts == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        yield Do(self._insert, (job.id, os.getpid()))

    def _last(self, job: Job, fence: Fence) -> Script[None]:
        yield Do(self._insert, (job.id, os.getpid()))
        yield from fence.ending("done")


async def work(where: str, lease: float) -> None:
    database = database_at(where)
    await database.open()
    await database.migrate("ticks", TICKS)
    queue = JobQueue(database, "jobs", lease=lease)
    await queue.prepare()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with Worker(queue, {"tick": Ticking(database)}, slots=8).running():
        say("ready")
        await stopping.wait()
    await database.close()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], float(sys.argv[2])))
