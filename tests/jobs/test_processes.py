"""Jobs and the processes that work on them: killed, paused, too many at once."""

import asyncio
import signal
from typing import Any

import pytest

from stackwright.jobs import JobQueue, State
from stackwright.storage.sql.postgres_connect import SILENCE
from tests.jobs.conftest import LEASE, Start, WorkingProcess
from tests.jobs.working import FREEZE
from tests.storage.sql.databases import eventually

LONG = b"10000"


async def ends(queue: JobQueue, id: str, state: State, within: float = 20.0) -> None:
    async def ended() -> bool:
        return await queue.state("ada", id) == state

    await eventually(ended, seconds=within)


async def pause(process: WorkingProcess, queue: JobQueue) -> None:
    """Pause a process between two of its transactions: in one, it would hold the lock of the SQLite file."""
    while True:
        process.send(signal.SIGSTOP)
        try:
            async with asyncio.timeout(0.5):
                await queue.cancel("ada", "nothing")
        except TimeoutError:
            process.send(signal.SIGCONT)
        else:
            return


async def ticks(database: Any) -> list[tuple[str, int]]:
    rows = await database.fetch("SELECT job, pid FROM ticks ORDER BY seq")
    return [(job, pid) for job, pid in rows]


async def test_a_job_whose_owner_is_killed_is_ended_by_another(queue: JobQueue, database: Any, start: Start) -> None:
    await queue.add("ada", "a", "tick", LONG)
    first = await start()
    await first.says("begun a 1")
    second = await start()
    first.send(signal.SIGKILL)
    await second.says("begun a 2", within=LEASE + 3)
    await ends(queue, "a", "done")
    assert {pid for _, pid in (await ticks(database))[-2:]} == {second.pid}


async def test_an_owner_that_was_paused_for_longer_than_its_lease_writes_nothing_more(
    queue: JobQueue, database: Any, start: Start
) -> None:
    await queue.add("ada", "a", "tick", LONG)
    first = await start()
    await first.says("begun a 1")
    await pause(first, queue)
    second = await start()
    await ends(queue, "a", "done")
    before = await ticks(database)
    first.send(signal.SIGCONT)
    await first.says("lost a")
    assert await ticks(database) == before
    assert before[-1] == ("a", second.pid)

    await queue.add("ada", "b", "tick", b"1")
    await ends(queue, "b", "done")


@pytest.mark.parametrize("where", ["postgres"], indirect=True)
async def test_an_owner_that_was_paused_within_a_transaction_does_not_keep_its_job_for_ever(
    queue: JobQueue, start: Start
) -> None:
    await queue.add("ada", "a", "tick", FREEZE)
    first = await start()
    await first.says("begun a 1")
    second = await start()
    await second.says("begun a 2", within=SILENCE + LEASE + 5)
    await ends(queue, "a", "done")
    first.send(signal.SIGCONT)
    await first.says("lost a")


async def test_a_job_is_cancelled_from_any_process(queue: JobQueue, database: Any, start: Start) -> None:
    await queue.add("ada", "a", "tick", LONG)
    owner = await start(lease=60)
    await owner.says("begun a 1")
    assert await queue.cancel("ada", "a")
    after = await ticks(database)
    async with asyncio.timeout(2):
        # It hears of it by its next write or by its next look, whichever comes first.
        assert owner.process.stdout is not None
        assert (await owner.process.stdout.readline()).split()[-1] == b"a"
    assert await ticks(database) == after
    assert await queue.state("ada", "a") == "cancelled"
    assert not await queue.cancel("ada", "a")


async def test_a_process_that_stops_hands_its_jobs_over_at_once(queue: JobQueue, start: Start) -> None:
    await queue.add("ada", "a", "tick", LONG)
    first = await start(lease=60)
    await first.says("begun a 1")
    second = await start(lease=60)
    first.send(signal.SIGTERM)
    await first.says("stopping a")
    await second.says("begun a 2", within=10)
    assert await first.process.wait() == 0


async def test_two_processes_do_each_job_once(queue: JobQueue, database: Any, start: Start) -> None:
    await asyncio.gather(start(lease=60), start(lease=60))
    names = [f"job-{number}" for number in range(60)]
    for name in names:
        await queue.add("ada", name, "tick", b"10")
    for name in names:
        await ends(queue, name, "done")
    assert sorted(job for job, _ in await ticks(database)) == sorted(names * 11)
    assert len({pid for _, pid in await ticks(database)}) == 2
