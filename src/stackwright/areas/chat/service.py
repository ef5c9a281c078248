"""One chat completion: find who serves the model, call, keep what was asked to be kept, answer."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from stackwright import ids
from stackwright.areas.chat.fold import Fold
from stackwright.areas.chat.store import CompletionStore
from stackwright.areas.models import Catalog, call_of, fields
from stackwright.errors import StackwrightError
from stackwright.http.call import Json, Stream
from stackwright.http.sse import DONE, framed
from stackwright.http.watch import GONE
from stackwright.kit.left_behind import LeftBehind
from stackwright.ports.inference import Chunk, ModelCall, TextPort
from stackwright.wire.chat import ChatRequest


class ChatService:
    """Chat completions over the catalog and the store."""

    def __init__(self, catalog: Catalog, store: CompletionStore, *, store_by_default: bool) -> None:
        self._catalog = catalog
        self._store = store
        self._store_by_default = store_by_default
        self._left = LeftBehind()

    async def create(self, tenant: str, request: ChatRequest, raw: bytes) -> Json | Stream:
        """Answer one request; `raw` is its body as it came, from which the vendor gets every field but ours."""
        target = self._catalog.resolve(tenant, request.model)
        port = target.chat
        call = call_of(target, raw)
        if not self._keeps(request):
            return Stream(_passed_on(port, call)) if request.stream else Json(await port.complete(call))
        record = self._record(tenant, request, call.params["messages"])
        if request.stream:
            return Stream(self._kept_stream(port, call, record))
        with self._store.place():
            return Json(await _kept(port, call, record))

    def _keeps(self, request: ChatRequest) -> bool:
        return self._store_by_default if request.store is None else request.store

    def _record(self, tenant: str, request: ChatRequest, messages: Raw) -> "_Record":
        return _Record(self._store, tenant, request.model, request.metadata or {}, bytes(messages))

    async def _kept_stream(self, port: TextPort, call: ModelCall, record: "_Record") -> AsyncGenerator[bytes, None]:
        with ExitStack() as place:
            place.enter_context(self._store.place())
            try:
                async with port.stream(call) as batches:
                    async for batch in batches:
                        yield framed(record.taken(batch))
            except StackwrightError as error:
                await self._keep_partial(record, error.code or "upstream_error")
                raise
            except (asyncio.CancelledError, GeneratorExit) as end:
                self._left.keep(record.id, partial(self._keep_partial, record, _reason(end)), place.pop_all())
                raise
            await record.keep_stream()
        yield DONE

    async def _keep_partial(self, record: "_Record", reason: str) -> None:
        if record.begun:
            await record.keep_stream(reason)

    async def settle(self) -> None:
        """Wait for what is still being kept. Called once, when no request is left."""
        await self._left.settle()


class _Record:
    """A completion on its way into the store, under an id of ours: vendors reuse theirs."""

    def __init__(
        self, store: CompletionStore, tenant: str, model: str, metadata: dict[str, str], messages: bytes
    ) -> None:
        self.id = ids.mint("chatcmpl-")
        self._store = store
        self._tenant = tenant
        self._model = model
        self._metadata = metadata
        self._messages = messages
        self._fold = Fold()
        self._theirs: bytes | None = None
        self._ours = b'"id":"%s"' % self.id.encode()

    @property
    def begun(self) -> bool:
        return self._theirs is not None

    async def keep(self, body: dict[str, Any], incomplete: str | None = None) -> bytes:
        """Commit a completion and return its JSON."""
        answer = msgspec.json.encode(body)
        await self._store.add(
            self._tenant,
            id=self.id,
            model=self._model,
            metadata=self._metadata,
            messages=self._messages,
            body=answer,
            incomplete=incomplete,
        )
        return answer

    async def keep_stream(self, incomplete: str | None = None) -> None:
        """Commit what the stream spelled so far."""
        await self.keep(self._fold.completion(self.id), incomplete)

    def taken(self, batch: Sequence[Chunk]) -> list[bytes]:
        """Remember a batch, and return its chunks under our id."""
        theirs = self._theirs
        if theirs is None:
            theirs = self._theirs = _id_in(batch[0].data)
        chunks = [chunk.data for chunk in batch]
        self._fold.feed(chunks)
        return [chunk.replace(theirs, self._ours, 1) for chunk in chunks]


class _Identified(msgspec.Struct):
    id: Raw = Raw(b'""')


_identified = msgspec.json.Decoder(_Identified).decode


def _id_in(chunk: bytes) -> bytes:
    """Return the `"id": "..."` of a chunk as it is spelled there, white space included; else what no JSON holds."""
    value = bytes(_identified(chunk).id)
    at = chunk.find(value)
    start = chunk.rfind(b'"id"', 0, max(at, 0))
    return chunk[start : at + len(value)] if start >= 0 else b"\x00"


def _reason(end: BaseException) -> str:
    stopped = isinstance(end, asyncio.CancelledError) and end.args != (GONE,)
    return "server_stopped" if stopped else GONE


async def _passed_on(port: TextPort, call: ModelCall) -> AsyncGenerator[bytes, None]:
    async with port.stream(call) as batches:
        async for batch in batches:
            yield framed([chunk.data for chunk in batch])
    yield DONE


async def _kept(port: TextPort, call: ModelCall, record: _Record) -> bytes:
    body: dict[str, Any] = fields(await port.complete(call))
    body["id"] = record.id
    return await record.keep(body)
