"""The engine's model: a vendor's chat completions, asked and heard."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from time import time
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Raw, Struct

from stackwright.areas.responses.messages import THOUGHTS, ChatMessage, messages_of, shortened, unthought
from stackwright.areas.responses.toolbox import Toolbox
from stackwright.engine.ports import Answer
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
from stackwright.engine.state import AskModel
from stackwright.errors import InvalidRequest, UpstreamError
from stackwright.ports.inference import ModelCall, TextPort

T = TypeVar("T")

TOO_LONG = "context_length_exceeded"
_encode = msgspec.json.Encoder().encode


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


class ChatModel:
    """One request's model: what to ask is known but for what the turn adds."""

    def __init__(
        self,
        port: TextPort,
        name: str,
        messages: Sequence[ChatMessage],
        params: Mapping[str, Any],
        toolbox: Toolbox,
        *,
        stream: bool,
        logprobs: bool,
        truncates: bool = False,
        hears_reasoning: bool = True,
    ) -> None:
        """Prepare.

        Args:
            port: The vendor.
            name: The vendor's name of the model.
            messages: Everything before this turn's own output.
            params: The other fields of a chat request; Raw as it came.
            toolbox: What the model is offered.
            stream: Whether anybody wants to hear the answer word by word; a whole answer costs less.
            logprobs: Whether anybody wants to see log probabilities.
            truncates: Whether to leave out the oldest messages when the vendor says that they are too many.
            hears_reasoning: Whether to send back what the model thought in earlier answers.
        """
        self._port = port
        self._name = name
        self._messages = messages
        self._params = params
        self._toolbox = toolbox
        self._stream = stream
        self._logprobs = logprobs
        self._truncates = truncates
        self._hears_reasoning = hears_reasoning

    def ask(self, effect: AskModel) -> Answer:
        """Open an answer; see `engine.ports.Model`."""
        return self._streamed(effect) if self._stream else _Whole(partial(self._complete, effect))

    async def _complete(self, effect: AskModel) -> Sequence[ModelSignal]:
        hearing = _Hearing(logprobs=self._logprobs)
        return hearing.whole(await self._fitting(effect, self._port.complete))

    @asynccontextmanager
    async def _streamed(self, effect: AskModel) -> AsyncIterator[AsyncIterator[Sequence[ModelSignal]]]:
        async with AsyncExitStack() as stack:
            batches = await self._fitting(effect, lambda call: stack.enter_async_context(self._port.stream(call)))
            yield self._heard(batches, _Hearing(logprobs=self._logprobs))

    async def _fitting(self, effect: AskModel, asking: Callable[[ModelCall], Awaitable[T]]) -> T:
        """Ask; where the request allows it, again with fewer messages while the vendor says that they are too many."""
        while True:
            try:
                return await asking(self.call(effect))
            except InvalidRequest as error:
                if not self._truncates or error.code != TOO_LONG:
                    raise
                shorter = shortened(self._messages)
                if len(shorter) == len(self._messages):
                    raise
                self._messages = shorter

    async def _heard(self, batches: Any, hearing: "_Hearing") -> AsyncIterator[Sequence[ModelSignal]]:
        async for batch in batches:
            yield [signal for chunk in batch for signal in hearing.chunk(chunk.data)]
        yield hearing.end()

    def call(self, effect: AskModel) -> ModelCall:
        """Return what the vendor is asked."""
        messages = [*self._messages, *messages_of(effect.output)] if effect.output else self._messages
        if not self._hears_reasoning and any(THOUGHTS in message for message in messages):
            messages = unthought(messages)
        params = {**self._params, **self._toolbox.params(effect), "messages": messages}
        if effect.max_output_tokens is not None:
            params["max_completion_tokens"] = effect.max_output_tokens
        if self._stream:
            params["stream_options"] = {"include_usage": True}
        raw = {name: value if isinstance(value, Raw) else Raw(_encode(value)) for name, value in params.items()}
        return ModelCall(self._name, raw)


class Silent:
    """A model that has nothing to say: for a request that shall only be made ready."""

    def ask(self, effect: AskModel) -> Answer:
        """End at once."""
        return _Whole(self._nothing)

    async def _nothing(self) -> Sequence[ModelSignal]:
        return [Finished("stop"), ModelEnded(int(time()))]


class _Whole:
    """An answer that comes in one piece. No generator: it would cost more than reading the answer does."""

    def __init__(self, asking: Callable[[], Awaitable[Sequence[ModelSignal]]]) -> None:
        self._asking = asking

    async def __aenter__(self) -> Self:
        self._left = [await self._asking()]
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[ModelSignal]:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


class _Hearing:
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
