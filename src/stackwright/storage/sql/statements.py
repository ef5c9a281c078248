"""What a table of documents says to its database: every statement, spelled out once."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from stackwright.kit.page import Order
from stackwright.storage.sql import Migration
from stackwright.storage.sql.columns import Columns, quoted


class PageKind(NamedTuple):
    """A kind of page. Keyset paging: it costs its own rows, however long the table is."""

    order: Order
    after: bool
    """Whether a cursor says where to begin."""
    before: bool
    """Whether a cursor says where to end. Without `after`, rows come back to front."""
    where: tuple[tuple[str, bool], ...]
    """Columns to compare, and whether with NULL."""

    @property
    def signs(self) -> list[str]:
        """How a row's place compares with that of each cursor."""
        ascending = self.order == "asc"
        wanted = [forward for forward, given in ((True, self.after), (False, self.before)) if given]
        return [">" if ascending is forward else "<" for forward in wanted]

    @property
    def direction(self) -> str:
        """The direction in which rows are read."""
        backwards = self.before and not self.after
        return "ASC" if (self.order == "asc") is not backwards else "DESC"


class Statements:
    """The statements on one table. `alive` is what is true, in SQL, of rows that may be seen."""

    def __init__(self, render: Callable[[str], str], name: str, columns: Columns[Any], alive: str) -> None:
        self._render = render
        self._name = name
        self._columns = columns
        self._table = quoted(name)
        self._visible = ["tenant = $1", alive] if alive else ["tenant = $1"]
        self._mine = " AND ".join(["tenant = $1 AND id = $2", *self._visible[1:]])
        self._updates: dict[tuple[str, ...], str] = {}
        self._pages: dict[PageKind, str] = {}
        select = f"SELECT {columns.listed} FROM {self._table} WHERE {self._mine}"
        self.select, self.select_locked = render(select), render(select + " {lock}")
        self.insert = render(columns.insert_into(self._table))
        self.delete = render(f"DELETE FROM {self._table} WHERE {self._mine} RETURNING seq")

    def update(self, names: tuple[str, ...]) -> str:
        """Set these columns of a row, and return all of them."""
        if names not in self._updates:
            changes = ", ".join(f"{self._columns.quoted(name)} = ${place}" for place, name in enumerate(names, 3))
            sql = f"UPDATE {self._table} SET {changes} WHERE {self._mine} RETURNING {self._columns.listed}"
            self._updates[names] = self._render(sql)
        return self._updates[names]

    def page(self, kind: PageKind) -> str:
        """Select one kind of page.

        Its arguments are the tenant, the values to compare with that are not NULL, the cursors, and the limit. A cursor
        is an id; the statement looks up its place itself, and finds nothing when there is no such row.
        """
        if kind not in self._pages:
            self._pages[kind] = self._render(self._page(kind))
        return self._pages[kind]

    def _page(self, kind: PageKind) -> str:
        places = itertools.count(2)
        conditions = [*self._visible]
        for name, is_null in kind.where:
            conditions.append(self._columns.quoted(name) + (" IS NULL" if is_null else f" = ${next(places)}"))
        for sign in kind.signs:
            place = f"SELECT seq FROM {self._table} WHERE tenant = $1 AND id = ${next(places)}"
            conditions.append(f"seq {sign} ({place})")
        return (
            f"SELECT {self._columns.listed} FROM {self._table} WHERE {' AND '.join(conditions)} "
            f"ORDER BY seq {kind.direction} LIMIT ${next(places)}"
        )

    def first_migration(self, indexes: Sequence[Sequence[str]]) -> Migration:
        """Return what makes the table, and an index for each set of columns."""
        declared = [column.declaration for column in self._columns.columns]
        lines = ["seq {serial}", "tenant TEXT NOT NULL", *declared, "UNIQUE (tenant, id)"]
        steps = [f"CREATE TABLE {self._table} ({', '.join(lines)})"]
        for number, names in enumerate(indexes):
            columns = ", ".join(["tenant", *map(self._columns.quoted, names), "seq"])
            steps.append(f'CREATE INDEX "{self._name}_ix{number}" ON {self._table} ({columns})')
        return Migration(1, steps)
