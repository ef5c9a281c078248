"""What we ask of an inference provider.

The port speaks OpenAI's wire format, in bytes: a vendor that speaks it too is forwarded without being taken apart, and
one that does not is translated once, in its adapter.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

ModelKind = Literal["llm", "embedding", "moderation"]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A model a provider can serve, under the vendor's own name."""

    name: str
    kind: ModelKind = "llm"
    owned_by: str = ""
    created: int = 0
    """Seconds since the epoch; 0 where the vendor does not say."""
    metadata: Mapping[str, str | int | float | bool] = {}


class ModelCall(msgspec.Struct, frozen=True):
    """One request for one model, already checked, not yet in any vendor's words."""

    model: str
    """The vendor's own name of the model."""
    params: dict[str, msgspec.Raw]
    """The rest of the request body by top-level field, each value as the caller's own JSON bytes.

    `model`, `store` and `metadata` are not in it; `stream` and `stream_options` are only for `stream`.
    """


class Usage(msgspec.Struct, frozen=True):
    """Tokens spent. A vendor that says nothing spent nothing."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Chunk(msgspec.Struct):
    """One event of a model's stream: the vendor's JSON, and what was read of it."""

    data: bytes
    """The JSON of one `chat.completion.chunk` (or text completion chunk), without framing."""
    finished: bool
    """True when a choice in it carries a `finish_reason`."""
    usage: Usage | None


ChunkStream = AbstractAsyncContextManager[AsyncIterator[Sequence[Chunk]]]
"""Yields what arrived together as one batch, never an empty one.

It ends normally only after the vendor ended the stream properly (`[DONE]`, or a clean end after every choice had its
`finish_reason`). Anything else raises `UpstreamError` from the iterator: a cut connection, a clean end without
`finish_reason`, JSON that is none, an event over the size limit, a missed deadline, an error event.
Leaving the context closes the vendor's connection at once.
"""


class TextPort(Protocol):
    """Chat completions, or legacy text completions: the same calls with other bodies."""

    async def complete(self, call: ModelCall) -> bytes:
        """Return the JSON of a whole completion object.

        Raises:
            InvalidRequest: The vendor found fault with the caller's parameters.
            RateLimited: The vendor's limit, with its `Retry-After`.
            UpstreamError, UpstreamAuth, UpstreamTimeout: The vendor failed.
        """
        ...

    def stream(self, call: ModelCall) -> ChunkStream:
        """Open a stream. Entering raises as `complete` does, before the first chunk."""
        ...


class BodyPort(Protocol):
    """One request, one JSON answer: embeddings and moderations."""

    async def create(self, call: ModelCall) -> bytes:
        """Return the JSON of OpenAI's answer object. Raises as `TextPort.complete` does."""
        ...


class CountPort(Protocol):
    """Counting the tokens of a prompt without running it."""

    async def count(self, call: ModelCall) -> int:
        """Return what `usage.prompt_tokens` of this chat completion would be. Raises as `TextPort.complete` does."""
        ...


class Inference(Protocol):
    """An opened inference provider. A port that is None is one the provider does not have."""

    chat: TextPort | None
    completions: TextPort | None
    embeddings: BodyPort | None
    moderations: BodyPort | None
    counting: CountPort | None
    hears_reasoning: bool
    """Whether an assistant's message may carry `reasoning_content`: what the model thought before it said it."""

    async def models(self) -> Sequence[Offer]:
        """Return what can be served now. May ask the vendor; raises `UpstreamError` when it cannot be asked."""
        ...
