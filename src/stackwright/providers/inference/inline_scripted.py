"""Models that say what the run file tells them to: for tests and demos, with every ending a real one can have."""

import asyncio
import base64
import hashlib
import math
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from stackwright.config.section import Section
from stackwright.errors import InvalidRequest, RateLimited, StackwrightError, UnknownModel, UpstreamError
from stackwright.ids import mint
from stackwright.ports.inference import Chunk, ChunkStream, ModelCall, Offer
from stackwright.providers.inference.scripted_answer import LONGEST_VECTOR, Asked, Failure, Generation, Script
from stackwright.providers.provider import Backends, Provider

CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors"),
    *("violence", "violence/graphic"),
)


class Config(Section):
    """Models by name."""

    models: dict[str, Script] = Field(
        {
            "scripted": Script(),
            "scripted-embedding": Script(kind="embedding"),
            "scripted-moderation": Script(kind="moderation"),
        },
        description="What each model does.",
        examples=[{"parrot": {}, "greeter": {"reply": "Hello!"}, "broken": {"cut_after": 3}}],
    )


class Port:
    """Chat completions or text completions."""

    def __init__(self, models: dict[str, Script], *, chat: bool) -> None:
        self._models = models
        self._chat = chat

    async def complete(self, call: ModelCall) -> bytes:
        """Return the scripted answer."""
        script = await _began(self._models, call)
        return Generation(script, call, chat=self._chat).whole()

    @asynccontextmanager
    async def _open(self, call: ModelCall) -> AsyncIterator[AsyncIterator[Sequence[Chunk]]]:
        script = await _began(self._models, call)
        yield _paced(Generation(script, call, chat=self._chat).chunks(), script)

    def stream(self, call: ModelCall) -> ChunkStream:
        """Open the scripted answer as a stream, a chunk a batch."""
        return self._open(call)


class Counting:
    """Counts as the answers do: a token a word."""

    def __init__(self, models: dict[str, Script]) -> None:
        self._models = models

    async def count(self, call: ModelCall) -> int:
        """Return the words of the messages."""
        script = await _began(self._models, call)
        return Generation(script, call, chat=True).prompt_tokens()


class Embeddings:
    """Vectors out of a hash: equal texts are equal, other texts are somewhere else."""

    def __init__(self, models: dict[str, Script]) -> None:
        self._models = models

    async def create(self, call: ModelCall) -> bytes:
        """Return a vector for each input."""
        script = await _began(self._models, call)
        asked = Asked(call)
        texts = _inputs(asked)
        size = asked.param("dimensions", Annotated[int, msgspec.Meta(ge=1, le=LONGEST_VECTOR)]) or script.dimensions
        packed = asked.param("encoding_format", Literal["float", "base64"]) == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
            for index, vector in enumerate(embedded(text, size) for text in texts)
        ]
        spent = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": spent, "total_tokens": spent}
        return msgspec.json.encode({"object": "list", "model": call.model, "data": data, "usage": usage})


class Moderations:
    """Flags a text that names a category."""

    def __init__(self, models: dict[str, Script]) -> None:
        self._models = models

    async def create(self, call: ModelCall) -> bytes:
        """Return a result for each input."""
        await _began(self._models, call)
        results = [_moderated(text.lower()) for text in _inputs(Asked(call))]
        return msgspec.json.encode({"id": mint("modr-"), "model": call.model, "results": results})


class Scripted:
    """An opened provider of scripted models."""

    hears_reasoning = True

    def __init__(self, models: dict[str, Script]) -> None:
        self._models = models
        self.chat = Port(models, chat=True)
        self.completions = Port(models, chat=False)
        self.embeddings = Embeddings(models)
        self.moderations = Moderations(models)
        self.counting = Counting(models)

    async def models(self) -> Sequence[Offer]:
        """Return the models of the run file."""
        return [
            Offer(name=name, kind=script.kind, owned_by="stackwright", metadata=_about(script))
            for name, script in self._models.items()
        ]


@asynccontextmanager
async def connect(config: Config, backends: Backends) -> AsyncIterator[Scripted]:
    """Open the models; there is nothing to connect to."""
    yield Scripted(config.models)


def embedded(text: str, size: int) -> list[float]:
    """Return a unit vector that depends on nothing but the text."""
    blocks = (hashlib.sha256(f"{block}:{text}".encode()).digest() for block in range(-(-size // 8)))
    numbers = [number / 2**31 - 1 for block in blocks for number in struct.unpack("<8I", block)][:size]
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]


async def _began(models: dict[str, Script], call: ModelCall) -> Script:
    """Return the model's script, when it is time to say something. Raises what the script wants raised."""
    script = models.get(call.model)
    if script is None:
        raise UnknownModel(call.model)
    await asyncio.sleep(script.delay)
    if script.error is not None:
        raise _failure(script.error)
    return script


def _failure(error: Failure) -> StackwrightError:
    if error.status == 429:
        return RateLimited(error.message, retry_after="1", code=error.code)
    if error.status >= 500:
        return UpstreamError(error.message, code=error.code)
    failure = InvalidRequest(error.message, code=error.code)
    failure.status = error.status
    return failure


async def _paced(chunks: Iterator[Chunk], script: Script) -> AsyncIterator[Sequence[Chunk]]:
    for count, chunk in enumerate(chunks):
        if count == script.cut_after:
            raise UpstreamError("The script cut the stream off.")
        yield [chunk]
        # Also without a delay: others get their turn between two chunks.
        await asyncio.sleep(script.chunk_delay)


def _inputs(asked: Asked) -> list[str]:
    if not any(texts := asked.texts("input")):
        raise InvalidRequest("'input' must be a text or a list of texts, not empty.", param="input")
    return texts


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _moderated(text: str) -> dict[str, Any]:
    found = {category: category in text for category in CATEGORIES}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {category: 0.99 if hit else 0.01 for category, hit in found.items()},
        "category_applied_input_types": {category: ["text"] for category in CATEGORIES},
    }


def _about(script: Script) -> dict[str, str | int | float | bool]:
    return {"embedding_dimension": script.dimensions} if script.kind == "embedding" else {}


PROVIDER = Provider(
    type="inline::scripted",
    api="inference",
    summary="Models that answer by script, for tests and demos",
    config=Config,
    open=connect,
)
