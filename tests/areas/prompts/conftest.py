"""Prompts on both databases."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from stackwright.areas.prompts.service import Prompts
from stackwright.areas.prompts.tables import Tables
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.storage.sql.writer import WriteQueue
from tests.servers import PostgresServer
from tests.storage.sql.databases import settings_for

Connect = Callable[[], Awaitable[WriteQueue]]
Replica = Callable[[], Awaitable[Prompts]]


@pytest.fixture(scope="session")
def shared_db(postgres_server: PostgresServer) -> str:
    """One Postgres database for all tests of prompts, each with tables of its own: making one takes half a second."""
    return postgres_server.create_database()


@pytest.fixture
def table_name() -> str:
    """The name of this test's tables."""
    return f"prompts_{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=["sqlite", "postgres"])
async def connect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connect]:
    """Open one more process's connections to the same database."""
    server: PostgresServer | None = None
    name = ""
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        name = request.getfixturevalue("shared_db")
    async with AsyncExitStack() as stack:

        async def opened() -> WriteQueue:
            database: SqliteDatabase | PostgresDatabase
            if server is None:
                database = SqliteDatabase(tmp_path / "p.db", name="sql", timeout=20, pool_timeout=20)
            else:
                database = PostgresDatabase(settings_for(server, name, pool_timeout=20.0), name="sql")
            await database.open()
            stack.push_async_callback(database.close)
            return WriteQueue(database, max_waiting=10_000, batches=1)

        yield opened


@pytest.fixture
async def replica(connect: Connect, table_name: str) -> AsyncIterator[Replica]:
    """Open one more process's view of the same prompts."""
    async with AsyncExitStack() as stack:

        async def opened() -> Prompts:
            prompts = Prompts(await connect(), table_name)
            await prompts.prepare()
            await stack.enter_async_context(prompts.memory.kept_fresh())
            return prompts

        yield opened


@pytest.fixture
async def prompts(replica: Replica) -> Prompts:
    return await replica()


@pytest.fixture
async def tables(connect: Connect, table_name: str) -> Tables:
    """What the prompts are kept in."""
    return Tables(await connect(), table_name)
