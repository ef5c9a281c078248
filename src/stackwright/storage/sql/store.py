"""What every store on one table of documents has."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from stackwright.storage.sql import Migration
from stackwright.storage.sql.rows import Table

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
