"""SQLite keeps the SQL contract."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.testing.sql_contract import CountingBackend, SqlContract


class TestSqlite(SqlContract):
    @pytest.fixture
    async def backend(self, tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
        database = SqliteDatabase(tmp_path / "new" / "data.db", name="sql_default", timeout=5, pool_timeout=2)
        await database.open()
        yield database
        await database.close()

    async def schema_of(self, backend: CountingBackend, table: str) -> list[Any]:
        rows = await backend.fetch("SELECT type, sql FROM sqlite_master WHERE tbl_name = ?1 ORDER BY name", table)
        return [(kind, sql.replace(table, "T")) for kind, sql in rows]
