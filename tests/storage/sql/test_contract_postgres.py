"""Postgres keeps the SQL contract."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from stackwright.errors import NotFound
from stackwright.storage.sql import Do, Look, Row, Script, Whole
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.storage.sql.rows import Table
from stackwright.testing.sql_contract import CountingBackend, Note, SqlContract
from tests.servers import PostgresServer
from tests.storage.sql.databases import settings_for


class TestPostgres(SqlContract):
    @pytest.fixture
    async def backend(self, postgres_server: PostgresServer, postgres_db: str) -> AsyncIterator[PostgresDatabase]:
        settings = settings_for(postgres_server, postgres_db, pool_timeout=60)
        database = PostgresDatabase(settings, name="sql_default")
        await database.open()
        yield database
        await database.close()

    async def test_a_script_begins_its_transaction_when_it_needs_one(self, backend: PostgresDatabase) -> None:
        number = "SELECT CAST(txid_current() AS BIGINT)"

        def script() -> Script[list[int]]:
            asked = [Look(number), Whole(number), Do(number), Look(number), Whole(number)]
            seen: list[Row] = []
            for do in asked:
                seen += yield do
            return [number for (number,) in seen]

        look, whole, *begun = await backend.transact(script)
        assert look < whole < begun[0]
        assert begun == [begun[0]] * 3

    async def test_a_whole_statement_stays_and_one_in_a_transaction_falls_with_it(
        self, backend: PostgresDatabase, notes: Table[Note]
    ) -> None:
        def script(*names: str) -> Script[None]:
            for name in names:
                do = notes.insert_do("t", Note(id=name))
                yield Whole(*do) if name == "whole" else do
            raise NotFound("thing", "x")

        for names, left in ((("b", "whole", "c"), []), (("whole", "a"), ["whole"])):
            with pytest.raises(NotFound):
                await backend.transact(lambda names=names: script(*names))  # type: ignore[misc]
            assert [one.id for one in (await notes.page("t", limit=9)).rows] == left

    async def schema_of(self, backend: CountingBackend, table: str) -> list[Any]:
        columns = await backend.fetch(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_name = $1 ORDER BY ordinal_position",
            table,
        )
        indexes = await backend.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = $1 ORDER BY 1", table)
        return [columns, [definition.replace(table, "T") for (definition,) in indexes]]
