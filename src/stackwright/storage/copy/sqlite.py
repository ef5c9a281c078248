"""A SQLite file as one end of a copy. It is locked against every other process until it is closed."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import apsw

from stackwright.errors import StackwrightError, Unavailable
from stackwright.storage.copy import MOST_BYTES, MOST_ROWS, InUse, Part, size_of
from stackwright.storage.sql import Row
from stackwright.storage.sql.columns import quoted
from stackwright.storage.sql.sqlite_errors import FOREIGN, translate


class SqlitePlace:
    """See `Place`. Statements run on the caller's thread: nobody else is served meanwhile."""

    def __init__(self, connection: apsw.Connection, name: str) -> None:
        self.name = name
        self._connection = connection

    async def part(self, name: str, *, seeded: bool) -> Part:
        """See `Place.part`."""
        with self._translating():
            found = self._connection.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
        columns = [str(row[1]) for row in found]
        key = sorted((int(str(row[5])), place) for place, row in enumerate(found) if row[5])
        if not key:
            raise StackwrightError(f"Backend {self.name!r} has no table {name!r} with a primary key.")
        return Part(name, tuple(columns), tuple(place for _, place in key), seeded)

    async def count(self, part: Part) -> int:
        """See `Place.count`."""
        with self._translating():
            return int(self._connection.execute(f"SELECT count(*) FROM {quoted(part.name)}").get)

    async def read(self, part: Part, after: Sequence[Any] | None) -> list[Row]:
        """See `Place.read`."""
        key = ", ".join(quoted(part.columns[place]) for place in part.key)
        beyond = "" if after is None else f"WHERE ({key}) > ({', '.join('?' * len(after))}) "
        sql = f"SELECT {_listed(part)} FROM {quoted(part.name)} {beyond}ORDER BY {key} LIMIT {MOST_ROWS}"
        rows: list[Row] = []
        size = 0
        with self._translating():
            for row in self._connection.execute(sql, tuple(after or ())):
                rows.append(row)
                size += size_of(row)
                if size >= MOST_BYTES:
                    break
        return rows

    async def write(self, part: Part, rows: Sequence[Row]) -> None:
        """See `Place.write`."""
        places = ", ".join("?" * len(part.columns))
        with self._translating(), self._connection:
            if part.seeded:
                self._connection.execute(f"DELETE FROM {quoted(part.name)}")
            self._connection.executemany(f"INSERT INTO {quoted(part.name)} ({_listed(part)}) VALUES ({places})", rows)

    async def clear(self, part: Part) -> None:
        """See `Place.clear`."""
        with self._translating(), self._connection:
            self._connection.execute(f"DELETE FROM {quoted(part.name)}")

    async def rest(self, part: Part) -> list[Row]:
        """Return how far AUTOINCREMENT has counted: rows that were deleted have used numbers too."""
        with self._translating():
            return self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (part.name,)).fetchall()

    async def take_rest(self, part: Part, rest: Sequence[Row]) -> None:
        """See `rest`."""
        with self._translating(), self._connection:
            for (number,) in rest:
                self._connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (part.name,))
                self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (part.name, number))

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except FOREIGN as error:
            raise translate(error, self.name) from error


@asynccontextmanager
async def sqlite_place(path: Path, name: str) -> AsyncIterator[SqlitePlace]:
    """Open a file for us alone. `InUse` when any other process has it open, even if it only reads."""
    try:
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error as error:
        raise Unavailable(f"Backend {name!r}: cannot open {path}: {error}.") from error
    try:
        _lock(connection, name, path)
        yield SqlitePlace(connection, name)
    finally:
        connection.close()


def _lock(connection: apsw.Connection, name: str, path: Path) -> None:
    # In WAL mode whoever has the file open holds a shared lock on it, so this finds idle servers too.
    try:
        connection.pragma("locking_mode", "exclusive")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
        connection.pragma("synchronous", "full")
    except apsw.BusyError:
        raise InUse(name, f"another process, which has {path} open") from None
    except FOREIGN as error:
        raise translate(error, name) from error


def _listed(part: Part) -> str:
    return ", ".join(map(quoted, part.columns))
