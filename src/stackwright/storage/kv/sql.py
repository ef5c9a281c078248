"""Key-value storage in one table of a SQL database, whose pool it shares. A namespace is a column."""

import asyncio
from collections.abc import Sequence
from itertools import chain

from stackwright.storage.kv import KV, Entry, Kept
from stackwright.storage.kv.keys import check_key, check_namespace, span
from stackwright.storage.sql import Do, Migration, Row, Script, SqlBackend, Value
from stackwright.storage.sql.columns import quoted
from stackwright.storage.sql.failures import MissingTable

SWEEP_EVERY = 32
SWEEP_BATCH = 128


HERE = "namespace = $1 AND key = $2"
LIVE = "(expires_at IS NULL OR expires_at > {now})"

CREATE = (
    "CREATE TABLE {table} (namespace {text} NOT NULL, key {text} NOT NULL, value {bytes} NOT NULL, "
    "expires_at double precision, PRIMARY KEY (namespace, key))",
    "CREATE INDEX {index} ON {table} (expires_at) WHERE expires_at IS NOT NULL",
)
GET = "SELECT value FROM {table} WHERE {here} AND {live}"
SET = (
    "INSERT INTO {table} (namespace, key, value, expires_at) VALUES {rows} "
    "ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"
)
LOADED_TOGETHER = 50
DELETE = "DELETE FROM {table} WHERE {here} RETURNING {live}"
INSERT = (
    "INSERT INTO {table} (namespace, key, value) VALUES ($1, $2, $3) "
    "ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires_at = NULL "
    "WHERE {table}.expires_at <= {now} RETURNING 1"
)
REPLACE = "UPDATE {table} SET value = $4, expires_at = NULL WHERE {here} AND value = $3 AND {live} RETURNING 1"
REMOVE = "DELETE FROM {table} WHERE {here} AND value = $3 AND {live} RETURNING 1"
SCAN = "SELECT key, value FROM {table} WHERE namespace = $1 AND key >= $2 AND key < $3 AND {live} ORDER BY key LIMIT $4"
DUMP = (
    "SELECT key, value, expires_at - {now} FROM {table} WHERE namespace = $1 AND key > $2 AND {live} "
    "ORDER BY key LIMIT $3"
)
# The outer condition is for a row that was renewed after the inner select saw it expired.
SWEEP = (
    "DELETE FROM {table} WHERE expires_at <= {now} AND (namespace, key) IN (SELECT namespace, key FROM {table} "
    "WHERE expires_at <= {now} ORDER BY expires_at LIMIT {batch} {skip_locked})"
)


def _set(count: int) -> str:
    """Return the statement that writes so many entries of one namespace, each with a key of its own."""
    places = range(2, 2 + 3 * count, 3)
    rows = ", ".join(f"($1, ${n}, ${n + 1}, {{now}} + CAST(${n + 2} AS double precision))" for n in places)
    return SET.replace("{rows}", rows)


class Statements:
    """The statements on one table, rendered once."""

    def __init__(self, database: SqlBackend, table: str) -> None:
        self._words = {
            "{live}": LIVE,
            "{here}": HERE,
            "{batch}": str(SWEEP_BATCH),
            "{table}": quoted(table),
            "{index}": quoted(f"{table}_expiry"),
        }
        self.create = tuple(map(self._fill, CREATE))
        self.get, self.set, self.delete, self.insert, self.replace, self.remove, self.scan, self.sweep, self.dump = (
            database.render(self._fill(sql))
            for sql in (GET, _set(1), DELETE, INSERT, REPLACE, REMOVE, SCAN, SWEEP, DUMP)
        )

        self.set_many = database.render(self._fill(_set(LOADED_TOGETHER)))

    def _fill(self, sql: str) -> str:
        for word, text in self._words.items():
            sql = sql.replace(word, text)
        return sql


