"""The rows of items: each response's own, once, input and output together in their order."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Sequence
from typing import NamedTuple

from stackwright.kit.page import Order
from stackwright.storage.sql import Do, Migration, Script, SqlBackend, Value
from stackwright.storage.sql.columns import quoted

_TOGETHER = 20


class ItemRow(NamedTuple):
    """An item as it is kept: its JSON is what a caller gets."""

    id: str
    body: bytes
    output: bool
    """Whether the model made it."""


class Link(NamedTuple):
    """One item of a chain of responses."""

    response_id: str
    previous_id: str | None
    status: str
    body: bytes | None
    """None for a response without items."""


class ItemRows:
    """The items of all responses of one table, beside it."""

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._backend = backend
        self._table = table = quoted(f"{table_name}_items")
        self._by_id = quoted(f"{table_name}_items_id")
        responses = quoted(table_name)
        here = "tenant = $1 AND response_id = $2"
        self._inserts: dict[int, str] = {}
        self._delete = backend.render(f"DELETE FROM {table} WHERE {here}")
        self._pages = {
            (order, after): backend.render(self._page_sql(here, order, after))
            for order in ("asc", "desc")
            for after in (False, True)
        }
        self._inputs = backend.render(f"SELECT body FROM {table} WHERE {here} AND output = 0 ORDER BY place")
        self._count = backend.render(f"SELECT count(*) FROM {table} WHERE {here}")
        self._known = backend.render(f"SELECT 1 FROM {table} WHERE {here} AND output = 0 AND item_id = $3")
        self._one = backend.render(
            f"SELECT body FROM {table} WHERE tenant = $1 AND item_id = $2 ORDER BY response_id DESC LIMIT 1"
        )
        self._chain = backend.render(
            "WITH RECURSIVE chain (id, previous_id, status, depth) AS ("
            f"SELECT id, previous_id, status, 0 FROM {responses} WHERE tenant = $1 AND id = $2 UNION ALL "
            f"SELECT r.id, r.previous_id, r.status, c.depth + 1 FROM chain c JOIN {responses} r "
            "ON r.tenant = $1 AND r.id = c.previous_id) "
            f"SELECT c.id, c.previous_id, c.status, i.body FROM chain c LEFT JOIN {table} i "
            "ON i.tenant = $1 AND i.response_id = c.id ORDER BY c.depth DESC, i.place"
        )

    def migrations(self, *, version: int) -> list[Migration]:
        """Return what makes the table, as that version of the responses' own."""
        columns = (
            "tenant TEXT NOT NULL, response_id TEXT NOT NULL, place BIGINT NOT NULL, item_id TEXT NOT NULL, "
            "output BIGINT NOT NULL, body {bytes} NOT NULL, PRIMARY KEY (tenant, response_id, place)"
        )
        return [
            Migration(
                version,
                [
                    f"CREATE TABLE {self._table} ({columns})",
                    f"CREATE INDEX {self._by_id} ON {self._table} (tenant, item_id)",
                ],
            )
        ]

    def counting(self, tenant: str, response_id: str) -> Script[int]:
        """Return how many items a response has."""
        ((count,),) = yield Do(self._count, (tenant, response_id))
        return int(count)

    def adding(self, tenant: str, response_id: str, rows: Sequence[ItemRow], *, first: int = 0) -> Script[None]:
        """Write a response's items, the first at place `first`."""
        for start in range(0, len(rows), _TOGETHER):
            some = rows[start : start + _TOGETHER]
            args: list[Value] = [tenant, response_id]
            for place, row in enumerate(some, first + start):
                args += (place, row.id, int(row.output), row.body)
            yield Do(self._insert(len(some)), tuple(args))

    def deleting(self, tenant: str, response_id: str) -> Script[None]:
        """Delete a response's items."""
        yield Do(self._delete, (tenant, response_id))

    async def page(
        self, tenant: str, response_id: str, *, after: str | None, order: Order, limit: int
    ) -> list[tuple[str, bytes]]:
        """Return at most `limit` input items with their ids; none when there is no item `after`."""
        cursor = () if after is None else (after,)
        sql = self._pages[order, after is not None]
        return [
            (item_id, body) for item_id, body in await self._backend.fetch(sql, tenant, response_id, limit, *cursor)
        ]

    async def inputs(self, tenant: str, response_id: str) -> list[bytes]:
        """Return the JSON of all input items, in order."""
        return [body for (body,) in await self._backend.fetch(self._inputs, tenant, response_id)]

    async def has_input(self, tenant: str, response_id: str, item_id: str) -> bool:
        """True when the response has such an input item."""
        return bool(await self._backend.fetch(self._known, tenant, response_id, item_id))

    async def find(self, tenant: str, item_id: str) -> bytes | None:
        """Return the JSON of an item of any response; None when there is none."""
        rows = await self._backend.fetch(self._one, tenant, item_id)
        return rows[0][0] if rows else None

    async def chain(self, tenant: str, response_id: str) -> list[Link]:
        """Return everything that led to a response, and what it is, oldest first: one query, whatever its length."""
        return [Link(*row) for row in await self._backend.fetch(self._chain, tenant, response_id)]

    def _insert(self, count: int) -> str:
        if count not in self._inserts:
            places = range(3, 3 + 4 * count, 4)
            lines = ", ".join(f"($1, $2, ${n}, ${n + 1}, ${n + 2}, ${n + 3})" for n in places)
            self._inserts[count] = self._backend.render(
                f"INSERT INTO {self._table} (tenant, response_id, place, item_id, output, body) VALUES {lines}"
            )
        return self._inserts[count]

    def _page_sql(self, here: str, order: str, after: bool) -> str:
        sign = ">" if order == "asc" else "<"
        cursor = f" AND place {sign} (SELECT place FROM {self._table} WHERE {here} AND item_id = $4)" if after else ""
        where = f"{here} AND output = 0{cursor}"
        return f"SELECT item_id, body FROM {self._table} WHERE {where} ORDER BY place {order} LIMIT $3"
