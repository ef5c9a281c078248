"""What a chain costs as it grows: rows for what is new, and one query to read it all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stackwright.areas.responses.items import ItemRow
from stackwright.areas.responses.store import ResponseStore, StoredResponse
from stackwright.storage.sql import Row, Value
from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.storage.sql.writer import WriteQueue

TURNS = 200


class Asked(SqliteDatabase):
    """A database that counts the reads it is asked for."""

    reads = 0

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        """Count and read."""
        self.reads += 1
        return await super().fetch(sql, *args)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Asked]:
    opened = Asked(tmp_path / "sql.db", name="sql", timeout=5, pool_timeout=5)
    await opened.open()
    yield opened
    await opened.close()


def _turn(number: int) -> tuple[StoredResponse, list[ItemRow]]:
    previous = f"r{number - 1}" if number else None
    row = StoredResponse(f"r{number}", number, "completed", "m", previous, None, None, b"{}")
    return row, [ItemRow(f"{kind}{number}", f"{kind}{number}".encode(), kind == "a") for kind in "qa"]


async def test_a_chain_of_two_hundred_is_read_by_one_query_and_each_item_kept_once(database: Asked) -> None:
    store = ResponseStore(WriteQueue(database, max_waiting=TURNS, batches=1), "responses")
    await store.prepare()
    await asyncio.gather(*(store.add("t", *_turn(number)) for number in range(TURNS)))

    before = database.reads
    links = await store.items.chain("t", f"r{TURNS - 1}")

    assert database.reads - before == 1
    assert [link.body for link in links] == [f"{kind}{number}".encode() for number in range(TURNS) for kind in "qa"]
    assert await database.fetch("SELECT count(*) FROM responses_items") == [(2 * TURNS,)]
