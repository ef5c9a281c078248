"""A database by its address, for tests whose processes share it; and a new one of each kind."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stackwright.config.secret import Secret
from stackwright.config.storage import PostgresBackend
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.storage.sql.sqlite import SqliteDatabase
from tests.servers import PostgresServer

Execute = Callable[[str], list[str]]


def database_at(where: str) -> Any:
    """Return the database behind a Postgres URL or a path, not open yet."""
    if where.startswith("postgresql://"):
        settings = PostgresBackend(type="sql_postgres", connection_string=Secret(where), pool_timeout=30)
        return PostgresDatabase(settings, name="sql")
    return SqliteDatabase(Path(where), name="sql", timeout=30, pool_timeout=30)


def backend_at(where: str, settings: str = "") -> str:
    """Return the same as a run file names it, with more of its settings."""
    kind, key = ("postgres", "connection_string") if where.startswith("postgresql://") else ("sqlite", "db_path")
    return f'{{type: sql_{kind}, {key}: "{where}"{settings and f", {settings}"}}}'


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new database, of one kind and of the other."""
    if request.param == "sqlite":
        return str(tmp_path / "sql.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url(request.getfixturevalue("postgres_db"))


@pytest.fixture
async def database(where: str) -> AsyncIterator[Any]:
    """It, open."""
    opened = database_at(where)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def execute(request: pytest.FixtureRequest, where: str) -> Execute:
    """Executes SQL in it and returns the words of the rows, past all that is ours."""
    if where.startswith("postgresql://"):
        server: PostgresServer = request.getfixturevalue("postgres_server")
        db: str = request.getfixturevalue("postgres_db")
        return lambda sql: server.sql(sql, db).split()

    def on_sqlite(sql: str) -> list[str]:
        with closing(sqlite3.connect(where, timeout=10)) as connection, connection:
            return [str(row[0]) for row in connection.execute(sql)]

    return on_sqlite
