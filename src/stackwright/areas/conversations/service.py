"""Conversations as callers and other areas see them."""

from collections.abc import Collection, Sequence

import msgspec

from stackwright.areas.conversations.items import ItemRow
from stackwright.areas.conversations.store import ConversationStore, StoredConversation
from stackwright.areas.conversations.types import (
    Conversation,
    ConversationDeleted,
    ConversationList,
    ItemsQuery,
    NewConversation,
    NewItems,
)
from stackwright.errors import InvalidRequest
from stackwright.http.call import Json
from stackwright.ids import mint
from stackwright.kit.page import PageQuery
from stackwright.storage.sql import Script
from stackwright.wire.given import parse_input
from stackwright.wire.include import hide, may_hide
from stackwright.wire.items import InputItem, Item, ItemReference, decode_many, encode

_metadata = msgspec.json.Decoder(dict[str, str]).decode


class Conversations:
    """Conversations and their items, which are the only truth about them: an edited item counts from the next turn."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    async def history(self, tenant: str, conversation_id: str) -> list[Item]:
        """Return all items, oldest first. `NotFound` when there is no such conversation."""
        return decode_many(await self._store.history(tenant, conversation_id))

    def appending(self, tenant: str, conversation_id: str, items: Sequence[Item]) -> Script[None]:
        """Add items at the end, within a transaction. One that the conversation has already, by its id, stays as it
        is. `NotFound` when the conversation is gone."""
        yield from self._store.appending(tenant, conversation_id, _rows(items))

    async def create(self, tenant: str, new: NewConversation) -> Conversation:
        """Make a conversation, perhaps with its first items."""
        conversation_id = mint("conv_")
        metadata = new.metadata or {}
        created = await self._store.add(tenant, conversation_id, metadata, _rows(_parsed(new.items or [])))
        return Conversation(id=conversation_id, created_at=created, metadata=metadata)

    async def get(self, tenant: str, conversation_id: str) -> Conversation:
        """Return a conversation."""
        return _shown(await self._store.get(tenant, conversation_id))

    async def page(self, tenant: str, query: PageQuery) -> ConversationList:
        """Return some conversations."""
        found = await self._store.page(tenant, after=query.after, order=query.order, limit=query.limit)
        data = [_shown(row) for row in found.rows]
        return ConversationList.of(data, has_more=found.has_more)

    async def update(self, tenant: str, conversation_id: str, metadata: dict[str, str]) -> Conversation:
        """Replace the metadata."""
        return _shown(await self._store.update(tenant, conversation_id, metadata))

    async def delete(self, tenant: str, conversation_id: str) -> ConversationDeleted:
        """Delete a conversation and its items."""
        await self._store.delete(tenant, conversation_id)
        return ConversationDeleted(id=conversation_id)

    async def append(self, tenant: str, conversation_id: str, new: NewItems) -> Json:
        """Add items at the end, all or none, and return them."""
        rows = _rows(_parsed(new.items))
        if rows:
            await self._store.append(tenant, conversation_id, rows)
        else:
            await self._store.get(tenant, conversation_id)
        return _listed(rows, _joined(rows), has_more=False)

    async def items(self, tenant: str, conversation_id: str, query: ItemsQuery) -> Json:
        """Return some items."""
        # One more than asked for answers `has_more` without a count.
        found = await self._store.items(
            tenant, conversation_id, after=query.after, order=query.order, limit=query.limit + 1
        )
        rows = found[: query.limit]
        return _listed(rows, _shown_items(rows, query.include), has_more=len(found) > query.limit)

    async def item(self, tenant: str, conversation_id: str, item_id: str, include: Collection[str]) -> Json:
        """Return an item."""
        return Json(_shown_items([await self._store.item(tenant, conversation_id, item_id)], include))

    async def delete_item(self, tenant: str, conversation_id: str, item_id: str) -> Conversation:
        """Delete an item and return its conversation."""
        return _shown(await self._store.delete_item(tenant, conversation_id, item_id))


def _parsed(given: Sequence[InputItem]) -> list[Item]:
    items = parse_input(given, param="items")
    for place, item in enumerate(items):
        if isinstance(item, ItemReference):
            raise InvalidRequest(
                "A conversation holds items, not references to them. Send the item itself.", param=f"items[{place}]"
            )
    return items


def _rows(items: Sequence[Item]) -> list[ItemRow]:
    return [ItemRow(item.id, encode(item)) for item in items]


def _joined(rows: Sequence[ItemRow]) -> bytes:
    return b",".join([row.body for row in rows])


def _shown_items(rows: Sequence[ItemRow], include: Collection[str]) -> bytes:
    """Return items without what is not included. Most have nothing to hide, and their JSON goes out as it is."""
    joined = _joined(rows)
    if not may_hide(joined):
        return joined
    return encode([hide(item, include) for item in decode_many([joined])])[1:-1]


def _listed(rows: Sequence[ItemRow], shown: bytes, *, has_more: bool) -> Json:
    first, last = (encode(rows[0].id), encode(rows[-1].id)) if rows else (b"null", b"null")
    more = b"true" if has_more else b"false"
    return Json(b'{"object":"list","data":[%b],"first_id":%b,"last_id":%b,"has_more":%b}' % (shown, first, last, more))


def _shown(row: StoredConversation) -> Conversation:
    return Conversation(id=row.id, created_at=row.created, metadata=_metadata(row.metadata))
