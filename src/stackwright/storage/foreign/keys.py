"""The one table in which another program keeps keys and values in a SQL database."""

from collections.abc import AsyncGenerator

from stackwright.storage.foreign import ForeignRows, identifier

COLUMNS = frozenset({"key", "value", "expiration"})


class ForeignKeyTable:
    """See `ForeignKeys`. The database is open."""

    def __init__(self, rows: ForeignRows, table: str) -> None:
        self.address = rows.address
        self._rows = rows
        self._table = identifier(table)

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def keys(self) -> AsyncGenerator[list[str], None]:
        """See `ForeignKeys`."""
        async for batch in self._rows.batches(f"SELECT key FROM {self._table}"):  # noqa: S608 - it is quoted
            yield [key.decode(errors="replace") if isinstance(key, bytes) else key for (key,) in batch]

    async def get(self, key: str) -> str | bytes | None:
        """See `ForeignKeys`."""
        found = await self._rows.fetch(f"SELECT value FROM {self._table} WHERE key = $1", key)  # noqa: S608 - as above
        return found[0][0] if found and isinstance(found[0][0], str | bytes) else None
