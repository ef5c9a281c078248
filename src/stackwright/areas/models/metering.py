"""Counting what models are asked and what they cost, at the one place every call passes."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from prometheus_client import Counter, Histogram

from stackwright.errors import StackwrightError
from stackwright.ports.inference import BodyPort, Chunk, ChunkStream, CountPort, Inference, ModelCall, TextPort, Usage

_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_CALLS = Counter("stackwright_model_calls", "Calls to providers, by how they ended.", ["provider", "outcome"])
_SECONDS = Histogram("stackwright_model_seconds", "Seconds to a provider's last byte.", ["provider"], buckets=_BUCKETS)
_FIRST = Histogram(
    "stackwright_model_first_chunk_seconds", "Seconds to a stream's first chunk.", ["provider"], buckets=_BUCKETS
)
_TOKENS = Counter("stackwright_tokens", "Tokens, as far as providers count them.", ["provider", "kind"])


class _Counted(msgspec.Struct):
    usage: Usage | None = None


_counted = msgspec.json.Decoder(_Counted).decode


class Meter:
    """The counters of one provider. Label look-ups are done once: they cost more than counting."""

    def __init__(self, provider_id: str) -> None:
        self._provider_id = provider_id
        self._ok = _CALLS.labels(provider_id, "ok")
        self._seconds = _SECONDS.labels(provider_id)
        self._first = _FIRST.labels(provider_id)
        self._prompt = _TOKENS.labels(provider_id, "prompt")
        self._completion = _TOKENS.labels(provider_id, "completion")

    def ended(self, started: float, usage: Usage | None) -> None:
        self._ok.inc()
        self._seconds.observe(time.perf_counter() - started)
        if usage is not None:
            self._prompt.inc(usage.prompt_tokens)
            self._completion.inc(usage.completion_tokens)

    def began(self, started: float) -> None:
        self._first.observe(time.perf_counter() - started)

    def __enter__(self) -> None:
        """Count a failure, should the call that begins here end with one."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StackwrightError):
            _CALLS.labels(self._provider_id, error.code or "error").inc()


class MeteredText:
    """A text port with a meter."""

    def __init__(self, port: TextPort, meter: Meter) -> None:
        self._port = port
        self._meter = meter

    async def complete(self, call: ModelCall) -> bytes:
        started = time.perf_counter()
        with self._meter:
            body = await self._port.complete(call)
        self._meter.ended(started, _counted(body).usage)
        return body

    def stream(self, call: ModelCall) -> ChunkStream:
        return self._stream(call)

    @asynccontextmanager
    async def _stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[Sequence[Chunk]]]:
        started = time.perf_counter()
        with self._meter:
            async with self._port.stream(call) as batches:
                yield self._counted(batches, started)

    async def _counted(self, batches: AsyncIterator[Sequence[Chunk]], started: float) -> AsyncIterator[Sequence[Chunk]]:
        usage: Usage | None = None
        begun = False
        async for batch in batches:
            if not begun:
                self._meter.began(started)
                begun = True
            usage = batch[-1].usage or usage
            yield batch
        self._meter.ended(started, usage)


class MeteredBody:
    """A body port with a meter."""

    def __init__(self, port: BodyPort, meter: Meter) -> None:
        self._port = port
        self._meter = meter

    async def create(self, call: ModelCall) -> bytes:
        started = time.perf_counter()
        with self._meter:
            body = await self._port.create(call)
        self._meter.ended(started, None)
        return body


class Metered:
    """An inference provider whose every call is counted."""

    def __init__(self, provider_id: str, inference: Inference) -> None:
        meter = Meter(provider_id)
        chat, completions = inference.chat, inference.completions
        embeddings, moderations = inference.embeddings, inference.moderations
        self.chat: TextPort | None = chat and MeteredText(chat, meter)
        self.completions: TextPort | None = completions and MeteredText(completions, meter)
        self.embeddings: BodyPort | None = embeddings and MeteredBody(embeddings, meter)
        self.moderations: BodyPort | None = moderations and MeteredBody(moderations, meter)
        # Providers of other packages may be older than these.
        self.hears_reasoning: bool = getattr(inference, "hears_reasoning", True)
        self.counting: CountPort | None = getattr(inference, "counting", None)
        self.models = inference.models