class SqlTable:
    """One table for all namespaces, made at the first use if nobody called `prepare`."""

    def __init__(self, database: SqlBackend, table: str) -> None:
        self.name = f"kv:{table}"
        self.statements = Statements(database, table)
        self.database = database
        self._migrations = [Migration(1, self.statements.create)]
        self._making = asyncio.Lock()
        self._made = False
        self._expiring_writes = 0

    def is_in(self, database: SqlBackend, table: str) -> bool:
        """True when this is the table of that name in that database."""
        return self.database is database and self.name == f"kv:{table}"

    @property
    def schema_version(self) -> int:
        """The version that `prepare` brings the table to."""
        return self._migrations[-1].version

    def namespace(self, namespace: str) -> KV:
        """Return a namespace of this table."""
        return SqlKV(self, check_namespace(namespace))

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        """Run a read. A table that is there is read also where nothing may be written."""
        try:
            return await self.database.fetch(sql, *args)
        except MissingTable:
            if self._made:
                raise
        await self.prepare()
        return await self.database.fetch(sql, *args)

    async def commit(self, sql: str, *args: Value) -> list[Row]:
        """Run a write; committed on return."""
        if not self._made:
            await self.prepare()
        return await self.database.commit(Do(sql, args))

    async def commit_all(self, todo: Sequence[Do]) -> None:
        """Run several writes; committed together on return."""

        def script() -> Script[None]:
            for do in todo:  # noqa: UP028 - a script is sent rows, which a list's iterator does not take
                yield do

        if not self._made:
            await self.prepare()
        await self.database.transact(script)

    async def sweep_now_and_then(self) -> None:
        """Delete a few expired rows, more than were added since the last time. Called with every expiring write."""
        self._expiring_writes += 1
        if self._expiring_writes % SWEEP_EVERY == 0:
            await self.commit(self.statements.sweep)

    async def prepare(self) -> None:
        """Make the table, now or as soon as the database is there."""
        async with self._making:
            if not self._made:
                await self.database.migrate(self.name, self._migrations)
                self._made = True


class SqlKV:
    """One namespace."""

    def __init__(self, table: SqlTable, namespace: str) -> None:
        self._table = table
        self._sql = table.statements
        self._namespace = namespace

    async def get(self, key: str) -> bytes | None:
        """See `KV.get`."""
        rows = await self._table.fetch(self._sql.get, self._namespace, check_key(key))
        return bytes(rows[0][0]) if rows else None

    async def set(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """See `KV.set`."""
        check_key(key)
        if ttl is not None:
            await self._table.sweep_now_and_then()
        await self._table.commit(self._sql.set, self._namespace, key, value, ttl)

    async def delete(self, key: str) -> bool:
        """See `KV.delete`."""
        rows = await self._table.commit(self._sql.delete, self._namespace, check_key(key))
        return bool(rows and rows[0][0])

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None) -> bool:
        """See `KV.compare_and_set`."""
        place = self._namespace, check_key(key)
        if expected is None and value is None:
            return await self.get(key) is None
        if expected is None:
            return bool(await self._table.commit(self._sql.insert, *place, value))
        if value is None:
            return bool(await self._table.commit(self._sql.remove, *place, expected))
        return bool(await self._table.commit(self._sql.replace, *place, expected, value))

    async def scan(
        self, *, prefix: str = "", start: str = "", end: str | None = None, limit: int = 1000
    ) -> Sequence[Entry]:
        """See `KV.scan`."""
        low, high = span(prefix, start, end, limit)
        rows = await self._table.fetch(self._sql.scan, self._namespace, low, high, limit)
        return [Entry(key, bytes(value)) for key, value in rows]

    async def dump(self, *, after: str = "", limit: int = 1000) -> Sequence[Kept]:
        """See `KV.dump`."""
        rows = await self._table.fetch(self._sql.dump, self._namespace, after, limit)
        return [Kept(key, bytes(value), ttl) for key, value, ttl in rows]

    async def load(self, entries: Sequence[Kept]) -> None:
        """See `KV.load`. All or none."""
        todo: list[Do] = []
        for start in range(0, len(entries), LOADED_TOGETHER):
            some = entries[start : start + LOADED_TOGETHER]
            rows: list[tuple[Value, ...]] = [(check_key(key), value, ttl) for key, value, ttl in some]
            if len(rows) == LOADED_TOGETHER:
                todo.append(Do(self._sql.set_many, (self._namespace, *chain.from_iterable(rows))))
            else:
                todo += [Do(self._sql.set, (self._namespace, *row)) for row in rows]
        await self._table.commit_all(todo)
