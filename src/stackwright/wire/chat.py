"""Chat completions: what we check of a request."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct, field

from stackwright.wire.metadata import Metadata

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
_SPEAKS = frozenset({"system", "developer", "user", "tool"})


class ContentPart(Struct):
    """A piece of a message. What it holds is the model's business."""

    type: str


class ToolCall(Struct):
    """A call the model made earlier."""

    id: str | None = None
    type: str | None = None


class Message(Struct):
    """One message of a conversation."""

    role: Role
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    def __post_init__(self) -> None:
        if self.content is None and self.role in _SPEAKS:
            raise ValueError(f"a message with role '{self.role}' needs 'content'")


class Function(Struct):
    """A function offered to the model."""

    name: str
    description: str | None = None
    # Left unread, however large: it is the model's to understand.
    parameters: Raw = field(default_factory=Raw)
    strict: bool | None = None


class Tool(Struct):
    """A tool offered to the model."""

    type: str
    function: Function | None = None


class StreamOptions(Struct):
    """How to stream."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ResponseFormat(Struct):
    """The shape the answer must have."""

    type: str
    json_schema: Raw = field(default_factory=Raw)


Penalty = Annotated[float, Meta(ge=-2, le=2)]


class ChatRequest(Struct, kw_only=True):
    """The body of `POST /v1/chat/completions`, as far as it is checked here. Other fields pass through unread."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
