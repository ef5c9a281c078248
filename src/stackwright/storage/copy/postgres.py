"""A Postgres database as one end of a copy, read in one snapshot and written with COPY."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from stackwright.config.storage import PostgresBackend
from stackwright.errors import StackwrightError
from stackwright.storage.copy import MOST_BYTES, MOST_ROWS, InUse, Part
from stackwright.storage.sql import Row
from stackwright.storage.sql.columns import places, quoted
from stackwright.storage.sql.postgres_connect import Connector
from stackwright.storage.sql.postgres_errors import FOREIGN, translate
from stackwright.storage.sql.postgres_pool import PooledConnection, say_goodbye

APPLICATION = "stackwright-copy"
_SECONDS = 3600.0
"""A statement of a copy may take longer than one that a caller waits for."""
_LEAVING = 3.0
"""Seconds that connections of servers that were just stopped may need to go away."""
_COLUMNS = """SELECT attname, atttypid IN ('text'::regtype, 'bytea'::regtype) FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_KEY = """SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indrelid = to_regclass($1) AND i.indisprimary ORDER BY k.place"""
_SERVERS = """SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()
    AND (application_name = 'stackwright' OR application_name LIKE 'stackwright/%')"""


class PostgresPlace:
    """See `Place`."""

    def __init__(self, connection: PooledConnection, name: str) -> None:
        self.name = name
        self._connection = connection
        self._sizes: dict[str, str] = {}

    async def part(self, name: str, *, seeded: bool) -> Part:
        """See `Place.part`."""
        with self._translating():
            found = await self._connection.fetch(_COLUMNS, quoted(name))
            key = await self._connection.fetch(_KEY, quoted(name))
        if not key:
            raise StackwrightError(f"Backend {self.name!r} has no table {name!r} with a primary key.")
        columns = [column for column, _ in found]
        # Asked for its size, Postgres does not fetch a value that is kept apart.
        long = [f"COALESCE(octet_length({quoted(column)}), 0)" for column, is_long in found if is_long]
        self._sizes[name] = " + ".join(["64", *long])
        return Part(name, tuple(columns), tuple(columns.index(column) for (column,) in key), seeded)

    async def count(self, part: Part) -> int:
        """See `Place.count`."""
        with self._translating():
            return int(await self._connection.fetchval(f"SELECT count(*) FROM {quoted(part.name)}"))

    async def read(self, part: Part, after: Sequence[Any] | None) -> list[Row]:
        """See `Place.read`."""
        if part.name not in self._sizes:
            await self.part(part.name, seeded=part.seeded)
        with self._translating():
            return [tuple(row) for row in await self._connection.fetch(self._page(part, after), *(after or ()))]

    def _page(self, part: Part, after: Sequence[Any] | None) -> str:
        listed, key = _listed(part), ", ".join(quoted(part.columns[place]) for place in part.key)
        beyond = "" if after is None else f"WHERE ({key}) > ({places(len(part.key))}) "
        return (
            f"SELECT {listed} FROM (SELECT {listed}, sum(size) OVER (ORDER BY {key} ROWS UNBOUNDED PRECEDING) - size "
            f"AS before FROM (SELECT {listed}, {self._sizes[part.name]} AS size FROM {quoted(part.name)} "
            f"{beyond}ORDER BY {key} LIMIT {MOST_ROWS}) AS batch) AS measured "
            f"WHERE before < {MOST_BYTES} ORDER BY {key}"
        )

    async def write(self, part: Part, rows: Sequence[Row]) -> None:
        """See `Place.write`."""
        with self._translating():
            async with self._connection.transaction():
                if part.seeded:
                    await self._connection.execute(f"DELETE FROM {quoted(part.name)}")
                await self._connection.copy_records_to_table(part.name, records=rows, columns=part.columns)

    async def clear(self, part: Part) -> None:
        """See `Place.clear`."""
        with self._translating():
            await self._connection.execute(f"DELETE FROM {quoted(part.name)}")

    async def rest(self, part: Part) -> list[Row]:
        """Return how far the key's sequence has counted: rows that were deleted have used numbers too."""
        with self._translating():
            sequence = await self._sequence(part)
            counted = f"SELECT last_value FROM {sequence} WHERE is_called"
            return [tuple(row) for row in await self._connection.fetch(counted)] if sequence else []

    async def take_rest(self, part: Part, rest: Sequence[Row]) -> None:
        """See `rest`."""
        with self._translating():
            for (number,) in rest:
                if sequence := await self._sequence(part):
                    await self._connection.fetch("SELECT setval($1::text::regclass, $2)", sequence, number)

    async def lock(self, names: Sequence[str]) -> None:
        """Keep tables as they are, and see them as they are now, until the connection is closed."""
        tables = ", ".join(map(quoted, names))
        with self._translating():
            await self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
            await self._connection.execute("SET LOCAL lock_timeout = '5s'")
            try:
                await self._connection.execute(f"LOCK TABLE {tables} IN SHARE MODE")
            except asyncpg.LockNotAvailableError:
                raise InUse(self.name, "somebody who writes to its tables") from None

    async def check_alone(self) -> None:
        """`InUse` when servers are connected."""
        deadline = time.monotonic() + _LEAVING
        while True:
            with self._translating():
                servers = await self._connection.fetch(_SERVERS)
            if not servers:
                return
            if time.monotonic() > deadline:
                raise InUse(self.name, ", ".join(sorted(repr(row[0]) for row in servers)))
            await asyncio.sleep(0.1)

    async def _sequence(self, part: Part) -> str | None:
        if len(part.key) > 1:
            return None
        column = part.columns[part.key[0]]
        found: str | None = await self._connection.fetchval(
            "SELECT pg_get_serial_sequence($1, $2)", quoted(part.name), column
        )
        return found

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except FOREIGN as error:
            raise translate(error, self.name, closed=self._connection.is_closed()) from error


@asynccontextmanager
async def postgres_place(
    settings: PostgresBackend, name: str, *, reading: Sequence[str] = ()
) -> AsyncIterator[PostgresPlace]:
    """Connect to a database in which no server works. `InUse` when one does.

    Args:
        settings: Where it is.
        name: The backend.
        reading: Tables that nobody may write to meanwhile.
    """
    patient = settings.model_copy(update={"command_timeout": _SECONDS})
    connection = await Connector(patient, name=name, application=APPLICATION).connect()
    place = PostgresPlace(connection, name)
    try:
        await place.check_alone()
        # Between two reads of a long copy the other end works, and we are silent in our transaction.
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
        if reading:
            await place.lock(reading)
        yield place
    finally:
        await say_goodbye(connection)


def _listed(part: Part) -> str:
    return ", ".join(map(quoted, part.columns))
