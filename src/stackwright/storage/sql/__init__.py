"""SQL storage: what a store may ask of a database, whichever it is.

Statements are written once, in the subset SQLite and Postgres share: `$1` placeholders, `ON CONFLICT`, `RETURNING`.
Where the two differ, a statement says `{serial}` (a growing integer primary key), `{bytes}` (a binary column), `{text}`
(a text column that sorts by UTF-8 bytes), `{lock}` (after a SELECT: hold its rows until the transaction ends),
`{skip_locked}` (the same, passing over rows that others hold) or `{now}` (seconds since 1970 by the database's clock)
and `SqlBackend.render` fills it in.

A transaction is a *script*: a generator that yields statements, gets their rows and returns a result. It does no I/O
itself, so one script runs on SQLite's writer thread and on a Postgres connection alike, and many scripts can share one
commit. SQLite runs scripts one after the other; Postgres side by side (READ COMMITTED), so a script that decides on
what it read takes the row first, with `{lock}` or an UPDATE.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from stackwright.storage.sql.bell import Bell

T = TypeVar("T")

Value = str | int | float | bytes | None
Row = tuple[Any, ...]


class Do(NamedTuple):
    """One statement, already rendered, with its arguments."""

    sql: str
    args: tuple[Value, ...] = ()


class Look(Do):
    """A read that a script does before it writes, and that holds nothing: it needs no transaction yet."""

    __slots__ = ()


class Whole(Do):
    """A statement that is all its script writes, unless it returns no rows: a transaction of its own, and so one round
    trip, when none has begun. What comes after it comes in another transaction."""

    __slots__ = ()


Script = Generator[Do, list[Row], T]
"""Yields statements, is sent their rows, returns the transaction's result. An exception from it rolls back its work
alone. It may be run again from the start when the database asks for a retry, so it is built by a factory."""


class Migration(NamedTuple):
    """One numbered step of one store's schema. `steps` are rendered and run in order, in one transaction."""

    version: int
    steps: Sequence[str]


class SqlBackend(Protocol):
    """One named SQL backend. Every method raises `Unavailable` (503) when the database is away or busy for longer than
    its `pool_timeout`, `Conflict` on a unique violation, `StorageFull` when the disk is full."""

    name: str
    compound: bool
    """Whether a statement's WITH parts may write and feed each other. Where they may not, a script has no round trips
    to save."""

    def render(self, sql: str) -> str:
        """Turn a statement of the shared subset into this database's own. Done once, when a store is made."""
        ...

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        """Run a read that an index answers in bounded time, outside any transaction."""
        ...

    async def commit(self, do: Do, *also: Do) -> list[Row]:
        """Run one writing statement, committed on return; may share its commit. Returns its RETURNING rows.

        Args:
            do: The statement.
            also: Others that stand or fall with it, return nothing, and touch none of its rows or each other's: a
                database may run them in any order, and does it in one round trip.
        """
        ...

    async def transact(self, script: Callable[[], Script[T]]) -> T:
        """Run a script in a transaction of its own or a savepoint of a shared one; committed on return."""
        ...

    async def migrate(self, store: str, migrations: Sequence[Migration]) -> None:
        """Bring a store's schema up to date, once, under a lock that other processes respect.

        Raises:
            SchemaTooNew: The database was written by a newer Stackwright.
        """
        ...

    def bell(self, table_name: str) -> Bell:
        """Return what tells other processes that a table has changed, and is told by them."""
        ...
