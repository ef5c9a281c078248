"""Databases that another program filled, opened to read: their tables and keys as they are.

Everything that is read comes from one moment (SQLite and Postgres: one transaction), and nothing is written. Failures
of a driver become `Unavailable`.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Protocol, runtime_checkable

from stackwright.storage.sql import Row, Value

BATCH = 100
"""Rows that are held at once."""


def identifier(name: str) -> str:
    """Return another program's name as an SQL identifier, whatever is in it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def by_table(rows: Iterable[Row]) -> Mapping[str, frozenset[str]]:
    """Return the columns of each table, from rows of a table's name and a column's."""
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return {table: frozenset(columns) for table, columns in found.items()}


def readable(given: bytes) -> str | bytes:
    """Return a text; its bytes when they are not UTF-8."""
    try:
        return given.decode()
    except UnicodeDecodeError:
        return given


@runtime_checkable
class ForeignRows(Protocol):
    """A SQL database. A text that is not UTF-8 comes as its bytes."""

    address: str
    """Where it is, without secrets."""
    arrival: str
    """The hidden column that orders rows as they came, as well as the database knows."""

    async def open(self) -> None:
        """Connect, and hold on to this moment."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...

    async def tables(self) -> Mapping[str, frozenset[str]]:
        """Return the names of the tables, each with the names of its columns."""
        ...

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        """Run a read whose answer is short. Arguments are `$1` and so on."""
        ...

    def batches(self, sql: str) -> AsyncGenerator[list[Row], None]:
        """Run a read and return its rows some at a time, however many there are."""
        ...


class ForeignKeys(Protocol):
    """Keys and their values, both text."""

    address: str

    async def open(self) -> None:
        """Connect."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...

    def keys(self) -> AsyncGenerator[list[str], None]:
        """Return all keys, some at a time, in no order."""
        ...

    async def get(self, key: str) -> str | bytes | None:
        """Return a key's value; its bytes when it is not UTF-8, None when it is gone, or is no text."""
        ...
