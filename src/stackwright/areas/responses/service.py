"""One response: make it ready, run it, keep it, answer. Streaming and blocking are one run with two readers."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, closing, contextmanager
from functools import partial
from typing import TypeVar

from stackwright.areas.conversations import Conversations
from stackwright.areas.responses import orders
from stackwright.areas.responses.background import Background, row_of
from stackwright.areas.responses.intake import Intake, Ready
from stackwright.areas.responses.items import ItemRow
from stackwright.areas.responses.memory import Memory
from stackwright.areas.responses.model import Silent
from stackwright.areas.responses.sending import framed, hidden, listed, pad, pads, spliced
from stackwright.areas.responses.store import ResponseStore, body_of
from stackwright.areas.responses.tooling import refuse_unlisted
from stackwright.areas.responses.types import (
    InputItemsQuery,
    InputTokens,
    ListQuery,
    ResponseDeleted,
    RetrieveQuery,
)
from stackwright.engine.ports import Model
from stackwright.engine.run import Run
from stackwright.errors import InvalidRequest, StackwrightError
from stackwright.http.call import Json, Stream
from stackwright.kit.left_behind import LeftBehind
from stackwright.storage.sql import Script
from stackwright.wire import events
from stackwright.wire.events import Event
from stackwright.wire.items import encode
from stackwright.wire.responses import ResponseRequest

T = TypeVar("T")


class _Making:
    """A response being made."""

    def __init__(self, tenant: str, ready: Ready, run: Run) -> None:
        self.tenant = tenant
        self.ready = ready
        self.run = run
        self.keeps = ready.stored or ready.talk.conversation is not None
        """Whether the database hears of it."""
        self.kept = False


class Responses:
    """Responses, made and kept."""

    def __init__(
        self,
        intake: Intake,
        store: ResponseStore,
        conversations: Conversations,
        background: Background,
    ) -> None:
        self._intake = intake
        self._store = store
        self._conversations = conversations
        self._background = background
        self._left = LeftBehind()

    async def create(self, tenant: str, request: ResponseRequest, raw: bytes) -> Json | Stream:
        """Answer one request; `raw` is its body as it came."""
        ready = await self._intake.ready(tenant, request, raw, later=bool(request.background))
        if request.background:
            return await self._background.begin(tenant, request, ready, raw)
        making = _Making(tenant, ready, Run(ready.turn, ready.model, ready.tools))
        if request.stream:
            return Stream(self._stream(making, framed, padded=pads(request)))
        return Json(await self._whole(making))

    async def converse(
        self, tenant: str, request: ResponseRequest, raw: bytes, memory: Memory, *, generate: bool
    ) -> AsyncGenerator[list[bytes], None]:
        """Answer one request of a connection that goes on: yields events as JSON, those that came together at once.

        Args:
            tenant: Whose request.
            request: The request, to be streamed.
            raw: Its body as it came.
            memory: What the connection remembers; this response too, when it is not stored.
            generate: False to make everything ready and say nothing.
        """
        ready = await self._intake.ready(tenant, request, raw, memory=memory)
        model: Model = ready.model if generate else Silent()
        making = _Making(tenant, ready, Run(ready.turn, model, ready.tools))
        async with aclosing(self._stream(making, orders.spelled, padded=pads(request))) as batches:
            async for batch in batches:
                # Before the end is told: another lane may go on from it at once.
                if making.run.ended and not ready.stored and making.run.response.status != "failed":
                    said = [*ready.talk.history, *ready.talk.new, *making.run.turn.output]
                    memory.keep(making.run.response.id, said)
                yield batch

    async def _whole(self, making: _Making) -> bytes:
        with self._watched(making):
            async with aclosing(making.run.events()) as batches:
                async for _ in batches:
                    pass
            refuse_unlisted(making.run.response)
            return await self._keep(making)

    async def _stream(
        self, making: _Making, spell: Callable[[Sequence[Event]], T], *, padded: bool
    ) -> AsyncGenerator[T, None]:
        with self._watched(making):
            async with aclosing(making.run.events()) as batches:
                async for made in batches:
                    told = await self._kept(making, made) if making.run.ended else made
                    yield spell(pad(told) if padded else told)

    @contextmanager
    def _watched(self, making: _Making) -> Iterator[None]:
        """Hold a place in the queue of writes; when the caller leaves, keep what was said so far. In the end the
        request's files are let go of."""
        with closing(making.ready), ExitStack() as place:
            if making.keeps:
                place.enter_context(self._store.place())
            try:
                yield
            except (asyncio.CancelledError, GeneratorExit):
                if making.keeps and not making.kept and making.run.published:
                    self._keep_later(making, place.pop_all())
                raise

    async def _kept(self, making: _Making, made: list[Event]) -> list[Event]:
        """Keep the response before its end is told; when that fails, the end is the failure."""
        try:
            await self._keep(making)
        except StackwrightError as error:
            last = made[-1]
            failed = events.ErrorEvent(code=error.code, message=error.told, param=error.param)
            failed.sequence_number = last.sequence_number
            return [*made[:-1], failed]
        return made

    async def _keep(self, making: _Making) -> bytes:
        """Commit what was made, and return the response's JSON."""
        making.kept = True
        response = making.run.response
        body = body_of(response)
        output = [encode(item) for item in making.run.turn.output]
        if making.keeps:
            await self._commit(making, body, output)
        return spliced(body, output)

    async def _commit(self, making: _Making, body: bytes, output: Sequence[bytes]) -> None:
        ready, response, tenant = making.ready, making.run.response, making.tenant
        row = None
        rows: list[ItemRow] = []
        if ready.stored:
            row = row_of(response, ready)
            rows = [ItemRow(item.id, encode(item), False) for item in ready.talk.new]
            rows += [ItemRow(item.id, raw, True) for item, raw in zip(response.output or (), output, strict=True)]
        await self._store.add(tenant, row, rows, self._appending(making) if ready.talk.conversation else None)

    def _appending(self, making: _Making) -> Callable[[], Script[None]]:
        conversation = making.ready.talk.conversation
        assert conversation is not None
        items = [*making.ready.talk.new, *making.run.turn.output]
        return partial(self._conversations.appending, making.tenant, conversation, items)

    def _keep_later(self, making: _Making, place: ExitStack) -> None:
        making.run.cancel()
        self._left.keep(making.run.response.id, partial(self._keep, making), place)

    async def settle(self) -> None:
        """Wait for what is still being kept. Called once, when no request is left."""
        await self._left.settle()

    async def get(self, tenant: str, id: str, query: RetrieveQuery) -> Json | Stream:
        """Return a stored response, or the rest of the stream that makes it."""
        if query.stream:
            after = -1 if query.starting_after is None else query.starting_after
            return await self._background.resume(tenant, id, after, padded=bool(query.include_obfuscation))
        found = await self._store.get(tenant, id)
        return Json(spliced(found.body, hidden(found.output, query.include)))

    async def page(self, tenant: str, query: ListQuery) -> Json:
        """Return some stored responses."""
        found = await self._store.page(
            tenant, after=query.after, order=query.order, limit=query.limit, model=query.model
        )
        outputs = await self._store.outputs(tenant, [row.id for row in found.rows])
        data = [spliced(row.body, hidden(outputs[row.id], ())) for row in found.rows]
        return listed(data, [row.id for row in found.rows], has_more=found.has_more)

    async def input_items(self, tenant: str, id: str, query: InputItemsQuery) -> Json:
        """Return some of a response's own input items."""
        # One more than asked for answers `has_more` without a count.
        rows = await self._store.items.page(tenant, id, after=query.after, order=query.order, limit=query.limit + 1)
        if not rows:
            await self._store.check(tenant, id)
            if query.after is not None and not await self._store.items.has_input(tenant, id, query.after):
                raise InvalidRequest(f"No item with id {query.after!r} to list after.", param="after")
        shown = rows[: query.limit]
        bodies = hidden([body for _, body in shown], query.include)
        return listed(bodies, [item_id for item_id, _ in shown], has_more=len(rows) > query.limit)

    async def delete(self, tenant: str, id: str) -> ResponseDeleted:
        """Delete a stored response and its items."""
        await self._background.delete(tenant, id)
        return ResponseDeleted(id=id)

    async def cancel(self, tenant: str, id: str) -> Json:
        """Cancel a response that is being made in the background."""
        found = await self._background.cancel(tenant, id)
        return Json(spliced(found.body, hidden(found.output, ())))

    async def input_tokens(self, tenant: str, request: ResponseRequest, raw: bytes) -> InputTokens:
        """Count a request's tokens."""
        return InputTokens(input_tokens=await self._intake.count(tenant, request, raw))
