"""What a vendor of chat completions says, heard as the engine's signals."""

from time import time
from typing import Any

import msgspec
from msgspec import Struct

from stackwright.engine.signals import (
    Called,
    Finished,
    ModelEnded,
    ModelSignal,
    Refused,
    Served,
    Spent,
    Text,
    Thought,
)
from stackwright.errors import UpstreamError


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Said(Struct):
    """A message, or a piece of one: they have the same fields."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[_Call] | None = None


class _Logprobs(Struct):
    content: list[dict[str, Any]] | None = None


class _Choice(Struct):
    index: int = 0
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Details(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Body(Struct):
    """A completion, or a chunk of one."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    service_tier: str | None = None


_decode = msgspec.json.Decoder(_Body).decode


class Hearing:
    """Turns what a vendor says into signals."""

    def __init__(self, *, logprobs: bool) -> None:
        self._logprobs = logprobs
        self._tier: str | None = None
        self._usage: _Usage | None = None

    def chunk(self, data: bytes) -> list[ModelSignal]:
        """Return the signals of one chunk."""
        body = _read(data)
        signals: list[ModelSignal] = []
        for choice in body.choices:
            if choice.index == 0:
                self._add(choice, choice.delta, signals)
        if body.usage is not None or body.service_tier is not None:
            self._note(body, signals)
        return signals

    def whole(self, data: bytes) -> list[ModelSignal]:
        """Return the signals of a whole completion."""
        body = _read(data)
        signals: list[ModelSignal] = []
        for choice in body.choices[:1]:
            if choice.message and choice.message.tool_calls:
                # A whole answer does not number its calls.
                for place, call in enumerate(choice.message.tool_calls):
                    call.index = place
            self._add(choice, choice.message, signals)
        self._note(body, signals)
        return [*signals, *self.end()]

    def end(self) -> list[ModelSignal]:
        """Return the signals of a proper end."""
        spent = [_spent(self._usage)] if self._usage else []
        return [*spent, ModelEnded(int(time()))]

    def _add(self, choice: _Choice, said: _Said | None, signals: list[ModelSignal]) -> None:
        if said is not None:
            thought = said.reasoning_content or said.reasoning
            if thought and isinstance(thought, str):
                signals.append(Thought(thought))
            if said.content:
                signals.append(Text(said.content, _probabilities(choice) if self._logprobs else ()))
            if said.refusal:
                signals.append(Refused(said.refusal))
            if said.tool_calls:
                signals.extend(map(_called, said.tool_calls))
        if choice.finish_reason is not None:
            signals.append(Finished(choice.finish_reason))

    def _note(self, body: _Body, signals: list[ModelSignal]) -> None:
        if body.service_tier is not None and body.service_tier != self._tier:
            self._tier = body.service_tier
            signals.append(Served(body.service_tier))
        # Some vendors count again with every chunk: the last count is the whole one.
        self._usage = body.usage or self._usage


def _spent(usage: _Usage) -> Spent:
    read, wrote = usage.prompt_tokens_details, usage.completion_tokens_details
    return Spent(
        usage.prompt_tokens,
        usage.completion_tokens,
        (read.cached_tokens if read else 0) or 0,
        (read.cache_write_tokens if read else 0) or 0,
        (wrote.reasoning_tokens if wrote else 0) or 0,
    )


def _called(call: _Call) -> Called:
    function = call.function or _Function()
    return Called(call.index, call.id or "", function.name or "", function.arguments or "")


def _probabilities(choice: _Choice) -> tuple[Any, ...]:
    told = choice.logprobs.content if choice.logprobs else None
    return tuple(_probability(one) for one in told or ())


def _probability(one: dict[str, Any]) -> dict[str, Any]:
    """Return a token's log probability as a response shows it: `bytes` is never null there."""
    top = [_probability(other) for other in one.get("top_logprobs") or ()]
    return {"token": one.get("token"), "logprob": one.get("logprob"), "bytes": one.get("bytes") or []} | (
        {"top_logprobs": top} if "top_logprobs" in one else {}
    )


def _read(data: bytes) -> _Body:
    try:
        return _decode(data)
    except msgspec.DecodeError as error:
        raise UpstreamError(f"The vendor's answer is not a chat completion: {error}") from None
