"""Models that say what the run file tells them to: for tests and demos, with every ending a real one can have."""

import asyncio
import base64
import hashlib
import math
import struct
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from stackwright.config.section import Section
from stackwright.errors import InvalidRequest, NotFound, RateLimited, StackwrightError, UpstreamError
from stackwright.ids import mint
from stackwright.ports.inference import Chunk, ChunkStream, ModelCall, ModelKind, Offer, Usage
from stackwright.providers.provider import Backends, Provider

CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors"),
    *("violence", "violence/graphic"),
)


class Failure(Section):
    """A failure to answer with."""

    status: Literal[400, 404, 422, 429, 500, 502, 503] = Field(502, description="What the vendor would have answered.")
    message: str = Field("The script says so.", description="The error's message.")
    code: str | None = Field(None, description="The error's code.")


class ToolCall(Section):
    """A tool to call."""

    name: str = Field(description="The tool's name.")
    arguments: dict[str, Any] = Field({}, description="What to call it with.")


class Script(Section):
    """What one model does."""

    kind: ModelKind = Field("llm", description="What the model is listed as.")
    reply: str | None = Field(None, description="The answer. Absent: the last user message, said back.")
    tool_call: ToolCall | None = Field(None, description="Call this first, and reply when its result is there.")
    error: Failure | None = Field(None, description="Fail with this instead of answering.")
    delay: NonNegativeFloat = Field(0.0, description="Seconds before the first byte.")
    chunk_delay: NonNegativeFloat = Field(0.0, description="Seconds between two chunks of a stream.")
    cut_after: NonNegativeInt | None = Field(None, description="Break streams off after so many chunks.")
    dimensions: PositiveInt = Field(64, description="Length of embeddings.")


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


class Answer(msgspec.Struct):
    """One answer, before it is put into OpenAI's words."""

    words: list[str]
    prompt_tokens: int
    finish_reason: str
    call: dict[str, Any] | None = None

    def usage(self, choices: int) -> dict[str, int]:
        """Count a token a word."""
        said = max(1, len(self.words)) * choices
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": said,
            "total_tokens": self.prompt_tokens + said,
        }


class Generation:
    """One call of a scripted model, for chat or for text."""

    def __init__(self, script: Script, call: ModelCall, *, chat: bool) -> None:
        self._script = script
        self._chat = chat
        self._params = {name: msgspec.json.decode(value) for name, value in call.params.items()}
        self._choices = self._params.get("n") or 1
        self._head = {
            "id": mint("chatcmpl-" if chat else "cmpl-"),
            "created": int(time.time()),
            "model": call.model,
        }

    def whole(self) -> bytes:
        """Return the answer at once."""
        answer = self._answer()
        name = "chat.completion" if self._chat else "text_completion"
        choices = [self._choice(answer, index) for index in range(self._choices)]
        return msgspec.json.encode(
            {**self._head, "object": name, "choices": choices, "usage": answer.usage(self._choices)}
        )

    def chunks(self) -> Iterator[Chunk]:
        """Return the answer word by word."""
        answer = self._answer()
        options = self._params.get("stream_options") or {}
        more = {"usage": None} if options.get("include_usage") else {}
        for index in range(self._choices):
            for delta in self._deltas(answer):
                yield self._chunk([self._piece(index, delta, None)], more, None)
            yield self._chunk([self._piece(index, self._nothing(), answer.finish_reason)], more, None)
        if more:
            usage = answer.usage(self._choices)
            yield self._chunk([], {"usage": usage}, Usage(**usage))

    def _answer(self) -> Answer:
        messages = self._params.get("messages") or []
        said = _text(self._params.get("prompt")) if not self._chat else _last(messages)
        prompt = sum(len(_text(message.get("content")).split()) for message in messages) or len(said.split())
        if self._script.tool_call and not any(message.get("role") == "tool" for message in messages):
            return Answer([], prompt, "tool_calls", _tool_call(self._script.tool_call))
        words = _words(said if self._script.reply is None else self._script.reply)
        limit = self._params.get("max_completion_tokens") or self._params.get("max_tokens") or len(words)
        return Answer(words[:limit], prompt, "length" if limit < len(words) else "stop")

    def _choice(self, answer: Answer, index: int) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": answer.finish_reason}
        if not self._chat:
            return choice | {"text": "".join(answer.words)}
        content = None if answer.call else "".join(answer.words)
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        return choice | {"message": message | ({"tool_calls": [answer.call]} if answer.call else {})}

    def _deltas(self, answer: Answer) -> Iterator[Any]:
        if not self._chat:
            yield from answer.words
            return
        yield {"role": "assistant", "content": None if answer.call else "", "refusal": None}
        if answer.call:
            yield {"tool_calls": [{"index": 0, **answer.call}]}
        for word in answer.words:
            yield {"content": word}

    def _nothing(self) -> Any:
        return {} if self._chat else ""

    def _piece(self, index: int, delta: Any, finish: str | None) -> dict[str, Any]:
        said = {"delta": delta} if self._chat else {"text": delta}
        return {"index": index, **said, "logprobs": None, "finish_reason": finish}

    def _chunk(self, choices: list[dict[str, Any]], more: dict[str, Any], usage: Usage | None) -> Chunk:
        name = "chat.completion.chunk" if self._chat else "text_completion"
        data = msgspec.json.encode({**self._head, "object": name, "choices": choices, **more})
        return Chunk(data, any(choice["finish_reason"] for choice in choices), usage)


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


class Embeddings:
    """Vectors out of a hash: equal texts are equal, other texts are somewhere else."""

    def __init__(self, models: dict[str, Script]) -> None:
        self._models = models

    async def create(self, call: ModelCall) -> bytes:
        """Return a vector for each input."""
        script = await _began(self._models, call)
        params = {name: msgspec.json.decode(value) for name, value in call.params.items()}
        texts = _inputs(params.get("input"))
        size = params.get("dimensions") or script.dimensions
        packed = params.get("encoding_format") == "base64"
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
        texts = _inputs(msgspec.json.decode(call.params.get("input", b"null")))
        results = [_moderated(text.lower()) for text in texts]
        return msgspec.json.encode({"id": mint("modr-"), "model": call.model, "results": results})


class Scripted:
    """An opened provider of scripted models."""

    def __init__(self, models: dict[str, Script]) -> None:
        self._models = models
        self.chat = Port(models, chat=True)
        self.completions = Port(models, chat=False)
        self.embeddings = Embeddings(models)
        self.moderations = Moderations(models)

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
        raise NotFound("model", call.model, param="model", code="model_not_found")
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


def _tool_call(call: ToolCall) -> dict[str, Any]:
    arguments = msgspec.json.encode(call.arguments).decode()
    return {"id": mint("call_"), "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _last(messages: list[dict[str, Any]]) -> str:
    users = (message for message in reversed(messages) if message.get("role") == "user")
    return _text(next((message.get("content") for message in users), None))


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part if isinstance(part, str) else _text(part) for part in content)
    if isinstance(content, dict):
        return str(content.get("text", ""))
    return "" if content is None else str(content)


def _words(text: str) -> list[str]:
    """Cut after the blanks, so that the pieces joined are the text."""
    pieces = text.split(" ")
    return [f"{piece} " for piece in pieces[:-1]] + [pieces[-1]] if text else []


def _inputs(value: Any) -> list[str]:
    """Return one text for each input; tokens count as words."""
    if isinstance(value, list) and value and not isinstance(value[0], int | dict):
        return [_text(one) for one in value]
    if not value:
        raise InvalidRequest("'input' must be a text or a list of texts, not empty.", param="input")
    return [_text(value)]


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
