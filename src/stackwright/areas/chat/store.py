"""Where stored completions live, in the order in which they were committed."""

import time
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import Raw, Struct

from stackwright.areas.chat.metadata import MetadataIndex
from stackwright.areas.chat.retention import OldCompletions
from stackwright.areas.chat.types import (
    Completion,
    CompletionDeleted,
    CompletionList,
    ListQuery,
    MessageList,
    MessagesQuery,
)
from stackwright.errors import InvalidRequest, NotFound
from stackwright.storage.sql import Script
from stackwright.storage.sql.rows import Slice, Table
from stackwright.storage.sql.store import QueuedStore
from stackwright.storage.sql.writer import WriteQueue

_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


class StoredCompletion(Struct):
    """One row."""

    id: str
    created: int
    model: str
    """The model as the caller named it."""
    incomplete: str | None
    """Why the completion broke off; None for one that ended."""
    metadata: str
    messages: bytes
    body: bytes


class CompletionStore(QueuedStore[StoredCompletion]):
    """Stored completions: added once, then only their metadata changes."""

    def __init__(self, queue: WriteQueue, table_name: str) -> None:
        self._pairs = MetadataIndex(queue, table_name)
        self.old = OldCompletions(queue, table_name)
        rows = Table(
            queue,
            table_name,
            StoredCompletion,
            kind="chat completion",
            indexes=[("model",)],
            later=[*self._pairs.migrations(version=2), self.old.migration(version=3)],
        )
        super().__init__(queue, rows)

    async def add(
        self,
        tenant: str,
        *,
        id: str,
        model: str,
        metadata: Mapping[str, str],
        messages: bytes,
        body: bytes,
        incomplete: str | None = None,
    ) -> None:
        """Keep a completion; committed on return. `messages` and `body` are JSON."""
        pairs = _encode(metadata).decode()
        row = StoredCompletion(id, int(time.time()), model, incomplete, pairs, messages, body)
        insert = self._table.insert_do(tenant, row)
        if not metadata:
            await self._queue.commit(insert)
            return

        def script() -> Script[None]:
            yield insert
            yield from self._pairs.adding(tenant, id, metadata)

        await self._queue.transact(script)

    async def get(self, tenant: str, completion_id: str) -> Completion:
        """Return one completion."""
        return _shown(await self._table.get(tenant, completion_id))

    async def page(self, tenant: str, query: ListQuery) -> CompletionList:
        """Return some completions, of one model or with some metadata where the query says so."""
        found = await self._found(tenant, query)
        return CompletionList.of([_shown(row) for row in found.rows], has_more=found.has_more, cursor=_id_of)

    async def _found(self, tenant: str, query: ListQuery) -> Slice[StoredCompletion]:
        where: dict[str, Any] = {"model": query.model} if query.model is not None else {}
        if query.metadata:
            return await self._found_by_metadata(tenant, query)
        return await self._table.page(tenant, after=query.after, limit=query.limit, order=query.order, where=where)

    async def _found_by_metadata(self, tenant: str, query: ListQuery) -> Slice[StoredCompletion]:
        do = self._pairs.page(
            tenant,
            query.metadata,
            listed=self._table.columns.listed,
            model=query.model,
            after=query.after,
            order=query.order,
            limit=query.limit + 1,
        )
        found = await self._queue.fetch(do.sql, *do.args)
        if not found and query.after is not None:
            await self._table.check_cursors(tenant, after=query.after)
        rows = [self._table.columns.decode(row) for row in found[: query.limit]]
        return Slice(rows, len(found) > query.limit)

    async def messages(self, tenant: str, completion_id: str, query: MessagesQuery) -> MessageList:
        """Return some of the messages that a completion answers, each with an id."""
        row = await self._table.get(tenant, completion_id)
        whole = [_shown_message(row.id, place, one) for place, one in enumerate(_messages(row.messages))]
        if query.order == "desc":
            whole.reverse()
        start = _after(whole, query.after)
        data = whole[start : start + query.limit]
        return MessageList.of(data, has_more=start + query.limit < len(whole), cursor=itemgetter("id"))

    async def update_metadata(self, tenant: str, completion_id: str, metadata: Mapping[str, str]) -> Completion:
        """Replace the metadata and return the completion."""
        pairs = _encode(metadata).decode()

        def script() -> Script[None]:
            # The row comes first: its lock keeps two changes of one completion apart.
            if not (yield self._table.update_do(tenant, completion_id, metadata=pairs)):
                raise NotFound(self._table.kind, completion_id)
            yield from self._pairs.removing(tenant, completion_id)
            yield from self._pairs.adding(tenant, completion_id, metadata)

        await self._queue.transact(script)
        return await self.get(tenant, completion_id)

    async def delete(self, tenant: str, completion_id: str) -> CompletionDeleted:
        """Delete a completion and every trace of it."""

        def script() -> Script[None]:
            yield from self._pairs.removing(tenant, completion_id)
            if not (yield self._table.delete_do(tenant, completion_id)):
                raise NotFound(self._table.kind, completion_id)

        await self._queue.transact(script)
        return CompletionDeleted(id=completion_id)


def _shown(row: StoredCompletion) -> Completion:
    """Return a completion as a caller sees it. One that broke off says so; OpenAI has no word for it."""
    body: Completion = _fields(row.body)
    body["metadata"] = Raw(row.metadata.encode())
    if row.incomplete is not None:
        body["status"] = "incomplete"
        body["incomplete_details"] = {"reason": row.incomplete}
    return body


def _id_of(completion: Completion) -> str:
    # Its values are JSON still.
    return str(msgspec.json.decode(completion["id"]))


def _messages(raw: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(raw)
    return found


def _shown_message(completion_id: str, place: int, message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    parts = content if isinstance(content, list) else None
    return (
        {"refusal": None, "name": None}
        | message
        | {
            "id": f"{completion_id}-{place}",
            "content": content if isinstance(content, str) else None,
            "content_parts": parts,
        }
    )


def _after(messages: Sequence[Mapping[str, Any]], cursor: str | None) -> int:
    if cursor is None:
        return 0
    for place, message in enumerate(messages):
        if message["id"] == cursor:
            return place + 1
    raise InvalidRequest(f"No message with id {cursor!r} to list after.", param="after")
