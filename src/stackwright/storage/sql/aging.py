"""Rows that grow old: found by an index on when they were made, and removed a few to a transaction."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from stackwright.storage.sql import Do, Migration, Row, Script, SqlBackend, Value
from stackwright.storage.sql.columns import places, quoted

BATCH = 100
"""Rows that one transaction looks at."""


class Cursor(NamedTuple):
    """A row's place in the order of age. In front of the youngest that is old enough is `Cursor(old, 0)`."""

    made: int
    seq: int


class Swept(NamedTuple):
    """What a batch came to."""

    removed: int
    after: Cursor | None
    """Where the next one begins; None when there are no older rows."""


class Sweep(Protocol):
    """Removes what is old, from the youngest of it to the oldest."""

    at_least: float
    """Seconds for which rows stay, whatever is asked for."""

    def sweeping(self, old: int, after: Cursor) -> Script[Swept]:
        """Look at the next rows from before `old`, seconds since 1970, and remove those that may go."""
        ...


async def time_before(backend: SqlBackend, age: float) -> int:
    """Return what was the time `age` seconds ago, by the database's clock."""
    # Asked for by itself: Postgres finds nothing by an index that is compared with a clock which goes on.
    ((old,),) = await backend.fetch(backend.render("SELECT CAST({now} - $1 AS BIGINT)"), age)
    return int(old)


class Aging:
    """One table by age."""

    def __init__(
        self, backend: SqlBackend, table_name: str, *, made: str, listed: Sequence[str] = (), where: str = ""
    ) -> None:
        """Describe what is looked for.

        Args:
            backend: The database.
            table_name: The table; it has a `seq`.
            made: The column with the time that counts, in seconds since 1970.
            listed: More columns to return.
            where: A condition under which a row may go, in which `{old}` is the time before which it is old.
        """
        self._table, self._made = quoted(table_name), quoted(made)
        self._index = quoted(f"{table_name}_{made}")
        condition = f" AND {where.replace('{old}', '$1')}" if where else ""
        columns = ", ".join([self._made, "seq", *map(quoted, listed)])
        self._find = backend.render(
            f"SELECT {columns} FROM {self._table} WHERE ({self._made}, seq) < ($1, $2) "
            f"ORDER BY {self._made} DESC, seq DESC LIMIT {BATCH}"
        )
        self._remove = backend.render(
            f"DELETE FROM {self._table} WHERE seq IN ({places(BATCH, 2)}) AND {self._made} < $1{condition} "
            "RETURNING seq"
        )

    def migration(self, version: int) -> Migration:
        """Return what makes the index, as that version of the table."""
        return Migration(version, [f"CREATE INDEX {self._index} ON {self._table} ({self._made}, seq)"])

    def finding(self, after: Cursor) -> Script[list[Row]]:
        """Return the next rows: when they were made, their `seq`, and the columns listed."""
        return (yield Do(self._find, tuple(after)))

    def removing(self, old: int, numbers: Collection[int]) -> Script[set[int]]:
        """Remove rows by their `seq`, and return those that were still there and still old."""
        if not numbers:
            return set()
        return {seq for (seq,) in (yield Do(self._remove, (old, *_filled(list(numbers)))))}


class Among:
    """A statement about rows whose key is one of several."""

    def __init__(self, backend: SqlBackend, sql: str) -> None:
        """`sql` has `{keys}` for the keys; with `$1` in it they are those of one tenant."""
        self._sql = backend.render(sql.replace("{keys}", places(BATCH, 2 if "$1" in sql else 1)))

    def run(self, keys: Sequence[Value], *tenant: str) -> Script[list[Row]]:
        """Run it, for at most `BATCH` keys."""
        return (yield Do(self._sql, (*tenant, *_filled(keys)))) if keys else []


def by_tenant(rows: Sequence[Row], tenant: int, key: int) -> dict[str, list[Value]]:
    """Return the keys of rows by tenant; the numbers say in which columns they are."""
    found: dict[str, list[Value]] = {}
    for row in rows:
        found.setdefault(row[tenant], []).append(row[key])
    return found


def end_of(rows: Sequence[Row]) -> Cursor | None:
    """Return where the batch after these rows of `finding` begins."""
    return Cursor(rows[-1][0], rows[-1][1]) if len(rows) == BATCH else None


def _filled(values: Sequence[Value]) -> list[Value]:
    # One statement, whatever the number, is one entry of the driver's cache.
    return [*values, *[values[-1]] * (BATCH - len(values))]
