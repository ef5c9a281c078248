"""Postgres keeps the key-value contract, whatever the database's own collation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stackwright.config.secret import Secret
from stackwright.config.storage import PostgresBackend
from stackwright.storage.kv.sql import SqlTable
from stackwright.storage.sql import Do
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.testing.kv_contract import Clients, KVContract
from tests.servers import PostgresServer


@asynccontextmanager
async def opened(server: PostgresServer, db: str) -> AsyncIterator[PostgresDatabase]:
    settings = PostgresBackend(type="kv_postgres", connection_string=Secret(server.url(db)))
    database = PostgresDatabase(settings, name="kv_default")
    await database.open()
    yield database
    await database.close()


class TestPostgres(KVContract):
    @pytest.fixture
    async def clients(self, postgres_server: PostgresServer) -> AsyncIterator[Clients]:
        async with opened(postgres_server, "postgres") as one, opened(postgres_server, "postgres") as other:
            yield SqlTable(one, "kv_store"), SqlTable(other, "kv_store")


async def test_a_scan_is_a_range_of_the_index(postgres_server: PostgresServer, postgres_db: str) -> None:
    async with opened(postgres_server, postgres_db) as database:
        table = SqlTable(database, "kv_store")
        await table.namespace("n").set("key", b"value")
        await database.commit(Do("SET enable_seqscan = off"))
        plan = await database.fetch(f"EXPLAIN {table.statements.scan}", "n", "a", "b", 10)
    assert "Index Scan using kv_store_pkey" in str(plan)
    assert "(key >= 'a'::text) AND (key < 'b'::text)" in str(plan)
    assert "Sort" not in str(plan)
