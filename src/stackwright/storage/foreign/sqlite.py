"""A SQLite file that another program filled, and may be filling."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import apsw

from stackwright.errors import Unavailable
from stackwright.storage.foreign import BATCH, by_table, readable
from stackwright.storage.present import present
from stackwright.storage.sql import Row, Value

_FAILURES = (apsw.Error, UnicodeError)
_PATIENCE = 5000
_COLUMNS = (
    "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' "
    "AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~'"
)


class ForeignSqlite:
    """See `ForeignRows`."""

    arrival = "rowid"

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._path = path
        self._connection: apsw.Connection | None = None

    async def open(self) -> None:
        """Open the file, with what is still in its write-ahead log, and hold on to this moment."""
        try:
            self._connection = self._connect("mode=ro")
        except apsw.CantOpenError:
            # On a file system that cannot be written, the log's index cannot be made. Without a log none is needed.
            if not present(self._path) or self._has_log():
                raise Unavailable(f"{self.address} cannot be read, or not without making files beside it.") from None
            self._connection = self._connect("immutable=1")
        except apsw.Error as error:
            raise self._unreadable(error) from error

    def _connect(self, how: str) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(f"file:{quote(self.address)}?{how}", flags)
        connection.set_busy_timeout(_PATIENCE)
        connection.create_scalar_function("readable", _readable, 1, deterministic=True)
        connection.execute("BEGIN")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
        return connection

    def _has_log(self) -> bool:
        with suppress(FileNotFoundError):
            return self._path.with_name(f"{self._path.name}-wal").stat().st_size > 0
        return False

    async def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()

    async def tables(self) -> Mapping[str, frozenset[str]]:
        """See `ForeignRows`."""
        return by_table(await self.fetch(_COLUMNS))

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        """See `ForeignRows`."""
        try:
            return list(self._rows(sql, *args))
        except _FAILURES as error:
            raise self._unreadable(error) from error

    async def batches(self, sql: str) -> AsyncGenerator[list[Row], None]:
        """See `ForeignRows`."""
        try:
            found = self._rows(sql)
            while rows := list(islice(found, BATCH)):
                yield rows
        except _FAILURES as error:
            raise self._unreadable(error) from error

    def _rows(self, sql: str, *args: Value) -> Iterator[Row]:
        assert self._connection is not None
        cursor, done = self._connection.execute(sql, args), 0
        try:
            for row in cursor:
                done += 1
                yield row
        except UnicodeDecodeError:
            # The driver cannot say which column it is: everything from here on is read as bytes.
            careful = _as_bytes(sql, len(cursor.get_description()))
            yield from islice(self._connection.execute(careful, args), done, None)

    def _unreadable(self, error: Exception) -> Unavailable:
        return Unavailable(f"{self.address} cannot be read: {error}.")


def _readable(*given: "apsw.SQLiteValue") -> "apsw.SQLiteValue":
    (blob,) = given
    assert isinstance(blob, bytes)
    return readable(blob)


def _as_bytes(sql: str, columns: int) -> str:
    """Return a read of the same rows in which each text is made from its bytes."""
    names = [f"c{place}" for place in range(columns)]
    made = [f"CASE typeof({one}) WHEN 'text' THEN readable(CAST({one} AS BLOB)) ELSE {one} END" for one in names]
    return f"WITH found({', '.join(names)}) AS ({sql}) SELECT {', '.join(made)} FROM found"  # noqa: S608 - no input in it
