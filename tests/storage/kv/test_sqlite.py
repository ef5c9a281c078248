"""SQLite keeps the key-value contract, in a table it shares with nobody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stackwright.storage.kv.sql import SqlTable
from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.testing.kv_contract import Clients, KVContract


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(path, name="kv_default", timeout=10, pool_timeout=2)
    await database.open()
    yield database
    await database.close()


class TestSqlite(KVContract):
    @pytest.fixture
    async def clients(self, tmp_path: Path) -> AsyncIterator[Clients]:
        async with opened(tmp_path / "kv.db") as one, opened(tmp_path / "kv.db") as other:
            yield SqlTable(one, "kv_store"), SqlTable(other, "kv_store")


async def test_expired_rows_are_swept_while_others_are_written(tmp_path: Path) -> None:
    async with opened(tmp_path / "kv.db") as database:
        kv = SqlTable(database, "kv_store").namespace("sessions")
        for number in range(320):
            await kv.set(f"{number}", b"", ttl=0.001)
        await kv.set("kept", b"")
        ((left,),) = await database.fetch("SELECT count(*) FROM kv_store")
    assert left < 64


async def test_a_table_may_be_called_as_sql_calls_its_own_words(tmp_path: Path) -> None:
    async with opened(tmp_path / "kv.db") as database:
        tables = [SqlTable(database, name) for name in ("order", "select", "T" * 48)]
        for table in tables:
            await table.namespace("n").set("key", b"value")
            assert await table.namespace("n").get("key") == b"value"


async def test_a_scan_is_a_range_of_the_index(tmp_path: Path) -> None:
    async with opened(tmp_path / "kv.db") as database:
        table = SqlTable(database, "kv_store")
        await table.namespace("n").set("key", b"value")
        plan = await database.fetch(f"EXPLAIN QUERY PLAN {table.statements.scan}", "n", "a", "b", 10)
    assert "SEARCH kv_store USING INDEX" in str(plan)
    assert "(namespace=? AND key>? AND key<?)" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
