"""What callers see of a SQLite file that is locked, full, on a failing disk, or whose process was killed."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import apsw
import pytest

from stackwright.errors import StorageFull, Unavailable
from stackwright.storage.sql import Do, Migration, Script
from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.storage.sql.writer import WriteQueue
from stackwright.storage.watch import Watch
from tests.storage.sql import acknowledging

Open = Callable[..., Awaitable[SqliteDatabase]]

NOTES = [Migration(1, ["CREATE TABLE notes (id BIGINT PRIMARY KEY)"])]
INSERT = "INSERT INTO notes (id) VALUES (?1)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "data.db"


@pytest.fixture
async def open_database(path: Path) -> AsyncIterator[Open]:
    async with AsyncExitStack() as opened:

        async def open_one(timeout: float = 5.0, pool_timeout: float = 2.0) -> SqliteDatabase:
            database = SqliteDatabase(path, name="lite", timeout=timeout, pool_timeout=pool_timeout)
            opened.push_async_callback(database.close)
            await database.open()
            await database.migrate("notes", NOTES)
            return database

        yield open_one


class Disk(apsw.VFS):
    """A file system that fails when told to: the default one with two switches."""

    def __init__(self) -> None:
        self.base = apsw.vfs_names()[0]
        self.full = self.broken = False
        super().__init__("failing", base=self.base, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "File":
        return File(self, name, flags)


class File(apsw.VFSFile):
    """A file on such a disk."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(disk.base, name, flags)
        self.disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:
        if self.disk.full:
            raise apsw.FullError("no space left on device")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        if self.disk.broken:
            raise apsw.IOError("fsync failed")
        super().xSync(flags)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.unregister()


async def stored(database: SqliteDatabase) -> set[int]:
    return {number for (number,) in await database.fetch("SELECT id FROM notes")}


async def trouble(watch: Watch) -> str | None:
    await watch.check()
    return watch.trouble


async def test_the_file_is_for_its_owner_only(path: Path, open_database: Open) -> None:
    database = await open_database()
    await database.commit(Do(INSERT, (1,)))
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in (path.parent, *path.parent.iterdir())}
    assert modes == {"folder": 0o700, "data.db": 0o600, "data.db-wal": 0o600, "data.db-shm": 0o600}


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = SqliteDatabase(tmp_path / "file" / "data.db", name="lite", timeout=1, pool_timeout=1)
    with pytest.raises(Unavailable, match=r"Backend 'lite': cannot open .*/file/data.db"):
        await database.open()
    await database.close()
    (tmp_path / "text.db").write_text("this is no database, whatever its name says" * 100)
    database = SqliteDatabase(tmp_path / "text.db", name="lite", timeout=1, pool_timeout=1)
    with pytest.raises(Unavailable, match="file is not a database"):
        await database.open()
    await database.close()


async def test_a_closed_database_answers_503(open_database: Open) -> None:
    database = await open_database()
    writes = [asyncio.create_task(database.commit(Do(INSERT, (number,)))) for number in range(20)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*writes) == [[]] * 20
    for attempt in (database.ping(), database.commit(Do(INSERT, (99,)))):
        with pytest.raises(Unavailable, match="out of service"):
            await attempt


async def test_another_process_that_holds_the_lock_costs_503s_in_time(path: Path, open_database: Open) -> None:
    database = await open_database(timeout=1.5, pool_timeout=0.2)
    queue = WriteQueue(database, max_waiting=10, batches=1)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()

    async def refused(write: Awaitable[object]) -> tuple[str, float]:
        with pytest.raises(Unavailable) as failure:
            await write
        return failure.value.message, time.monotonic() - start

    first = asyncio.create_task(refused(database.commit(Do(INSERT, (1,)))))
    await asyncio.sleep(0.5)
    patient = asyncio.create_task(queue.commit(Do(INSERT, (2,))))
    message, after = await refused(database.commit(Do(INSERT, (3,))))
    assert (message, after > 0.2) == ("Backend 'lite': the writer is held up. Nothing was written.", True)
    assert not first.done()
    assert await stored(database) == set()
    message, after = await first
    assert (message, after > 1.4) == ("Backend 'lite' is locked by another process.", True)
    other.execute("COMMIT")
    await patient
    assert await stored(database) == {2}
    other.close()


async def test_two_databases_on_one_file_see_each_others_rows(open_database: Open) -> None:
    one, two = await open_database(), await open_database()
    writes = [database.commit(Do(INSERT, (number,))) for number in range(100) for database in [[one, two][number % 2]]]
    await asyncio.gather(*writes)
    assert await stored(one) == await stored(two) == set(range(100))


