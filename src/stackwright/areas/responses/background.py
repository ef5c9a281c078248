"""Responses that are made in the background: handed over as durable jobs, made by whichever process has time.

What was told cannot be taken back. So a job that is begun again, because its process died, starts over only when nobody
could have read of it yet; else it fails with `server_restart`.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from stackwright.areas.conversations import Conversations
from stackwright.areas.responses.intake import Accepted, Intake, Ready
from stackwright.areas.responses.items import ItemRow
from stackwright.areas.responses.journal import Journal, entries, framed
from stackwright.areas.responses.store import ResponseStore, StoredResponse, Whole
from stackwright.engine.run import Run, broken
from stackwright.errors import InvalidRequest, StackwrightError
from stackwright.http.call import Json, Stream
from stackwright.jobs import Fence, Job, JobQueue
from stackwright.storage.sql import Script
from stackwright.wire import events
from stackwright.wire.events import Event
from stackwright.wire.items import decode_many, encode
from stackwright.wire.responses import Response, ResponseError, ResponseRequest

KIND = "response"
POLL = 0.1
"""Seconds between two looks for new events, which another process may write."""
_OPEN = frozenset({"queued", "in_progress"})
_TERMINAL = frozenset({"response.completed", "response.failed", "response.incomplete", "error"})
_encode = msgspec.json.Encoder().encode


class Given(Struct):
    """A job's payload: the request as it came, and when."""

    request: Raw
    created_at: int
    streamed: bool


class Background:
    """Hands responses over, makes those that were, and lets callers read along."""

    def __init__(
        self, intake: Intake, store: ResponseStore, conversations: Conversations, queue: JobQueue
    ) -> None:
        """`queue` is in the same database as the responses."""
        self._intake = intake
        self._store = store
        self._conversations = conversations
        self._queue = queue
        self._journal: Journal = store.journal

    async def begin(self, tenant: str, request: ResponseRequest, ready: Ready, raw: bytes) -> Json | Stream:
        """Hand a response over, committed on return: from then on it ends, whatever happens to this process."""
        response = msgspec.structs.replace(ready.turn.frame.response, status="queued")
        row = row_of(response, ready)
        items = [ItemRow(item.id, encode(item), False) for item in ready.new]
        payload = _encode(Given(Raw(raw), response.created_at, bool(request.stream)))

        def script() -> Script[None]:
            yield from self._store.inserting(tenant, row, items)
            yield from self._queue.adding(tenant, response.id, KIND, payload)

        await self._store.transact(script)
        if request.stream:
            return Stream(self._follow(tenant, response.id, -1))
        return Json(_encode(response))

    async def resume(self, tenant: str, id: str, after: int) -> Stream:
        """Return the events after that number: those there are, and those to come."""
        whole = await self._store.get(tenant, id)
        if not _response(whole.body).background:
            raise InvalidRequest(
                "Only a response that was created with 'background: true' and 'stream: true' can be streamed again.",
                param="stream",
            )
        return Stream(self._follow(tenant, id, after))

    async def cancel(self, tenant: str, id: str) -> Whole:
        """Cancel a response, if it has not ended, and return it."""
        whole = await self._store.get(tenant, id)
        response = _response(whole.body)
        if not response.background:
            raise InvalidRequest("Cannot cancel a synchronous response.", param="response_id")
        if whole.status not in _OPEN:
            return whole

        def script() -> Script[None]:
            if (yield from self._queue.cancelling(tenant, id)):
                yield from self._closing(tenant, id, response, "cancelled", None)

        await self._store.transact(script)
        return await self._store.get(tenant, id)

    async def forget(self, tenant: str, id: str) -> None:
        """Stop making a response that is about to be deleted."""
        await self._queue.cancel(tenant, id)

    async def work(self, job: Job, fence: Fence) -> None:
        """Make a response: the handler of its job."""
        given = msgspec.json.decode(job.payload, type=Given)
        whole = await self._store.get(job.tenant, job.id)
        if job.attempts > 1 and await self._journal.begun(job.tenant, job.id):
            error = ResponseError(code="server_restart", message="The server that made this response ended.")
            await self._give_up(job, fence, _response(whole.body), error)
            return
        try:
            await self._make(job, fence, given)
        except StackwrightError as error:
            why = broken(error)
            await self._give_up(job, fence, _response(whole.body), ResponseError(code=why.code, message=why.message))
        except Exception:
            bug = ResponseError(code="server_error", message="The server had an error while making this response.")
            await self._give_up(job, fence, _response(whole.body), bug)
            raise

    async def _make(self, job: Job, fence: Fence, given: Given) -> None:
        raw = bytes(given.request)
        new = decode_many(await self._store.items.inputs(job.tenant, job.id))
        accepted = Accepted(job.id, given.created_at, new)
        request = msgspec.json.decode(raw, type=ResponseRequest)
        ready = await self._intake.ready(job.tenant, request, raw, accepted=accepted)
        writing = _Writing(self, self._store, job, fence, ready, streamed=given.streamed)
        await writing.begin()
        run = Run(ready.turn, ready.model, ready.tools)
        try:
            async with aclosing(run.events()) as batches:
                async for made in batches:
                    await writing.take(made, run)
        except StackwrightError as error:
            if run.ended:
                raise
            await writing.take(run.fail(error), run)
        except asyncio.CancelledError:
            if fence.stopped == "timeout" and not run.ended:
                late = StackwrightError("The response took longer than the server allows.")
                await writing.take(run.fail(late), run)
            raise

    async def _give_up(self, job: Job, fence: Fence, response: Response, error: ResponseError) -> None:
        def script() -> Script[None]:
            yield from fence.ending("failed")
            yield from self._closing(job.tenant, job.id, response, "failed", error)

        await self._store.transact(script)

    def _closing(
        self, tenant: str, id: str, response: Response, status: Any, error: ResponseError | None
    ) -> Script[None]:
        """End a response that nobody makes any more."""
        ended = msgspec.structs.replace(response, status=status, error=error, output=[])
        yield from self._store.changing(tenant, id, status=status, body=_body(ended))
        last: Event = events.Failed(response=ended) if error else events.Incomplete(response=ended)
        yield from self._journal.ending(tenant, id, last)

    def finishing(self, job: Job, ready: Ready, run: Run, left: Sequence[Event], *, streamed: bool) -> Script[None]:
        """Write what a finished turn leaves: all at once."""
        output = [ItemRow(item.id, encode(item), True) for item in run.turn.output]
        yield from self._store.changing(job.tenant, job.id, status=run.response.status, body=_body(run.response))
        yield from self._store.items.adding(job.tenant, job.id, output, first=len(ready.new))
        if streamed:
            yield from self._journal.adding(job.tenant, job.id, entries(left))
        if ready.conversation is not None:
            items = [*ready.new, *run.turn.output]
            yield from self._conversations.appending(job.tenant, ready.conversation, items)

    async def _follow(self, tenant: str, id: str, after: int) -> AsyncGenerator[bytes, None]:
        while True:
            # The status is read first: what ends in between is seen at the next turn, never missed.
            status = (await self._store.get(tenant, id)).status
            found = await self._journal.after(tenant, id, after)
            if found:
                yield b"".join(map(framed, found))
                after = found[-1].number
                if found[-1].kind in _TERMINAL:
                    return
            elif status not in _OPEN:
                return
            else:
                await asyncio.sleep(POLL)


