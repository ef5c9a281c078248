"""Postgres keeps the SQL contract."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.testing.sql_contract import CountingBackend, SqlContract
from tests.servers import PostgresServer
from tests.storage.sql.databases import settings_for


class TestPostgres(SqlContract):
    @pytest.fixture
    async def backend(self, postgres_server: PostgresServer, postgres_db: str) -> AsyncIterator[PostgresDatabase]:
        database = PostgresDatabase(settings_for(postgres_server, postgres_db), name="sql_default")
        await database.open()
        yield database
        await database.close()

    async def schema_of(self, backend: CountingBackend, table: str) -> list[Any]:
        columns = await backend.fetch(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_name = $1 ORDER BY ordinal_position",
            table,
        )
        indexes = await backend.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = $1 ORDER BY 1", table)
        return [columns, [definition.replace(table, "T") for (definition,) in indexes]]
