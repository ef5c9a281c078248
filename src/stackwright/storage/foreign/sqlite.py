"""A SQLite file that another program filled, and may be filling."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import apsw

from stackwright.errors import Unavailable
from stackwright.storage.foreign import BATCH, by_table
from stackwright.storage.present import present
from stackwright.storage.sql import Row, Value

_FAILURES = (apsw.Error, UnicodeDecodeError)
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
            return self._cursor(sql, *args).fetchall()
        except _FAILURES as error:
            raise self._unreadable(error) from error

    async def batches(self, sql: str) -> AsyncGenerator[list[Row], None]:
        """See `ForeignRows`."""
        try:
            cursor = self._cursor(sql)
            while rows := list(islice(cursor, BATCH)):
                yield rows
        except _FAILURES as error:
            raise self._unreadable(error) from error

    def _cursor(self, sql: str, *args: Value) -> apsw.Cursor:
        assert self._connection is not None
        return self._connection.execute(sql, args)

    def _unreadable(self, error: Exception) -> Unavailable:
        return Unavailable(f"{self.address} cannot be read: {error}.")