async def test_a_full_disk_is_a_507_and_heals(disk: Disk, open_database: Open) -> None:
    database = await open_database()

    def script() -> Script[None]:
        yield Do(INSERT, (2,))
        yield Do(INSERT, (3,))

    disk.full = True
    outcomes = await asyncio.gather(
        database.commit(Do(INSERT, (1,))), database.transact(script), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StorageFull, StorageFull]
    assert await stored(database) == set()
    disk.full = False
    await database.commit(Do(INSERT, (4,)))
    assert (await stored(database), database.broken) == ({4}, None)


async def test_after_a_failed_fsync_nothing_is_acknowledged_any_more(disk: Disk, open_database: Open) -> None:
    database = await open_database()
    await database.commit(Do(INSERT, (1,)))
    disk.broken = True
    outcomes = await asyncio.gather(*(database.commit(Do(INSERT, (n,))) for n in (2, 3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    disk.broken = False
    assert database.broken is not None
    for attempt in (database.ping(), database.commit(Do(INSERT, (4,)))):
        with pytest.raises(Unavailable, match="out of service: a commit failed on the disk"):
            await attempt


async def test_processes_that_migrate_at_once_do_it_once(path: Path) -> None:
    runs = [start_writing(path, f"run{number}") for number in range(3)]
    assert [len(kill(run, after=0.0)) > 0 for run in runs] == [True, True, True]
    rows = apsw.Connection(str(path)).execute("SELECT store, version FROM stackwright_schema").fetchall()
    assert rows == [("notes", 1)]


def test_a_killed_process_loses_no_acknowledged_row(path: Path) -> None:
    for number in range(4):
        acknowledged = kill(start_writing(path, f"run{number}"), after=random.uniform(0, 0.3))
        connection = apsw.Connection(str(path))
        found = {name for (name,) in connection.execute("SELECT id FROM notes")}
        assert connection.pragma("integrity_check") == "ok"
        connection.close()
        assert len(acknowledged) > 0
        assert acknowledged <= found


def start_writing(path: Path, run: str) -> "subprocess.Popen[str]":
    command = [sys.executable, acknowledging.__file__, str(path), run]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill(process: "subprocess.Popen[str]", *, after: float) -> set[str]:
    """Kill the process `after` seconds from its first acknowledgement. Returns all it acknowledged."""
    assert process.stdout is not None
    first = process.stdout.readline()
    until = time.monotonic() + after
    lines = [first]
    while time.monotonic() < until:
        lines.append(process.stdout.readline())
    process.kill()
    # What it had printed before it died counts; a line cut short by the kill does not.
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    return {line.strip() for line in lines if line.endswith("\n")}


async def test_a_full_disk_is_trouble_until_there_is_room(disk: Disk, open_database: Open) -> None:
    database = await open_database()
    await database.ping()
    disk.full = True
    with pytest.raises(StorageFull):
        await database.commit(Do(INSERT, (1,)))
    for _ in range(2):
        with pytest.raises(StorageFull, match="the disk is full"):
            await database.ping()
    assert await stored(database) == set()
    watch = Watch(database, "lite")
    assert await trouble(watch) == "the disk is full. Nothing was written; free some space."
    disk.full = False
    assert await trouble(watch) is None
    await database.commit(Do(INSERT, (2,)))
    assert await stored(database) == {2}
    assert await database.fetch("SELECT name FROM sqlite_master WHERE name LIKE 'stackwright_room%'") == []


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
async def test_nothing_is_acknowledged_into_a_file_that_is_gone(
    path: Path, open_database: Open, replaced: bool
) -> None:
    database = await open_database()
    await database.commit(Do(INSERT, (1,)))
    os.rename(path, path.with_name("elsewhere.db"))
    if replaced:
        os.close(os.open(path, os.O_CREAT))
    with pytest.raises(Unavailable, match="was deleted or replaced while it was open"):
        await database.commit(Do(INSERT, (2,)))
    assert database.broken is not None
    with pytest.raises(Unavailable, match="was deleted or replaced"):
        await database.fetch("SELECT id FROM notes")


async def test_a_file_that_is_gone_is_noticed_without_a_write(path: Path, open_database: Open) -> None:
    database = await open_database()
    await database.ping()
    os.unlink(path)
    with pytest.raises(Unavailable, match="was deleted or replaced"):
        await database.ping()
    assert str(path) in str(database.broken)
