"""Lists of prompts, and the search among them."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from stackwright.areas.prompts.rows import PromptRow, json_text
from stackwright.areas.prompts.tables import Tables
from stackwright.areas.prompts.types import ListQuery
from stackwright.errors import InvalidRequest
from stackwright.storage.sql import Row, Value
from stackwright.storage.sql.columns import quoted
from stackwright.storage.sql.rows import Slice

WINDOW = 200
"""SQLite reads on the event loop, so a search among many prompts must let others through in between."""


class Where(NamedTuple):
    """Conditions, with `{}` for each one's value."""

    conditions: list[str]
    values: list[Value]


class Listing:
    """Pages of prompts in order of arrival."""

    def __init__(self, tables: Tables, window: int = WINDOW) -> None:
        """`window`: so many prompts a filter looks at in one read."""
        self._window = window
        self._backend = tables.backend
        self._heads = tables.heads
        self._table = quoted(tables.name)
        self._rendered: dict[str, str] = {}

    async def page(self, tenant: str, query: ListQuery) -> Slice[PromptRow]:
        """Return some prompts. `InvalidRequest` when the tenant has no prompt to page from."""
        backwards = query.before is not None and query.after is None
        ascending = (query.order == "asc") is not backwards
        after = await self._place(tenant, "after", query.after)
        before = await self._place(tenant, "before", query.before)
        begin, end = (before, after) if backwards else (after, before)
        way = _Way(self._table, tenant, ascending, query.archived)
        where = _filters(query)
        # One row more than asked for answers `has_more` without a second COUNT query.
        wanted = query.limit + 1
        if where.conditions:
            found = await self._sifted(way, where, begin, end, wanted)
        else:
            found = await self._read(way, where, begin, end, wanted)
        rows = [self._heads.decode(row) for row in found[: query.limit]]
        if backwards:
            rows.reverse()
        return Slice(rows, len(found) >= wanted)

    async def _place(self, tenant: str, param: str, cursor: str | None) -> int | None:
        if cursor is None:
            return None
        found = await self._fetch(f"SELECT seq FROM {self._table} WHERE tenant = $1 AND id = $2", [tenant, cursor])
        if not found:
            raise InvalidRequest(f"No prompt with id '{cursor}' to page from.", param=param)
        return int(found[0][0])

    async def _sifted(self, way: "_Way", where: Where, begin: int | None, end: int | None, wanted: int) -> list[Row]:
        """Look at one window of prompts after the other, letting other requests through in between."""
        found: list[Row] = []
        while True:
            edge = await self._edge(way, begin)
            last = edge is None or (end is not None and way.reaches(edge, end))
            found += await self._read(way, where, begin, end if last else edge, wanted - len(found))
            if edge is None or last or len(found) >= wanted:
                return found
            begin = way.before(edge)
            await asyncio.sleep(0)

    async def _edge(self, way: "_Way", begin: int | None) -> int | None:
        """Return the place that ends the next window, or None when what is left is no more than one."""
        sql, args = way.ahead(begin, self._window)
        found = await self._fetch(sql, args)
        return int(found[0][0]) if found else None

    async def _read(self, way: "_Way", where: Where, begin: int | None, end: int | None, limit: int) -> list[Row]:
        sql, args = way.statement(self._heads.listed, where, begin, end, limit)
        return await self._fetch(sql, args)

    async def _fetch(self, sql: str, args: Sequence[Value]) -> list[Row]:
        rendered = self._rendered.get(sql) or self._rendered.setdefault(sql, self._backend.render(sql))
        return await self._backend.fetch(rendered, *args)


class _Way(NamedTuple):
    """The direction in which one tenant's prompts are read."""

    table: str
    tenant: str
    ascending: bool
    archived: bool

    def reaches(self, place: int, end: int) -> bool:
        """Return whether a place is not in front of another."""
        return place >= end if self.ascending else place <= end

    def before(self, place: int) -> int:
        """Return the place in front of another, so that reading on begins with that one."""
        return place - 1 if self.ascending else place + 1

    def ahead(self, begin: int | None, window: int) -> tuple[str, list[Value]]:
        """Return the SELECT of the place so many prompts ahead, which an index answers alone."""
        sign, order = (">", "ASC") if self.ascending else ("<", "DESC")
        bound = "" if begin is None else f"AND seq {sign} $2 "
        text = (
            f"SELECT seq FROM {self.table} WHERE tenant = $1 {bound}ORDER BY seq {order} LIMIT 1 OFFSET {int(window)}"
        )
        return text, [self.tenant] if begin is None else [self.tenant, begin]

    def statement(
        self, listed: str, where: Where, begin: int | None, end: int | None, limit: int
    ) -> tuple[str, list[Value]]:
        """Return the SELECT of what is between two places, without them, and its arguments."""
        ahead, behind, order = (">", "<", "ASC") if self.ascending else ("<", ">", "DESC")
        state = f"archived_at IS {'NOT NULL' if self.archived else 'NULL'}"
        bounds = [(f"seq {ahead} {{}}", begin), (f"seq {behind} {{}}", end)]
        bounded = [(condition, place) for condition, place in bounds if place is not None]
        conditions = ["tenant = {}", state, *(condition for condition, _ in bounded), *where.conditions]
        args: list[Value] = [self.tenant, *(place for _, place in bounded), *where.values, limit]
        text = f"SELECT {listed} FROM {self.table} WHERE {' AND '.join(conditions)} ORDER BY seq {order} LIMIT {{}}"
        return text.format(*(f"${number}" for number in range(1, len(args) + 1))), args


def _filters(query: ListQuery) -> Where:
    conditions, values = [], list[Value]()
    if query.q:
        conditions.append("searched LIKE {} ESCAPE '!'")
        values.append(_like(query.q))
    # REPLACE tells whether a text holds another without anybody's wildcards, in both dialects.
    if query.tag is not None:
        conditions.append("REPLACE(tags, {}, '') <> tags")
        values.append(json_text(query.tag))
    if query.label is not None:
        conditions.append("REPLACE(labels, {}, '') <> labels")
        values.append(json_text(query.label) + ":")
    return Where(conditions, values)


def _like(text: str) -> str:
    escaped = text.casefold()
    for special in "!%_":
        escaped = escaped.replace(special, "!" + special)
    return f"%{escaped}%"
