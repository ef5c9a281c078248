"""Where conversations live. The order of items is the order of arrival."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

import time
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from stackwright.areas.conversations.items import TOGETHER, ItemRow, ItemRows
from stackwright.areas.conversations.line import Line
from stackwright.areas.conversations.retention import OldConversations
from stackwright.errors import Conflict, InvalidRequest, NotFound
from stackwright.kit.page import Order
from stackwright.storage.sql import Do, Script, SqlBackend
from stackwright.storage.sql.columns import quoted
from stackwright.storage.sql.rows import Slice, Table
from stackwright.storage.sql.store import Store

_encode = msgspec.json.Encoder().encode


class StoredConversation(Struct):
    """One row. Appending counts `next_position` up, which gives each item a place of its own."""

    id: str
    created: int
    metadata: str
    next_position: int


class ConversationStore(Store[StoredConversation]):
    """Conversations and their items. The tenant comes first in every call."""

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._backend = backend
        self._items = ItemRows(backend, table_name)
        self.old = OldConversations(backend, table_name)
        self._line = Line(self._append_together)
        rows = Table(
            backend,
            table_name,
            StoredConversation,
            kind="conversation",
            later=[*self._items.migrations(version=2), self.old.migration(version=3)],
        )
        super().__init__(rows)
        now = "changed = CAST({now} AS BIGINT)"
        self._count_up = backend.render(
            f"UPDATE {quoted(table_name)} SET next_position = next_position + $3, {now} WHERE tenant = $1 AND id = $2 "
            "RETURNING seq, next_position"
        )
        self._describe = backend.render(
            f"UPDATE {quoted(table_name)} SET metadata = $3, {now} WHERE tenant = $1 AND id = $2 "
            f"RETURNING {self._table.columns.listed}"
        )

    async def add(self, tenant: str, id: str, metadata: Mapping[str, str], rows: Sequence[ItemRow]) -> int:
        """Write a new conversation with its first items, and return when it was made."""
        created = int(time.time())
        insert = self._table.insert_do(tenant, StoredConversation(id, created, _encode(metadata).decode(), 0))
        if rows:
            await self._backend.transact(lambda: self._making(tenant, id, insert, rows))
        else:
            await self._backend.commit(insert)
        return created

    def _making(self, tenant: str, id: str, insert: Do, rows: Sequence[ItemRow]) -> Script[None]:
        yield insert
        yield from self.appending_new(tenant, id, rows)

    async def get(self, tenant: str, id: str) -> StoredConversation:
        """Return a conversation's row."""
        return await self._table.get(tenant, id)

    async def page(self, tenant: str, *, after: str | None, order: Order, limit: int) -> Slice[StoredConversation]:
        """Return some conversations by order of making."""
        return await self._table.page(tenant, after=after, order=order, limit=limit)

    async def update(self, tenant: str, id: str, metadata: Mapping[str, str]) -> StoredConversation:
        """Replace the metadata."""
        rows = await self._backend.commit(Do(self._describe, (tenant, id, _encode(metadata).decode())))
        if not rows:
            raise NotFound(self._table.kind, id)
        return self._table.columns.decode(rows[0])

    async def delete(self, tenant: str, id: str) -> None:
        """Delete a conversation and its items."""
        await self._backend.transact(lambda: self._deleting(tenant, id))

    def _deleting(self, tenant: str, id: str) -> Script[None]:
        # The row goes first: an append that waits for it then finds nothing to append to.
        gone = yield self._table.delete_do(tenant, id)
        if not gone:
            raise NotFound(self._table.kind, id)
        yield from self._items.deleting_all(gone[0][0])

    def appending(self, tenant: str, id: str, rows: Sequence[ItemRow]) -> Script[list[str]]:
        """Add items at the end and return the ids of those that are new to the conversation; an item that it has
        stays as and where it is. `NotFound` when there is no such conversation."""
        counted = yield Do(self._count_up, (tenant, id, len(rows)))
        if not counted:
            raise NotFound(self._table.kind, id)
        conversation, end = counted[0]
        added: list[str] = yield from self._items.adding(conversation, rows, end - len(rows))
        return added

    def appending_new(self, tenant: str, id: str, rows: Sequence[ItemRow]) -> Script[None]:
        """Add items at the end, all or none. `InvalidRequest` when the conversation has one of them already, or two of
        them have the same id; `NotFound` when there is no such conversation."""
        _all_new(rows, (yield from self.appending(tenant, id, rows)))

    async def append(self, tenant: str, id: str, rows: Sequence[ItemRow]) -> None:
        """Add items at the end, committed on return; see `appending_new`."""
        await self._line.append((tenant, id), rows)

    async def _append_together(self, key: tuple[str, str], rows: Sequence[ItemRow]) -> None:
        if not self._backend.compound or len(rows) > TOGETHER:
            await self._backend.transact(lambda: self.appending_new(*key, rows))
            return
        try:
            added = await self._backend.commit(self._items.append_do(Do(self._count_up, (*key, len(rows))), rows))
        except Conflict:
            # Which of them it is, the other way says.
            await self._backend.transact(lambda: self.appending_new(*key, rows))
        else:
            if not added:
                raise NotFound(self._table.kind, key[1])

    async def history(self, tenant: str, id: str) -> list[bytes]:
        """Return the JSON of all items, oldest first."""
        bodies = await self._items.bodies(tenant, id)
        if not bodies:
            await self.get(tenant, id)
        return bodies

    async def item(self, tenant: str, id: str, item_id: str) -> ItemRow:
        """Return an item."""
        found = await self._items.find(tenant, id, item_id)
        if found is None:
            await self.get(tenant, id)
            raise NotFound("conversation item", item_id)
        return found

    async def items(self, tenant: str, id: str, *, after: str | None, order: Order, limit: int) -> list[ItemRow]:
        """Return at most `limit` items."""
        rows = await self._items.page(tenant, id, after=after, order=order, limit=limit)
        if not rows:
            await self.get(tenant, id)
            if after is not None and await self._items.find(tenant, id, after) is None:
                raise InvalidRequest(f"No item with id {after!r} to list after.", param="after")
        return rows

    async def delete_item(self, tenant: str, id: str, item_id: str) -> StoredConversation:
        """Delete an item and return its conversation."""
        conversation = await self.get(tenant, id)
        if not await self._backend.commit(self._items.delete_do(tenant, id, item_id)):
            raise NotFound("conversation item", item_id)
        return conversation


def _all_new(rows: Sequence[ItemRow], added: Sequence[str]) -> None:
    if len(added) < len(rows):
        left = [row.id for row in rows]
        for known in added:
            left.remove(known)
        raise InvalidRequest(
            f"The conversation has items with these ids already: {', '.join(left)}. Leave the ids out to add copies.",
            param="items",
            code="duplicate_item",
        )
