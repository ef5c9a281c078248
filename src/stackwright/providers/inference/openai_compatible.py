"""The adapter for every vendor that speaks OpenAI's API: bytes in, bytes out, read only as far as needed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import msgspec

from stackwright.errors import UpstreamError
from stackwright.ports.inference import Chunk, ChunkStream, ModelCall, Offer
from stackwright.providers.http1 import HttpError
from stackwright.providers.inference import catalog
from stackwright.providers.inference.config import Config, Quirks
from stackwright.providers.inference.counting import Counter
from stackwright.providers.inference.reading import CHAT, CHECKS, TEXT, Check, Decoder, Reading, checked, excerpt
from stackwright.providers.inference.vendor import ERROR_LIMIT, Vendor


class Port:
    """One path of a vendor's API."""

    def __init__(self, vendor: Vendor, path: str, check: Check, decoder: Decoder | None = None) -> None:
        self._vendor = vendor
        self._path = path
        self._check = check
        self._decoder = decoder
        self._renames = vendor.quirks.renames

    async def complete(self, call: ModelCall) -> bytes:
        """Return the answer as it came, or repaired where it lacks what OpenAI's schema requires."""
        vendor = self._vendor
        connection = await vendor.send(self._path, self._body(call))
        body = await vendor.body(connection, vendor.config.max_response_bytes)
        try:
            return checked(self._check, body, call.model)
        except UpstreamError as error:
            vendor.refusals.raise_named(error)

    create = complete

    def stream(self, call: ModelCall) -> ChunkStream:
        """Open a stream of chunks."""
        assert self._decoder is not None, "a port without a stream is not a TextPort"
        body = self._body(call, {"stream": True})
        return Stream(self._vendor, self._path, body, Reading(self._decoder, call, expected_choices(call)))

    def _body(self, call: ModelCall, more: Mapping[str, Any] | None = None) -> bytes:
        params = call.params
        if self._renames:
            params = {self._renames.get(name, name): value for name, value in params.items()}
        return msgspec.json.encode({"model": call.model, **params, **(more or {})})


class Stream:
    """A stream of chunks, and the connection it comes from."""

    def __init__(self, vendor: Vendor, path: str, body: bytes, reading: Reading) -> None:
        self._vendor = vendor
        self._path = path
        self._body = body
        self._reading = reading

    async def __aenter__(self) -> Self:
        self._connection = connection = await self._vendor.send(self._path, self._body)
        kind = connection.header(b"content-type") or ""
        if "json" in kind or "html" in kind:
            said = await self._vendor.body(connection, ERROR_LIMIT)
            self._vendor.refusals.raise_named(
                UpstreamError(f"The vendor answered a stream with {kind!r}: {excerpt(said)}")
            )
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._vendor.client.release(self._connection, ended=self._reading.over)

    def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        return self

    async def __anext__(self) -> Sequence[Chunk]:
        reading = self._reading
        while not reading.over:
            try:
                if reading.failure is not None:
                    raise reading.failure
                piece = await self._connection.read()
                chunks = reading.feed(piece) if piece else reading.end()
            except HttpError as error:
                self._vendor.refusals.raise_broken(error)
            except UpstreamError as error:
                self._vendor.refusals.raise_named(error)
            if chunks:
                return chunks
        raise StopAsyncIteration


class OpenAICompatible:
    """An opened provider. A port that the vendor does not have is None."""

    def __init__(self, vendor: Vendor) -> None:
        has = vendor.quirks.ports
        self._vendor = vendor
        self.hears_reasoning = vendor.quirks.hears_reasoning
        self.chat = Port(vendor, "/chat/completions", CHECKS["chat"], CHAT)
        self.completions = Port(vendor, "/completions", CHECKS["completions"], TEXT) if "completions" in has else None
        self.embeddings = Port(vendor, "/embeddings", CHECKS["embeddings"]) if "embeddings" in has else None
        self.counting = Counter(vendor, vendor.quirks.counts) if vendor.quirks.counts else None
        self.moderations = Port(vendor, "/moderations", CHECKS["moderations"]) if "moderations" in has else None

    async def models(self) -> Sequence[Offer]:
        """Return the models of the run file, or else those the vendor lists."""
        vendor = self._vendor
        if vendor.config.models is not None:
            return [catalog.named(name, vendor.quirks.ports) for name in vendor.config.models]
        body = await vendor.body(await vendor.send("/models", b""), vendor.config.max_response_bytes)
        try:
            return catalog.listed(body, vendor.quirks.ports)
        except UpstreamError as error:
            vendor.refusals.raise_named(error)


@asynccontextmanager
async def connect(config: Config, quirks: Quirks) -> AsyncIterator[OpenAICompatible]:
    """Open a provider. Nothing is sent before the first call."""
    vendor = Vendor(config, quirks)
    try:
        yield OpenAICompatible(vendor)
    finally:
        vendor.client.close()


def expected_choices(call: ModelCall) -> int:
    """Return how many choices a stream must finish: `n`, for each prompt of a text completion."""
    n = _decoded(call.params.get("n"))
    prompt = _decoded(call.params.get("prompt"))
    prompts = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
    return (n if isinstance(n, int) and n > 0 else 1) * prompts


def _decoded(raw: msgspec.Raw | None) -> Any:
    return None if raw is None else msgspec.json.decode(raw)
