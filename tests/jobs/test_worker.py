"""What a queue and a worker promise their users."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stackwright.errors import Conflict, RateLimited, Unavailable
from stackwright.jobs import Fence, Job, JobQueue, LeaseLost, Worker
from stackwright.jobs.queue import Held
from stackwright.storage.sql import Do, Script
from tests.databases import database_at
from tests.jobs.test_processes import ends
from tests.storage.sql.databases import eventually


class Recorder:
    """Remembers what it was given; `work` is what it does."""

    def __init__(self) -> None:
        self.seen: list[Job] = []
        self.stopped: list[str | None] = []
        self.busy = 0
        self.most = 0
        self.begun = asyncio.Event()
        self.idle = asyncio.Event()

    async def __call__(self, job: Job, fence: Fence) -> None:
        self.seen.append(job)
        self.busy += 1
        self.most = max(self.most, self.busy)
        self.begun.set()
        try:
            await self.work(job, fence)
        except asyncio.CancelledError:
            self.stopped.append(fence.stopped)
            raise
        finally:
            self.busy -= 1
            self.idle.set()

    async def work(self, job: Job, fence: Fence) -> None:
        if job.payload == b"fail":
            raise RuntimeError("as asked")
        await asyncio.sleep(0 if job.payload == b"quick" else 60)


async def eventually_seen(handler: Recorder, id: str) -> None:
    async def seen() -> bool:
        return id in {job.id for job in handler.seen}

    await eventually(seen)


async def renewed(database: Any, id: str) -> None:
    """Return when the lease of a job reaches further than it does now."""
    sql = database.render("SELECT lease_until FROM jobs WHERE id = $1")
    before = await database.fetch(sql, id)

    async def further() -> bool:
        return bool(await database.fetch(sql, id) > before)

    await eventually(further)


async def taken_by(queue: JobQueue) -> tuple[str, bytes] | None:
    job = await queue.claim(queue.owner, ["response"])
    return (job.id, job.payload) if job else None


class OddQueue(JobQueue):
    """A queue that has a bug at the first look."""

    looks = 0

    async def claim(self, owner: str, kinds: Sequence[str]) -> Job | None:
        self.looks += 1
        if self.looks == 1:
            raise KeyError("nobody")
        return await super().claim(owner, kinds)


async def test_a_bug_in_looking_for_jobs_is_logged_and_not_the_end_of_looking(
    database: Any, queue: JobQueue, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.add("ada", "mine", "response", b"quick")
    async with Worker(OddQueue(database, "jobs"), {"response": Recorder()}).running():
        await ends(queue, "mine", "done")
    assert [record.exc_info and record.exc_info[0] for record in caplog.records] == [KeyError]


async def test_a_job_is_done_by_whoever_knows_its_kind(queue: JobQueue) -> None:
    handler = Recorder()
    await queue.add("ada", "other", "mail", b"")
    await queue.add("ada", "mine", "response", b"quick")
    async with Worker(queue, {"response": handler}).running():
        await ends(queue, "mine", "done")
    assert [(job.tenant, job.id, job.kind, job.payload, job.attempts) for job in handler.seen] == [
        ("ada", "mine", "response", b"quick", 1)
    ]
    assert await queue.state("ada", "other") == "queued"
    assert await queue.state("eve", "mine") is None


async def test_the_oldest_comes_first_and_no_more_than_there_are_slots(queue: JobQueue) -> None:
    handler = Recorder()
    for number in range(10):
        await queue.add("ada", str(number), "response", b"quick")
    async with Worker(queue, {"response": handler}, slots=2).running():
        await ends(queue, "9", "done")
    assert [job.id for job in handler.seen] == [str(number) for number in range(10)]
    assert handler.most <= 2


async def test_a_full_queue_refuses_and_takes_everything_else_back(database: Any) -> None:
    queue = JobQueue(database, "jobs", most_waiting=2)
    await queue.prepare()
    await queue.add("ada", "1", "response", b"")
    await queue.add("ada", "2", "response", b"")

    def script() -> Script[None]:
        yield Do(database.render("INSERT INTO ticks (job, pid) VALUES ($1, $2)"), ("3", 0))
        yield from queue.adding("ada", "3", "response", b"")

    with pytest.raises(RateLimited) as refused:
        await database.transact(script)
    assert (refused.value.status, refused.value.code) == (429, "queue_full")
    assert await database.fetch("SELECT job FROM ticks") == []

    assert await queue.claim("me", ["response"])
    await queue.add("ada", "3", "response", b"")


async def test_an_id_is_taken_once_per_tenant(queue: JobQueue) -> None:
    await queue.add("ada", "1", "response", b"")
    await queue.add("eve", "1", "response", b"")
    with pytest.raises(Conflict):
        await queue.add("ada", "1", "response", b"")


async def test_a_handler_that_raises_has_failed_and_the_worker_goes_on(
    queue: JobQueue, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.add("ada", "bad", "response", b"fail")
    await queue.add("ada", "good", "response", b"quick")
    async with Worker(queue, {"response": Recorder()}, slots=1).running():
        await ends(queue, "good", "done")
    assert await queue.state("ada", "bad") == "failed"
    assert "as asked" in caplog.text


async def test_a_job_that_takes_too_long_may_still_say_so(queue: JobQueue, database: Any) -> None:
    class LastWords(Recorder):
        async def work(self, job: Job, fence: Fence) -> None:
            try:
                await super().work(job, fence)
            finally:
                await database.transact(fence.holding)

    handler = LastWords()
    await queue.add("ada", "1", "response", b"")
    async with Worker(queue, {"response": handler}, seconds=0.1).running():
        await ends(queue, "1", "failed")
    assert handler.stopped == ["timeout"]


async def test_a_cancelled_job_stops_within_two_seconds_or_never_begins(queue: JobQueue) -> None:
    handler = Recorder()
    await queue.add("ada", "running", "response", b"")
    await queue.add("ada", "waiting", "response", b"")
    async with Worker(queue, {"response": handler}, slots=1).running():
        await asyncio.wait_for(handler.begun.wait(), 5)
        assert await queue.cancel("ada", "waiting")
        assert await queue.cancel("ada", "running")
        assert not await queue.cancel("eve", "running")
        await asyncio.wait_for(handler.idle.wait(), 2)
    assert handler.stopped == ["lost"]
    assert [job.id for job in handler.seen] == ["running"]
    assert {await queue.state("ada", name) for name in ("running", "waiting")} == {"cancelled"}


async def test_a_long_job_keeps_its_lease(database: Any) -> None:
    queue = JobQueue(database, "jobs", lease=3.0)
    await queue.prepare()
    handler = Recorder()
    await queue.add("ada", "1", "response", b"")
    async with Worker(queue, {"response": handler}).running():
        await asyncio.wait_for(handler.begun.wait(), 5)
        await renewed(database, "1")
        assert await queue.claim("another", ["response"]) is None
    assert handler.stopped == ["stopping"]
    taken = await queue.claim("another", ["response"])
    assert taken is not None
    assert taken.attempts == 2


async def test_a_payload_is_erased_with_the_end_of_its_job(queue: JobQueue, database: Any) -> None:
    for name in ("done", "cancelled"):
        await queue.add("ada", name, "response", b"planted-payload")
    job = await queue.claim("me", ["response"])
    assert job is not None
    await queue.end(job, "done")
    await queue.cancel("ada", "cancelled")
    assert await database.fetch("SELECT payload FROM jobs") == [(b"",), (b"",)]


async def test_a_payload_that_is_not_written_waits_for_its_process_while_that_lives(database: Any) -> None:
    ours = JobQueue(database, "jobs", lease=3.0)
    theirs = JobQueue(database, "jobs", lease=3.0)
    await ours.prepare()
    await ours.add("ada", "busy", "response", b"")
    await ours.add("ada", "kept", "response", b"planted-payload", written=False)
    assert await database.fetch("SELECT payload FROM jobs WHERE id = 'kept'") == [(b"",)]
    handler = Recorder()
    async with Worker(ours, {"response": handler}, slots=1).running():
        await asyncio.wait_for(handler.begun.wait(), 5)
        await renewed(database, "kept")
        assert await theirs.claim(theirs.owner, ["response"]) is None
        await ours.cancel("ada", "busy")
        await eventually_seen(handler, "kept")
    assert handler.seen[-1].payload == b"planted-payload"
    await ours.add("ada", "left", "response", b"planted-payload", written=False)
    assert [await taken_by(theirs) for _ in range(2)] == [("kept", b""), None]
    assert await ours.hand_back(ours.owner) == 1
    assert await taken_by(theirs) == ("left", b"")


async def test_a_payload_that_is_not_written_makes_room_when_its_job_ends(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackwright.jobs.unwritten.MOST_BYTES", 10)
    async with Worker(queue, {"response": Recorder()}).running():
        for number in range(5):
            await queue.add("ada", str(number), "response", b"quick", written=False)
            queue.woken.set()
            await ends(queue, str(number), "done")


async def test_payloads_that_are_not_written_are_forgotten_with_their_jobs_and_bounded(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackwright.jobs.unwritten.MOST_BYTES", 10)
    monkeypatch.setattr("stackwright.jobs.unwritten._ADDED_WITHIN", -1.0)
    await queue.add("ada", "1", "response", b"planted", written=False)
    assert [held.id for held in await queue.owned(queue.owner)] == ["1"]
    with pytest.raises(RateLimited) as refused:
        await queue.add("ada", "2", "response", b"planted", written=False)
    assert (refused.value.code, refused.value.headers) == ("queue_full", {"retry-after": "5"})
    await queue.cancel("ada", "1")
    assert await queue.owned(queue.owner) == []
    await queue.add("ada", "2", "response", b"planted", written=False)
    assert await taken_by(queue) == ("2", b"planted")


async def test_what_a_dead_process_left_does_not_wait_for_a_slot(queue: JobQueue) -> None:
    await queue.add("ada", "orphan", "response", b"")
    assert await queue.claim("somebody who dies", ["response"])
    await queue.add("ada", "long", "response", b"")
    await queue.add("ada", "waits", "response", b"")
    handler = Recorder()
    async with Worker(queue, {"response": handler}, slots=1).running():
        await eventually_seen(handler, "orphan")
        assert [job.id for job in handler.seen] == ["long", "orphan"]


async def test_a_worker_that_drains_ends_what_it_has_and_begins_no_more(queue: JobQueue) -> None:
    handler = Recorder()
    await queue.add("ada", "1", "response", b"")
    worker = Worker(queue, {"response": handler}, slots=2)
    async with worker.running():
        await asyncio.wait_for(handler.begun.wait(), 5)
        worker.drain()
        await queue.add("ada", "2", "response", b"")
        queue.woken.set()
        await queue.cancel("ada", "1")
        await asyncio.wait_for(worker.idle(), 5)
    assert [job.id for job in handler.seen] == ["1"]
    assert {state: load.jobs for state, load in (await queue.load()).items()} == {"queued": 1}


async def test_a_job_that_is_handed_to_a_worker_with_a_free_slot_is_its_own_when_it_is_there(
    queue: JobQueue, database: Any
) -> None:
    handler = Recorder()
    worker = Worker(queue, {"response": handler}, slots=1)
    async with worker.running():
        await worker.hand_over(lambda: queue.adding("ada", "1", "response", b"payload"), database)
        assert await queue.state("ada", "1") == "running"
        await worker.hand_over(lambda: queue.adding("ada", "2", "response", b"quick"), database)
        assert await queue.state("ada", "2") == "queued"
        await eventually_seen(handler, "1")
        await queue.cancel("ada", "1")
        await ends(queue, "2", "done")
    assert [(job.id, job.payload, job.attempts) for job in handler.seen] == [("1", b"payload", 1), ("2", b"quick", 1)]


async def test_a_job_that_is_handed_over_passes_no_older_one(queue: JobQueue, database: Any) -> None:
    handler = Recorder()
    worker = Worker(queue, {"response": handler}, slots=1)
    async with worker.running():
        await queue.add("ada", "old", "response", b"")
        await worker.hand_over(lambda: queue.adding("ada", "new", "response", b""), database)
        await eventually_seen(handler, "old")
        assert await queue.state("ada", "new") == "queued"


async def test_a_job_that_cannot_be_added_keeps_no_slot(queue: JobQueue, database: Any) -> None:
    handler = Recorder()
    worker = Worker(queue, {"response": handler}, slots=1)
    await queue.add("ada", "1", "response", b"")
    await queue.cancel("ada", "1")
    async with worker.running():
        with pytest.raises(Conflict):
            await worker.hand_over(lambda: queue.adding("ada", "1", "response", b""), database)
        await worker.hand_over(lambda: queue.adding("ada", "2", "response", b""), database)
        assert await queue.state("ada", "2") == "running"
    assert [job.id for job in handler.seen] == ["2"]


async def test_a_job_is_begun_also_when_who_hands_it_over_leaves(queue: JobQueue, database: Any) -> None:
    handler = Recorder()
    worker = Worker(queue, {"response": handler})
    async with worker.running():
        adding = lambda: queue.adding("ada", "1", "response", b"quick")  # noqa: E731
        leaving = asyncio.create_task(worker.hand_over(adding, database))
        await asyncio.sleep(0)
        leaving.cancel()
        await ends(queue, "1", "done")
    assert leaving.cancelled()


async def test_a_worker_that_drains_takes_nothing_that_is_handed_over(queue: JobQueue, database: Any) -> None:
    worker = Worker(queue, {"response": Recorder()})
    async with worker.running():
        worker.drain()
        await worker.hand_over(lambda: queue.adding("ada", "1", "response", b""), database)
        assert await queue.state("ada", "1") == "queued"


async def test_a_database_that_is_away_ends_no_job(database: Any) -> None:
    queue = JobQueue(database, "jobs", lease=1.0)
    await queue.prepare()

    class Unlucky(Recorder):
        async def work(self, job: Job, fence: Fence) -> None:
            if job.attempts == 1:
                raise Unavailable("The database is away.")

    handler = Unlucky()
    await queue.add("ada", "1", "response", b"")
    async with Worker(queue, {"response": handler}).running():
        await ends(queue, "1", "done")
    assert [job.attempts for job in handler.seen] == [1, 2]


async def test_the_fence_holds_for_one_owner_only(queue: JobQueue, database: Any) -> None:
    await queue.add("ada", "1", "response", b"")
    first = await queue.claim("first", ["response"])
    assert first is not None
    assert await queue.hand_back("first") == 1
    second = await queue.claim("second", ["response"])
    assert second is not None
    with pytest.raises(LeaseLost):
        await database.transact(lambda: queue.holding(first))
    with pytest.raises(LeaseLost):
        await queue.end(first, "done")
    await queue.extend([first])
    assert await queue.hand_back("first") == 0
    assert [(held.seq, held.fence, held.state) for held in await queue.owned("second")] == [
        (second.seq, second.fence, "running")
    ]
    await database.transact(lambda: queue.holding(second))
    await queue.end(second, "done")
    assert await queue.state("ada", "1") == "done"


async def test_ended_jobs_are_forgotten_in_time(database: Any) -> None:
    queue = JobQueue(database, "jobs", keep=0.0)
    await queue.prepare()
    await queue.add("ada", "open", "response", b"")
    await queue.add("ada", "over", "response", b"")
    await queue.cancel("ada", "over")
    await asyncio.sleep(0.05)
    assert (await queue.sweep(), await queue.sweep()) == (1, 0)
    assert (await queue.state("ada", "open"), await queue.state("ada", "over")) == ("queued", None)


async def test_a_database_that_is_away_is_told_once_and_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackwright.jobs.worker.POLL", 0.02)

    class LookedAt(JobQueue):
        looks = 0

        async def owned(self, owner: str) -> list[Held]:
            self.looks += 1
            return await super().owned(owner)

    database = database_at(str(tmp_path / "late.db"))
    queue = LookedAt(database, "jobs")
    await queue.prepare()

    async def looked_at() -> bool:
        return queue.looks > 5

    async with Worker(queue, {"response": Recorder()}).running():
        await eventually(looked_at)
        assert caplog.text.count("and trying again") == 1
        await database.open()
        await queue.add("ada", "1", "response", b"quick")
        await ends(queue, "1", "done")
    await database.close()
