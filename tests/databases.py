"""A database by its address, for tests whose processes share it."""

from pathlib import Path
from typing import Any

from stackwright.config.secret import Secret
from stackwright.config.storage import PostgresBackend
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.storage.sql.sqlite import SqliteDatabase


def database_at(where: str) -> Any:
    """Return the database behind a Postgres URL or a path, not open yet."""
    if where.startswith("postgresql://"):
        settings = PostgresBackend(type="sql_postgres", connection_string=Secret(where), pool_timeout=30)
        return PostgresDatabase(settings, name="sql")
    return SqliteDatabase(Path(where), name="sql", timeout=30, pool_timeout=30)
