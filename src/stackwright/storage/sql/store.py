"""What every store on one table of documents has."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

import msgspec

from stackwright.storage.sql import Migration
from stackwright.storage.sql.rows import Table
from stackwright.storage.sql.writer import WriteQueue

S = TypeVar("S", bound=msgspec.Struct)


class Store(Generic[S]):
    """One table, and what makes it. A store adds the queries that are its own."""

    def __init__(self, table: Table[S]) -> None:
        self._table = table

    @property
    def name(self) -> str:
        """What migrations call this store."""
        return self._table.name

    @property
    def migrations(self) -> Sequence[Migration]:
        """Every step from nothing to the present schema."""
        return self._table.migrations

    async def prepare(self) -> None:
        """Make the tables, now or as soon as the database is there."""
        await self._table.prepare()


class QueuedStore(Store[S]):
    """A store whose rows are made by asking a model first: who may not write is told so before that."""

    def __init__(self, queue: WriteQueue, table: Table[S]) -> None:
        super().__init__(table)
        self._queue = queue

    @property
    def waiting(self) -> int:
        """Writes that wait for their commit."""
        return self._queue.depth

    def place(self) -> AbstractContextManager[None]:
        """Hold a place for a row from before its model is called until it is kept. `Unavailable` when too many are on
        their way."""
        return self._queue.place()
