"""A Postgres database that another program filled."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from stackwright.config.storage import PostgresBackend
from stackwright.errors import Unavailable
from stackwright.storage.foreign import BATCH, by_table, readable
from stackwright.storage.sql import Row, Value
from stackwright.storage.sql.postgres_connect import Connector
from stackwright.storage.sql.postgres_errors import FOREIGN

_FAILURES = (*FOREIGN, UnicodeDecodeError)
_COLUMNS = (
    "SELECT table_name::text, column_name::text FROM information_schema.columns "
    "WHERE table_schema = ANY(current_schemas(false))"
)


class ForeignPostgres:
    """See `ForeignRows`."""

    arrival = "ctid"

    def __init__(self, settings: PostgresBackend) -> None:
        self._connector = Connector(settings, name="--from", application="stackwright migrate data")
        self.address = self._connector.address
        self._connection: Any = None

    async def open(self) -> None:
        """Connect, and begin the one transaction in which everything is read."""
        self._connection = await self._connector.connect()
        if self._connection.get_settings().server_encoding == "SQL_ASCII":
            await self._expect_bytes()
        # Between two reads it waits for our own writes, for as long as they take.
        await self._run("SET idle_in_transaction_session_timeout = 0")
        await self._run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    async def _expect_bytes(self) -> None:
        """Read texts with care: this database was made to take any bytes for one."""
        # With any other encoding the server refuses to send what is not valid in it.
        await self._run("SET client_encoding = 'SQL_ASCII'")
        try:
            for kind in ("text", "varchar", "json"):
                await self._connection.set_type_codec(
                    kind, schema="pg_catalog", encoder=str.encode, decoder=readable, format="binary"
                )
        except _FAILURES as error:
            raise self._unreadable(error) from error

    async def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.terminate()

    async def tables(self) -> Mapping[str, frozenset[str]]:
        """See `ForeignRows`."""
        return by_table(await self.fetch(_COLUMNS))

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        """See `ForeignRows`."""
        try:
            return [tuple(row) for row in await self._connection.fetch(sql, *args)]
        except _FAILURES as error:
            raise self._unreadable(error) from error

    async def batches(self, sql: str) -> AsyncGenerator[list[Row], None]:
        """See `ForeignRows`."""
        try:
            cursor = await self._connection.cursor(sql)
            while rows := [tuple(row) for row in await cursor.fetch(BATCH)]:
                yield rows
        except _FAILURES as error:
            raise self._unreadable(error) from error

    async def _run(self, sql: str) -> None:
        try:
            await self._connection.execute(sql)
        except _FAILURES as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> Unavailable:
        return Unavailable(f"{self.address} cannot be read: {error}")
