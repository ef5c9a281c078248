"""The engine's model: a vendor's chat completions."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from time import time
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Raw

from stackwright.areas.responses.hearing import Hearing
from stackwright.areas.responses.messages import THOUGHTS, ChatMessage, messages_of, shortened, unthought
from stackwright.areas.responses.toolbox import Toolbox
from stackwright.engine.ports import Answer
from stackwright.engine.signals import Finished, ModelEnded, ModelSignal
from stackwright.engine.state import AskModel
from stackwright.errors import InvalidRequest
from stackwright.kit.chats import CHATS
from stackwright.ports.inference import ModelCall, TextPort

T = TypeVar("T")

TOO_LONG = "context_length_exceeded"
_encode = msgspec.json.Encoder().encode


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
        hearing = Hearing(logprobs=self._logprobs)
        return hearing.whole(await self._fitting(effect, self._port.complete))

    @asynccontextmanager
    async def _streamed(self, effect: AskModel) -> AsyncIterator[AsyncIterator[Sequence[ModelSignal]]]:
        async with AsyncExitStack() as stack:
            batches = await self._fitting(effect, lambda call: stack.enter_async_context(self._port.stream(call)))
            yield self._heard(batches, Hearing(logprobs=self._logprobs))

    async def _fitting(self, effect: AskModel, asking: Callable[[ModelCall], Awaitable[T]]) -> T:
        """Ask; where the request allows it, again with fewer messages while the vendor says that they are too many."""
        while True:
            try:
                return await asking(self.call(effect))
            except InvalidRequest as error:
                error.param = _ours(error.param)
                if not self._truncates or error.code != TOO_LONG:
                    raise
                shorter = shortened(self._messages)
                if len(shorter) == len(self._messages):
                    raise
                self._messages = shorter

    async def _heard(self, batches: Any, hearing: Hearing) -> AsyncIterator[Sequence[ModelSignal]]:
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


def _ours(param: str | None) -> str | None:
    """Return the field of a response that a field of a chat completion, or a place within, came from."""
    return CHATS.get(re.split(r"[.\[]", param, maxsplit=1)[0]) or param if param else None


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
