"""Responses that are made in the background: handed over as durable jobs, read along and cancelled from anywhere."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec
from msgspec.structs import replace

from stackwright.areas.responses.intake import Ready
from stackwright.areas.responses.items import ItemRow
from stackwright.areas.responses.job import KIND, Given
from stackwright.areas.responses.journal import entries, framed
from stackwright.areas.responses.sending import pads
from stackwright.areas.responses.store import ResponseStore, StoredResponse, Whole, body_of, response_in
from stackwright.engine.signals import Cancelled
from stackwright.errors import InvalidRequest
from stackwright.http.call import Json, Stream
from stackwright.jobs import JobQueue, Worker
from stackwright.storage.sql import Script
from stackwright.wire import events
from stackwright.wire.events import Event
from stackwright.wire.items import encode
from stackwright.wire.responses import Response, ResponseRequest

POLL = 0.1
"""Seconds between two looks for new events, which another process may write."""
_OPEN = frozenset({"queued", "in_progress"})
_TERMINAL = frozenset({"response.completed", "response.failed", "response.incomplete"})
_encode = msgspec.json.Encoder().encode


class Background:
    """Hands responses over, cancels them, and lets callers read along."""

    def __init__(self, store: ResponseStore, queue: JobQueue, worker: Worker) -> None:
        """`queue` is in the same database as the responses; `worker` is this process's part of its work."""
        self._store = store
        self._queue = queue
        self._worker = worker

    async def begin(self, tenant: str, request: ResponseRequest, ready: Ready, raw: bytes) -> Json | Stream:
        """Hand a response over, committed on return: from then on it ends, whatever happens to this process."""
        response = replace(ready.turn.frame.response, status="queued")
        prompt = response.prompt.version if response.prompt else None
        given = Given(msgspec.Raw(raw), response.created_at, bool(request.stream), prompt)
        await self._worker.hand_over(lambda: self._handing_over(tenant, response, ready, given), self._store)
        if request.stream:
            return Stream(self._follow(tenant, response.id, -1, pads(request)))
        return Json(_encode(response))

    def _handing_over(self, tenant: str, response: Response, ready: Ready, given: Given) -> Script[None]:
        items = [ItemRow(item.id, encode(item), False) for item in ready.talk.new]
        yield from self._store.inserting(tenant, row_of(response, ready), items)
        if given.streamed:
            yield from self._store.journal.adding(tenant, response.id, entries(_first_events(response)))
        yield from self._queue.adding(tenant, response.id, KIND, _encode(given), written=not ready.secret)

    async def resume(self, tenant: str, id: str, after: int, *, padded: bool) -> Stream:
        """Return the events after that number: those there are, and those to come."""
        await self._store.check(tenant, id)
        if await self._store.journal.last(tenant, id) < 0:
            raise InvalidRequest(
                "There is no stream of this response to be read: it was not created with 'background: true' and "
                "'stream: true', or it ended too long ago.",
                param="stream",
            )
        return Stream(self._follow(tenant, id, after, padded))

    async def cancel(self, tenant: str, id: str) -> Whole:
        """Cancel a response, if it has not ended, and return it."""
        whole = await self._store.get(tenant, id)
        if not response_in(whole.body).background:
            raise InvalidRequest("Cannot cancel a synchronous response.", param="response_id")
        if whole.status not in _OPEN:
            return whole

        def script() -> Script[None]:
            if (yield from self._queue.cancelling(tenant, id)):
                yield from self._store.breaking_off(tenant, id, Cancelled())

        await self._store.transact(script)
        self._queue.woken.set()
        return await self._store.get(tenant, id)

    async def delete(self, tenant: str, id: str) -> None:
        """Delete a response, and make it no further."""

        def script() -> Script[None]:
            yield from self._queue.cancelling(tenant, id)
            yield from self._store.deleting(tenant, id)

        await self._store.transact(script)
        self._queue.woken.set()

    async def _follow(self, tenant: str, id: str, after: int, padded: bool) -> AsyncGenerator[bytes, None]:
        ended = False
        while True:
            found = await self._store.journal.after(tenant, id, after)
            if found:
                yield b"".join([framed(entry, padded=padded) for entry in found])
                after = found[-1].number
                if found[-1].kind in _TERMINAL:
                    return
            elif ended:
                return
            else:
                # What was written with the end is looked for once more.
                ended = await self._store.status(tenant, id) not in _OPEN
                await asyncio.sleep(0 if ended else POLL)


def _first_events(response: Response) -> list[Event]:
    """Return what can be told of a response that waits: nobody has made anything of it yet."""
    return [
        events.Created(response=response, sequence_number=0),
        events.Queued(response=response, sequence_number=1),
    ]


def row_of(response: Response, ready: Ready) -> StoredResponse:
    """Return the row of a response."""
    return StoredResponse(
        id=response.id,
        created=response.created_at,
        status=response.status,
        model=response.model,
        previous_id=response.previous_response_id,
        conversation=ready.talk.conversation,
        prompt_hash=ready.prompt_hash,
        body=body_of(response),
    )
