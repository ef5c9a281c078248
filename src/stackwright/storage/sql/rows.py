"""Typed documents: a table made from a struct, read and written without anybody else writing SQL.

Every row has an owner (`tenant`), an `id` unique to that owner, and a place (`seq`) in the order of arrival. Every
index leads with the tenant, so one tenant's rows cost nothing to another.
"""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from stackwright.errors import Conflict, InvalidRequest, NotFound
from stackwright.kit.page import Order
from stackwright.storage.sql import Do, Migration, SqlBackend, Value
from stackwright.storage.sql.columns import Columns
from stackwright.storage.sql.statements import PageKind, Statements

S = TypeVar("S", bound=msgspec.Struct)


class Slice(msgspec.Struct, Generic[S], frozen=True):
    """Some rows in the order asked for, and whether more follow in the direction of reading."""

    rows: list[S]
    has_more: bool


class Table(Generic[S]):
    """One table of documents. The tenant comes first in every call. Methods named `*_do` return the statement, for a
    script to yield; `columns.decode` reads the rows it gets."""

    def __init__(
        self,
        backend: SqlBackend,
        name: str,
        struct: type[S],
        *,
        kind: str,
        indexes: Sequence[Sequence[str]] = (),
        later: Sequence[Migration] = (),
        alive: str = "",
    ) -> None:
        """Describe the table; `prepare` makes it.

        Args:
            backend: The database, or a `WriteQueue` in front of it.
            name: The table's name, as the run file gives it.
            struct: What a row is. Fields: `id`, and any of `str int float bool bytes`, each `| None`.
            kind: What a caller calls such an object: "conversation".
            indexes: The sets of columns that `page` filters by.
            later: Migrations from version 2 on.
            alive: What is true, in SQL, of rows that may be seen; others are as good as gone. It filters, and chooses
                no index.
        """
        self.name = name
        self.kind = kind
        self.backend = backend
        self.columns = Columns(struct)
        self._sql = Statements(backend.render, name, self.columns, alive)
        self.migrations: Sequence[Migration] = [self._sql.first_migration([(), *indexes]), *later]
        """Every step from nothing to the present schema."""

    async def prepare(self) -> None:
        """Make the table, or bring an older one up to date."""
        await self.backend.migrate(self.name, self.migrations)

    async def insert(self, tenant: str, document: S) -> None:
        """Write a new row, committed on return. `Conflict` if the tenant has one with this id."""
        try:
            await self.backend.commit(self.insert_do(tenant, document))
        except Conflict:
            taken = getattr(document, "id")  # noqa: B009 - a struct, of which more is not known
            raise Conflict(f"A {self.kind} with id {taken!r} exists already.", param="id") from None

    async def get(self, tenant: str, id: str) -> S:
        """Return the row. `NotFound` when the tenant has none."""
        rows = await self.backend.fetch(self._sql.select, tenant, id)
        if not rows:
            raise NotFound(self.kind, id)
        return self.columns.decode(rows[0])

    async def find(self, tenant: str, id: str) -> S | None:
        """Return the row, or None when the tenant has none."""
        rows = await self.backend.fetch(self._sql.select, tenant, id)
        return self.columns.decode(rows[0]) if rows else None

    async def update(self, tenant: str, id: str, **fields: Value) -> S:
        """Set some fields and return the whole row, committed on return. `NotFound` when the tenant has none."""
        rows = await self.backend.commit(self.update_do(tenant, id, **fields))
        if not rows:
            raise NotFound(self.kind, id)
        return self.columns.decode(rows[0])

    async def delete(self, tenant: str, id: str) -> None:
        """Remove the row, committed on return. `NotFound` when the tenant has none."""
        if not await self.backend.commit(self.delete_do(tenant, id)):
            raise NotFound(self.kind, id)

    async def page(
        self,
        tenant: str,
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
        order: Order = "desc",
        where: Mapping[str, Value] | None = None,
    ) -> Slice[S]:
        """Return at most `limit` rows by order of arrival.

        Args:
            tenant: Whose rows.
            limit: Most rows wanted.
            after: Begin behind the row with this id, in the order asked for.
            before: End in front of it: the last `limit` rows up to there.
            order: `desc` begins with the newest.
            where: Only rows whose columns have exactly these values; None asks for rows without one.

        Raises:
            InvalidRequest: The tenant has no row `after` or `before`.
        """
        where = where or {}
        # One row more than asked for answers `has_more` without a second COUNT query.
        compared = tuple((name, value is None) for name, value in where.items())
        sql = self._sql.page(PageKind(order, after is not None, before is not None, compared))
        values = [value for value in where.values() if value is not None]
        cursors = [cursor for cursor in (after, before) if cursor is not None]
        found = await self.backend.fetch(sql, tenant, *values, *cursors, limit + 1)
        if not found and cursors:
            await self.check_cursors(tenant, after=after, before=before)
        rows = [self.columns.decode(row) for row in found[:limit]]
        if before is not None and after is None:
            rows.reverse()
        return Slice(rows, len(found) > limit)

    def insert_do(self, tenant: str, document: S) -> Do:
        """Insert a row."""
        return Do(self._sql.insert, (tenant, *self.columns.encode(document)))

    def select_do(self, tenant: str, id: str, *, lock: bool = False) -> Do:
        """Select a row's `columns`; `lock` keeps it as it is until the script ends."""
        return Do(self._sql.select_locked if lock else self._sql.select, (tenant, id))

    def update_do(self, tenant: str, id: str, **fields: Value) -> Do:
        """Set some fields; returns the row's `columns`."""
        return Do(self._sql.update(tuple(fields)), (tenant, id, *fields.values()))

    def delete_do(self, tenant: str, id: str) -> Do:
        """Delete a row; returns one row if there was one."""
        return Do(self._sql.delete, (tenant, id))

    async def check_cursors(self, tenant: str, **cursors: str | None) -> None:
        """Raise `InvalidRequest` if the tenant has no row that one of these names; the keyword is the parameter's."""
        for param, cursor in cursors.items():
            if cursor is not None and await self.find(tenant, cursor) is None:
                raise InvalidRequest(f"No {self.kind} with id {cursor!r} to page from.", param=param)
