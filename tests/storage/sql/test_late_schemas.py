"""Schemas of a database that was away, locked, or newer than we know when its store was made."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import apsw
import pytest

from stackwright.errors import StackwrightError, Unavailable
from stackwright.storage.sql import Do, Migration
from stackwright.storage.sql.failures import SchemaTooNew
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.storage.sql.sqlite import SqliteDatabase
from tests.servers import PostgresServer
from tests.storage.sql.databases import eventually, settings_for

NOTES = [Migration(1, ["CREATE TABLE notes (id BIGINT PRIMARY KEY)"])]
NEWER = [*NOTES, Migration(2, ["CREATE TABLE more (id BIGINT)"])]
PAGES = [Migration(1, ["CREATE TABLE pages (id BIGINT PRIMARY KEY)"])]


@asynccontextmanager
async def closing(path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(path, name="lite", timeout=0.2, pool_timeout=0.2)
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("COMMIT")
    other.close()


async def make(path: Path, migrations: list[Migration]) -> None:
    async with closing(path) as database:
        await database.open()
        await database.migrate("notes", migrations)


def writers() -> int:
    return sum(thread.name.startswith("sqlite-writer") for thread in threading.enumerate())


async def test_a_file_locked_at_the_first_open_gets_its_schema_from_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await make(path, PAGES)
    async with closing(path) as database:
        await database.migrate("late", NEWER)
        with locked(path):
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await database.open()
        await database.open()
        assert await database.fetch("SELECT * FROM more") == []
        await database.commit(Do("INSERT INTO more (id) VALUES (1)"))
        assert writers() == 1
    assert writers() == 0


async def test_a_file_locked_while_a_store_is_made_refuses_work_until_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with closing(path) as database:
        await database.open()
        with locked(path):
            await database.migrate("notes", NOTES)
            for attempt in (database.fetch("SELECT 1"), database.commit(Do("SELECT 1")), database.ping()):
                with pytest.raises(Unavailable, match="locked by another process"):
                    await attempt
        await database.ping()
        assert await database.fetch("SELECT * FROM notes") == []


async def test_a_newer_file_found_late_is_refused_at_every_use_and_every_open(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await make(path, NEWER)
    async with closing(path) as database:
        await database.migrate("notes", NOTES)
        for _ in range(3):
            with pytest.raises(SchemaTooNew):
                await database.open()
            for attempt in (database.ping(), database.fetch("SELECT 1"), database.commit(Do("SELECT 1"))):
                with pytest.raises(SchemaTooNew, match="version 2, this Stackwright knows up to 1"):
                    await attempt
        assert writers() == 1


async def test_a_store_is_made_although_another_ones_schema_is_too_new(
    postgres_server: PostgresServer, postgres_db: str
) -> None:
    def database() -> PostgresDatabase:
        return PostgresDatabase(settings_for(postgres_server, postgres_db), name="pg")

    newer, late, after = database(), database(), database()
    await newer.migrate("notes", NEWER)
    postgres_server.stop()
    await late.migrate("notes", NOTES)
    postgres_server.start()

    async def made() -> bool:
        await late.migrate("pages", PAGES)
        return await after.fetch("SELECT to_regclass('pages') IS NOT NULL") == [(True,)]

    await eventually(made)
    deadline = time.monotonic() + 10
    failure: StackwrightError | None = None
    while not isinstance(failure, SchemaTooNew):
        assert time.monotonic() < deadline
        with pytest.raises(StackwrightError) as caught:
            await late.fetch("SELECT 1")
        failure = caught.value
    for one in (newer, late, after):
        await one.close()