class _Writing:
    """What a job writes while it is being made. Events that come during a commit are written with the next one."""

    def __init__(
        self, background: Background, store: ResponseStore, job: Job, fence: Fence, ready: Ready, *, streamed: bool
    ) -> None:
        self._background = background
        self._store = store
        self._job = job
        self._fence = fence
        self._ready = ready
        self._streamed = streamed
        self._waiting: list[Event] = []
        self._commit: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Say that the response is being made."""
        job = self._job
        response = self._ready.turn.frame.response

        def script() -> Script[None]:
            yield from self._fence.holding()
            yield from self._store.changing(job.tenant, job.id, status="in_progress", body=_body(response))

        await self._store.transact(script)

    async def take(self, made: Sequence[Event], run: Run) -> None:
        """Write events; the last of them with everything else that a finished turn leaves."""
        if self._streamed:
            self._waiting += made
        if run.ended:
            await self._settled()
            await self._finish(run)
        elif self._waiting and (self._commit is None or self._commit.done()):
            await self._settled()
            self._commit = asyncio.create_task(self._write(self._taken()))

    async def _settled(self) -> None:
        if self._commit is not None:
            await self._commit

    def _taken(self) -> list[Event]:
        taken, self._waiting = self._waiting, []
        return taken

    async def _write(self, made: Sequence[Event]) -> None:
        kept, job = entries(made), self._job

        def script() -> Script[None]:
            yield from self._fence.holding()
            yield from self._store.journal.adding(job.tenant, job.id, kept)

        await self._store.transact(script)

    async def _finish(self, run: Run) -> None:
        left = self._taken()

        def script() -> Script[None]:
            yield from self._fence.ending("done")
            yield from self._background.finishing(self._job, self._ready, run, left, streamed=self._streamed)

        await self._store.transact(script)


def row_of(response: Response, ready: Ready) -> StoredResponse:
    """Return the row of a response."""
    return StoredResponse(
        id=response.id,
        created=response.created_at,
        status=response.status,
        model=response.model,
        previous_id=response.previous_response_id,
        conversation=ready.conversation,
        prompt_hash=ready.prompt_hash,
        body=_body(response),
    )


def _body(response: Response) -> bytes:
    return _encode(msgspec.structs.replace(response, output=UNSET))


def _response(body: bytes) -> Response:
    return msgspec.json.decode(body, type=Response)
