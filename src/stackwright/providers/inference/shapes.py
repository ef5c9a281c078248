"""What OpenAI's published schema requires of an answer, as types: bytes that decode as these are passed on untouched.

A field with `UNSET` may be absent and must not be null. Fields not named here are the vendor's business.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from stackwright.ports.inference import Usage

Finish = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
TextFinish = Literal["stop", "length", "content_filter"]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]


class Details(Struct):
    """A mapping of counts."""


class Tokens(Struct):
    """`CompletionUsage`."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Details | UnsetType = UNSET
    completion_tokens_details: Details | UnsetType = UNSET


class Logprobs(Struct):
    """Log probabilities of a chat choice."""

    content: Raw
    refusal: Raw


class Function(Struct):
    """A function call: its arguments are a string of JSON."""

    name: str
    arguments: str


class FunctionCall(Struct, tag="function"):
    """A call of a function tool."""

    id: str
    function: Function


class CustomCall(Struct, tag="custom"):
    """A call of a custom tool."""

    id: str
    custom: Details


class Message(Struct):
    """`ChatCompletionResponseMessage`."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: list[FunctionCall | CustomCall] | UnsetType = UNSET
    function_call: Function | UnsetType = UNSET
    annotations: list[Details] | UnsetType = UNSET


class Choice(Struct):
    """One answer of a chat completion."""

    index: int
    message: Message
    logprobs: Logprobs | None
    finish_reason: Finish


class Completion(Struct):
    """`CreateChatCompletionResponse`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Tokens | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET
    service_tier: ServiceTier | UnsetType | None = UNSET


class FunctionDelta(Struct):
    """A piece of a function call."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CallDelta(Struct):
    """`ChatCompletionMessageToolCallChunk`."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: FunctionDelta | UnsetType = UNSET


class Delta(Struct, gc=False):
    """`ChatCompletionStreamResponseDelta`."""

    content: str | None = None
    refusal: str | None = None
    role: Literal["developer", "system", "user", "assistant", "tool"] | UnsetType = UNSET
    tool_calls: list[CallDelta] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET


class ChoiceDelta(Struct, gc=False):
    """One choice in a chunk."""

    index: int
    delta: Delta
    finish_reason: Finish | None
    logprobs: Logprobs | None = None


class ChatChunk(Struct, gc=False):
    """`CreateChatCompletionStreamResponse`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChoiceDelta]
    usage: Usage | None = None
    system_fingerprint: str | UnsetType = UNSET
    service_tier: ServiceTier | UnsetType | None = UNSET
    error: Raw | UnsetType = UNSET


class TextLogprobs(Struct):
    """Log probabilities of a text choice."""


class TextChoice(Struct):
    """One answer of a text completion."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: TextFinish


class TextCompletion(Struct):
    """`CreateCompletionResponse`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Tokens | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET


class TextChoiceDelta(Struct, gc=False):
    """One choice in a text chunk: as a whole one, but not finished yet."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: TextFinish | None


class TextChunk(Struct, gc=False):
    """One event of a text completion's stream."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoiceDelta]
    usage: Usage | None = None
    system_fingerprint: str | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class EmbeddingUsage(Struct):
    """Tokens of an embedding."""

    prompt_tokens: int
    total_tokens: int


class Embedding(Struct):
    """One vector, as numbers or as base64."""

    index: int
    object: Literal["embedding"]
    embedding: Raw

    def __post_init__(self) -> None:
        # Thousands of numbers: nothing but what they consist of is looked at.
        said = bytes(self.embedding)
        if said[:1] != b'"' and said.translate(None, b"0123456789+-.eE, \t\r\n") != b"[]":
            raise ValueError("an embedding is neither numbers nor base64")


class Embeddings(Struct):
    """`CreateEmbeddingResponse`."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage


class Flags(Struct):
    """One result of a moderation."""

    flagged: bool
    categories: Details
    category_scores: Details
    category_applied_input_types: Details


class Moderation(Struct):
    """`CreateModerationResponse`."""

    id: str
    model: str
    results: list[Flags]
