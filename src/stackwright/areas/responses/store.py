"""Where responses live: a row for each, and its own items beside it."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from stackwright.areas.responses.items import ItemRow, ItemRows
from stackwright.areas.responses.journal import Journal, entries
from stackwright.areas.responses.retention import OldResponses
from stackwright.engine.replay import ended
from stackwright.engine.signals import Broken, Cancelled
from stackwright.errors import InvalidRequest, NotFound
from stackwright.kit.page import Order
from stackwright.storage.sql import Script
from stackwright.storage.sql.columns import places, quoted
from stackwright.storage.sql.rows import Slice, Table
from stackwright.storage.sql.store import QueuedStore
from stackwright.storage.sql.writer import WriteQueue
from stackwright.wire.events import Event
from stackwright.wire.items import encode
from stackwright.wire.responses import Response

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class StoredResponse(Struct):
    """One row. `body` is the response's JSON without its output, which is in the items."""

    id: str
    created: int
    status: str
    model: str
    previous_id: str | None
    conversation: str | None
    prompt_hash: str | None
    body: bytes


class Whole(Struct):
    """A response as it is read: the row's JSON, and that of its output items."""

    status: str
    body: bytes
    output: list[bytes]


class UnknownResponse(NotFound):
    """No such response."""

    def __init__(self, id: str) -> None:
        InvalidRequest.__init__(self, f"Response with id '{id}' not found.")


def body_of(response: Response) -> bytes:
    """Return a response's JSON without its output."""
    return _encode(replace(response, output=UNSET))


def response_in(body: bytes) -> Response:
    """Return the response of which this is the `body_of`."""
    return msgspec.json.decode(body, type=Response)


class ResponseStore(QueuedStore[StoredResponse]):
    """Stored responses."""

    def __init__(self, queue: WriteQueue, table_name: str) -> None:
        self.items = ItemRows(queue, table_name)
        self.journal = Journal(queue, table_name)
        self.old = OldResponses(queue, table_name)
        rows = Table(
            queue,
            table_name,
            StoredResponse,
            kind="response",
            indexes=[("model",)],
            later=[
                *self.items.migrations(version=2),
                *self.journal.migrations(version=3),
                self.old.migration(version=4),
            ],
        )
        super().__init__(queue, rows)
        responses, items = quoted(table_name), quoted(f"{table_name}_items")
        self._read = queue.render(
            f"SELECT r.status, r.body, i.body FROM {responses} r LEFT JOIN {items} i "
            "ON i.tenant = r.tenant AND i.response_id = r.id AND i.output = 1 "
            "WHERE r.tenant = $1 AND r.id = $2 ORDER BY i.place"
        )
        self._status = queue.render(f"SELECT status FROM {responses} WHERE tenant = $1 AND id = $2")
        self._outputs = f"SELECT response_id, body FROM {items} WHERE tenant = $1 AND output = 1 AND response_id IN "

    async def add(
        self,
        tenant: str,
        row: StoredResponse | None,
        items: Sequence[ItemRow],
        also: Callable[[], Script[None]] | None = None,
    ) -> None:
        """Keep a response and its items, and what a conversation gets, in one transaction; committed on return."""
        if row is not None and also is None:
            inserts = list(self.inserting(tenant, row, items))
            # The row, and its items unless they are more than one statement writes.
            if len(inserts) <= 2:
                await self._queue.commit(*inserts)
                return

        def script() -> Script[None]:
            if row is not None:
                yield from self.inserting(tenant, row, items)
            if also is not None:
                yield from also()

        await self._queue.transact(script)

    def inserting(self, tenant: str, row: StoredResponse, items: Sequence[ItemRow]) -> Script[None]:
        """Write a new response and its items."""
        yield self._table.insert_do(tenant, row)
        yield from self.items.adding(tenant, row.id, items)

    def changing(self, tenant: str, response: Response) -> Script[None]:
        """Change a response that goes on in the background. `UnknownResponse` when it was deleted meanwhile."""
        if not (yield self._table.update_do(tenant, response.id, status=response.status, body=body_of(response))):
            raise UnknownResponse(response.id)

    def finishing(self, tenant: str, response: Response, left: Sequence[Event], *, first: int) -> Script[None]:
        """Write what a response that was made in the background leaves: its output, behind `first` items of input, and
        the last events of its stream."""
        yield from self.changing(tenant, response)
        output = [ItemRow(item.id, encode(item), True) for item in response.output or ()]
        yield from self.items.adding(tenant, response.id, output, first=first)
        yield from self.journal.adding(tenant, response.id, entries(left))

    def breaking_off(self, tenant: str, id: str, signal: Broken | Cancelled) -> Script[None]:
        """End a response that nobody makes any more, with what its events tell of it."""
        rows = yield self._table.select_do(tenant, id, lock=True)
        if not rows:
            raise UnknownResponse(id)
        told = yield from self.journal.told(tenant, id)
        response, left = ended(response_in(self._table.columns.decode(rows[0]).body), told, signal)
        first = yield from self.items.counting(tenant, id)
        yield from self.finishing(tenant, response, left if told else (), first=first)

    def deleting(self, tenant: str, id: str) -> Script[None]:
        """Delete a response, its items and its events. `UnknownResponse` when there is none."""
        if not (yield self._table.delete_do(tenant, id)):
            raise UnknownResponse(id)
        yield from self.items.deleting(tenant, id)
        yield from self.journal.deleting(tenant, id)

    async def transact(self, script: Callable[[], Script[T]]) -> T:
        """Run a script that writes here, committed on return."""
        return await self._queue.transact(script)

    async def get(self, tenant: str, id: str) -> Whole:
        """Return a response."""
        rows = await self._queue.fetch(self._read, tenant, id)
        if not rows:
            raise UnknownResponse(id)
        return Whole(rows[0][0], rows[0][1], [item for _, _, item in rows if item is not None])

    async def status(self, tenant: str, id: str) -> str:
        """Return how a response is."""
        rows = await self._queue.fetch(self._status, tenant, id)
        if not rows:
            raise UnknownResponse(id)
        return str(rows[0][0])

    async def check(self, tenant: str, id: str) -> None:
        """Raise `UnknownResponse` when there is no such response."""
        await self.status(tenant, id)

    async def page(
        self, tenant: str, *, after: str | None, order: Order, limit: int, model: str | None
    ) -> Slice[StoredResponse]:
        """Return some responses by order of arrival."""
        where = {} if model is None else {"model": model}
        return await self._table.page(tenant, after=after, order=order, limit=limit, where=where)

    async def outputs(self, tenant: str, ids: Sequence[str]) -> dict[str, list[bytes]]:
        """Return the JSON of the output items of some responses."""
        found: dict[str, list[bytes]] = {one: [] for one in ids}
        if ids:
            sql = self._queue.render(f"{self._outputs}({places(len(ids), 2)}) ORDER BY response_id, place")
            for one, body in await self._queue.fetch(sql, tenant, *ids):
                found[one].append(body)
        return found
