"""A store's own queue of writes: how many may be on their way, and how many batches run at once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from stackwright.errors import Unavailable
from stackwright.storage.sql import Do, Migration, Row, Script, SqlBackend, Value
from stackwright.storage.sql.bell import Bell
from stackwright.storage.sql.job import Lane, Work

T = TypeVar("T")


class QueuedBackend(SqlBackend, Protocol):
    """A SQL backend that can perform queued writes many to a commit."""

    patience: float
    """Seconds an admitted write may wait to begin: longer than `pool_timeout`, for its model has been paid for."""

    def lane(self, batches: int) -> Lane:
        """Return a place where at most `batches` batches run at once."""
        ...


class WriteQueue:
    """A SQL backend seen through a bounded queue of writes. Reads and migrations pass it by."""

    def __init__(self, backend: QueuedBackend, *, max_waiting: int, batches: int) -> None:
        """Queue in front of `backend`, which is open.

        Args:
            backend: Where the writes go.
            max_waiting: Most places that are held at once.
            batches: Most batches at once. SQLite has one writer whatever this says.
        """
        self.name = backend.name
        self.compound = backend.compound
        self.depth = 0
        """Writes waiting for their commit."""
        self.render = backend.render
        self._backend = backend
        self._lane = backend.lane(batches)
        self._max_waiting = max_waiting
        self._places = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place from before the work that leads to a write begins until the write is committed.

        `Unavailable` when none is free. A write itself is never refused for the queue's length.
        """
        if self._places >= self._max_waiting:
            raise Unavailable(
                f"Backend {self.name!r}: {self._places} writes are on their way to their commit, which is the limit.",
                code="write_queue_full",
            )
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        """Run a read; see `SqlBackend`."""
        return await self._backend.fetch(sql, *args)

    async def commit(self, do: Do, *also: Do) -> list[Row]:
        """Run writing statements; see `SqlBackend`."""
        rows: list[Row] = await self._wait((do, *also))
        return rows

    async def transact(self, script: Callable[[], Script[T]]) -> T:
        """Run a script; see `SqlBackend`."""
        result: T = await self._wait(script)
        return result

    async def migrate(self, store: str, migrations: Sequence[Migration]) -> None:
        """Bring a store's schema up to date; see `SqlBackend`."""
        await self._backend.migrate(store, migrations)

    def bell(self, table_name: str) -> Bell:
        """Return a table's bell; see `SqlBackend`."""
        return self._backend.bell(table_name)

    async def _wait(self, work: Work) -> Any:
        self.depth += 1
        try:
            return await self._lane.submit(work, self._backend.patience)
        finally:
            self.depth -= 1
