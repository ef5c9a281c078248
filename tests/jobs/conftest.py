"""Both databases, and processes that work on the jobs in them."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stackwright.jobs import JobQueue
from tests.jobs.working import TICKS

ROOT = Path(__file__).parents[2]
LEASE = 1.5


class WorkingProcess:
    """A process that works."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.pid = process.pid

    async def says(self, line: str, within: float = 20.0) -> None:
        """Return when it prints the line; others before it are passed over."""
        assert self.process.stdout is not None
        async with asyncio.timeout(within):
            while heard := await self.process.stdout.readline():
                if heard.decode().strip() == line:
                    return
        raise AssertionError(f"it ended without saying {line!r}")

    def send(self, sig: signal.Signals) -> None:
        self.process.send_signal(sig)

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


Start = Callable[..., Awaitable[WorkingProcess]]


@pytest.fixture
async def database(database: Any) -> Any:
    await database.migrate("ticks", TICKS)
    return database


@pytest.fixture
async def queue(database: Any) -> JobQueue:
    made = JobQueue(database, "jobs", lease=LEASE)
    await made.prepare()
    return made


@pytest.fixture
async def start(where: str) -> AsyncIterator[Start]:
    """Start a process that works, with a lease of `LEASE` seconds unless told otherwise."""
    started: list[WorkingProcess] = []

    async def one(*, lease: float = LEASE) -> WorkingProcess:
        command = [sys.executable, "-m", "tests.jobs.working", where, str(lease)]
        process = WorkingProcess(await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE))
        started.append(process)
        await process.says("ready")
        return process

    yield one
    for process in started:
        await process.close()
