"""The rows of items, each at its position in its conversation."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Sequence
from typing import NamedTuple

from stackwright.kit.page import Order
from stackwright.storage.sql import Do, Migration, Script, SqlBackend, Value
from stackwright.storage.sql.columns import quoted

TOGETHER = 20
"""Most rows that one statement writes."""


class ItemRow(NamedTuple):
    """An item as it is kept: its JSON is what a caller gets."""

    id: str
    body: bytes


class ItemRows:
    """The items of all conversations of one table, beside it."""

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._backend = backend
        self._table = table = quoted(f"{table_name}_items")
        self._unique = quoted(f"{table_name}_items_id")
        # The parent's number is a key of eight bytes, and its look-up keeps tenants apart.
        here = f"conversation = (SELECT seq FROM {quoted(table_name)} WHERE tenant = $1 AND id = $2)"
        self._inserts: dict[int, str] = {}
        self._appends: dict[int, str] = {}
        self._pages = {
            (order, after): backend.render(self._page_sql(here, order, after))
            for order in ("asc", "desc")
            for after in (False, True)
        }
        self._one = backend.render(f"SELECT id, body FROM {table} WHERE {here} AND id = $3")
        self._all = backend.render(f"SELECT body FROM {table} WHERE {here} ORDER BY position")
        self._delete = backend.render(f"DELETE FROM {table} WHERE {here} AND id = $3 RETURNING id")
        self._delete_all = backend.render(f"DELETE FROM {table} WHERE conversation = $1")

    def migrations(self, *, version: int) -> list[Migration]:
        """Return what makes the table, as that version of the conversations' own."""
        columns = (
            "conversation BIGINT NOT NULL, position BIGINT NOT NULL, id TEXT NOT NULL, body {bytes} NOT NULL, "
            "PRIMARY KEY (conversation, position)"
        )
        return [
            Migration(
                version,
                [
                    f"CREATE TABLE {self._table} ({columns})",
                    f"CREATE UNIQUE INDEX {self._unique} ON {self._table} (conversation, id)",
                ],
            )
        ]

    def adding(self, conversation: int, rows: Sequence[ItemRow], position: int) -> Script[list[str]]:
        """Write rows from `position` on, and return the ids of those that the conversation did not have yet.
        `conversation` is the number of the parent's row, which the script has locked."""
        added: list[str] = []
        for start in range(0, len(rows), TOGETHER):
            some = rows[start : start + TOGETHER]
            args: list[Value] = [conversation]
            for place, row in enumerate(some, position + start):
                args += (place, row.id, row.body)
            added += [row[0] for row in (yield Do(self._insert(len(some)), tuple(args)))]
        return added

    def append_do(self, counting: Do, rows: Sequence[ItemRow]) -> Do:
        """Write at most `TOGETHER` new rows at the end, and return a row for each. For a database that is `compound`.

        Args:
            counting: Counts the parent's positions up, and returns its number and the next position; it has the first
                three places. When it finds no parent, nothing is written.
            rows: What to write. One that the conversation has already is a `Conflict`.
        """
        count = len(rows)
        if count not in self._appends:
            new = [f"({k}, CAST(${2 * k + 4} AS TEXT), CAST(${2 * k + 5} AS {{bytes}}))" for k in range(count)]
            self._appends[count] = self._backend.render(
                f"WITH counted AS ({counting.sql}) INSERT INTO {self._table} (conversation, position, id, body) "
                f"SELECT counted.seq, counted.next_position - {count} + new.place, new.id, new.body "
                f"FROM counted, (VALUES {', '.join(new)}) AS new (place, id, body) RETURNING id"
            )
        return Do(self._appends[count], (*counting.args, *(value for row in rows for value in row)))

    def delete_do(self, tenant: str, conversation_id: str, id: str) -> Do:
        """Delete an item; returns one row if there was one."""
        return Do(self._delete, (tenant, conversation_id, id))

    def deleting_all(self, conversation: int) -> Script[None]:
        """Delete all items of a conversation."""
        yield Do(self._delete_all, (conversation,))

    async def find(self, tenant: str, conversation_id: str, id: str) -> ItemRow | None:
        """Return an item, or None when the conversation has no such."""
        rows = await self._backend.fetch(self._one, tenant, conversation_id, id)
        return ItemRow(*rows[0]) if rows else None

    async def page(
        self, tenant: str, conversation_id: str, *, after: str | None, order: Order, limit: int
    ) -> list[ItemRow]:
        """Return at most `limit` items; none when there is no item `after`."""
        cursor = () if after is None else (after,)
        sql = self._pages[order, after is not None]
        return [ItemRow(*row) for row in await self._backend.fetch(sql, tenant, conversation_id, limit, *cursor)]

    async def bodies(self, tenant: str, conversation_id: str) -> list[bytes]:
        """Return the JSON of every item, oldest first."""
        return [body for (body,) in await self._backend.fetch(self._all, tenant, conversation_id)]

    def _insert(self, count: int) -> str:
        if count not in self._inserts:
            lines = ", ".join(f"($1, ${n}, ${n + 1}, ${n + 2})" for n in range(2, 2 + 3 * count, 3))
            self._inserts[count] = self._backend.render(
                f"INSERT INTO {self._table} (conversation, position, id, body) VALUES {lines} "
                "ON CONFLICT (conversation, id) DO NOTHING RETURNING id"
            )
        return self._inserts[count]

    def _page_sql(self, here: str, order: str, after: bool) -> str:
        sign = ">" if order == "asc" else "<"
        cursor = f" AND position {sign} (SELECT position FROM {self._table} WHERE {here} AND id = $4)" if after else ""
        return f"SELECT id, body FROM {self._table} WHERE {here}{cursor} ORDER BY position {order} LIMIT $3"
