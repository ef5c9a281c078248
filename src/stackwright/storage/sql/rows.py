"""Typed documents: a table made from a struct, read and written without anybody else writing SQL.

Every row has an owner (`tenant`), an identity unique to that owner, and a place (`seq`) in the order of arrival. Every
index leads with the tenant, so one tenant's rows cost nothing to another.
"""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Collection, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from stackwright.errors import Conflict, InvalidRequest, NotFound
from stackwright.kit.page import Order
from stackwright.storage.sql import Do, Migration, SqlBackend, Value
from stackwright.storage.sql.columns import Columns, quoted
from stackwright.storage.sql.paging import page_statement

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
        identity: str = "id",
        indexes: Sequence[Sequence[str]] = (),
        added: Collection[str] = (),
        later: Sequence[Migration] = (),
        alive: str = "",
    ) -> None:
        """Describe the table; `prepare` makes it.

        Args:
            backend: The database, or a `WriteQueue` in front of it.
            name: The table's name, as the run file gives it.
            struct: What a row is. Fields: `str int float bool bytes`, each `| None`.
            kind: What a caller calls such an object: "conversation".
            identity: The field that is unique per tenant.
            indexes: The sets of columns that `page` filters by.
            added: Fields that are not in version 1 of the schema but come with one of the `later` migrations.
            later: Migrations from version 2 on.
            alive: What is true, in SQL, of rows that may be seen; others are as good as gone. It filters, and chooses
                no index.
        """
        self.name = name
        self.kind = kind
        self.backend = backend
        self.columns = Columns(struct)
        self._identity = identity
        self._later = later
        self._table, self._key = quoted(name), self.columns.quoted(identity)
        self._first = self._first_migration([(), *indexes], added)
        self._rendered: dict[object, str] = {}
        self._alive = alive
        self._mine = f"tenant = $1 AND {self._key} = $2" + (f" AND {alive}" if alive else "")
        places = ", ".join(f"${place}" for place in range(1, len(self.columns.names) + 2))
        select = f"SELECT {self.columns.listed} FROM {self._table} WHERE {self._mine}"
        self._select, self._select_locked = backend.render(select), backend.render(select + " {lock}")
        self._insert = backend.render(f"INSERT INTO {self._table} (tenant, {self.columns.listed}) VALUES ({places})")
        self._delete = backend.render(f"DELETE FROM {self._table} WHERE {self._mine} RETURNING seq")

    async def prepare(self) -> None:
        """Make the table, or bring an older one up to date."""
        await self.backend.migrate(self.name, self.migrations)

    @property
    def migrations(self) -> Sequence[Migration]:
        """Every step from nothing to the present schema."""
        return [self._first, *self._later]

    async def insert(self, tenant: str, document: S) -> None:
        """Write a new row, committed on return. `Conflict` if the tenant has one with this identity."""
        try:
            await self.backend.commit(self.insert_do(tenant, document))
        except Conflict:
            taken = f"{self._identity} {getattr(document, self._identity)!r}"
            raise Conflict(f"A {self.kind} with {taken} exists already.", param=self._identity) from None

    async def get(self, tenant: str, id: str) -> S:
        """Return the row. `NotFound` when the tenant has none."""
        rows = await self.backend.fetch(self._select, tenant, id)
        if not rows:
            raise NotFound(self.kind, id)
        return self.columns.decode(rows[0])

    async def find(self, tenant: str, id: str) -> S | None:
        """Return the row, or None when the tenant has none."""
        rows = await self.backend.fetch(self._select, tenant, id)
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
            after: Begin behind the row with this identity, in the order asked for.
            before: End in front of it: the last `limit` rows up to there.
            order: `desc` begins with the newest.
            where: Only rows whose columns have exactly these values; None asks for rows without one.

        Raises:
            InvalidRequest: The tenant has no row `after` or `before`.
        """
        where = where or {}
        # One row more than asked for answers `has_more` without a second COUNT query.
        sql = self._page_sql(order, after is not None, before is not None, where)
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
        return Do(self._insert, (tenant, *self.columns.encode(document)))

    def select_do(self, tenant: str, id: str, *, lock: bool = False) -> Do:
        """Select a row's `columns`; `lock` keeps it as it is until the script ends."""
        return Do(self._select_locked if lock else self._select, (tenant, id))

    def update_do(self, tenant: str, id: str, **fields: Value) -> Do:
        """Set some fields; returns the row's `columns`."""
        return Do(self._update_sql(tuple(fields)), (tenant, id, *fields.values()))

    def delete_do(self, tenant: str, id: str) -> Do:
        """Delete a row; returns one row if there was one."""
        return Do(self._delete, (tenant, id))

    def _update_sql(self, names: tuple[str, ...]) -> str:
        if names not in self._rendered:
            changes = ", ".join(f"{self.columns.quoted(name)} = ${place}" for place, name in enumerate(names, 3))
            sql = f"UPDATE {self._table} SET {changes} WHERE {self._mine} RETURNING {self.columns.listed}"
            self._rendered[names] = self.backend.render(sql)
        return self._rendered[names]

    def _page_sql(self, order: Order, after: bool, before: bool, where: Mapping[str, Value]) -> str:
        compared = tuple((name, value is None) for name, value in where.items())
        kind = (order, after, before, compared)
        if kind not in self._rendered:
            columns = [(self.columns.quoted(name), is_null) for name, is_null in compared]
            self._rendered[kind] = self.backend.render(
                page_statement(
                    self._table,
                    self._key,
                    self.columns.listed,
                    order=order,
                    after=after,
                    before=before,
                    where=columns,
                    alive=self._alive,
                )
            )
        return self._rendered[kind]

    async def check_cursors(self, tenant: str, **cursors: str | None) -> None:
        """Raise `InvalidRequest` if the tenant has no row that one of these names; the keyword is the parameter's."""
        for param, cursor in cursors.items():
            if cursor is not None and await self.find(tenant, cursor) is None:
                raise InvalidRequest(f"No {self.kind} with id {cursor!r} to page from.", param=param)

    def _first_migration(self, indexes: Sequence[Sequence[str]], added: Collection[str]) -> Migration:
        declared = [column.declaration for column in self.columns.columns if column.name not in added]
        lines = ["seq {serial}", "tenant TEXT NOT NULL", *declared, f"UNIQUE (tenant, {self._key})"]
        steps = [f"CREATE TABLE {self._table} ({', '.join(lines)})"]
        for number, names in enumerate(indexes):
            columns = ", ".join(["tenant", *map(self.columns.quoted, names), "seq"])
            steps.append(f'CREATE INDEX "{self.name}_ix{number}" ON {self._table} ({columns})')
        return Migration(1, steps)
