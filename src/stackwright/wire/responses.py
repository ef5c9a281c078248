"""The Responses API's two objects: what a request may say, and the response.

A misspelt field of the request itself goes to the model's vendor, who may know it. One of an object in it, which this
server reads and the vendor never sees, would be lost: such objects forbid what they do not have.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from stackwright.kit.patterns import whole
from stackwright.wire.include import Include
from stackwright.wire.items import InputItem, OutputItem
from stackwright.wire.metadata import Metadata
from stackwright.wire.tools import Tool, ToolChoice

Status = Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]


class PlainText(Struct, tag="text", tag_field="type", forbid_unknown_fields=True):
    """Text of any form."""


class JsonObject(Struct, tag="json_object", tag_field="type", forbid_unknown_fields=True):
    """Some JSON object."""


class JsonSchema(Struct, tag="json_schema", tag_field="type", kw_only=True, forbid_unknown_fields=True):
    """JSON that a schema describes."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=whole("[a-zA-Z0-9_-]+"))]
    schema: dict[str, Any]
    strict: bool | None = None
    description: str | UnsetType = UNSET


class TextConfig(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the answer's text shall be like."""

    format: PlainText | JsonObject | JsonSchema | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Struct, kw_only=True, forbid_unknown_fields=True):
    """How to reason, and what to show of it."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | UnsetType | None = UNSET
    context: Literal["auto", "current_turn", "all_turns"] | UnsetType | None = UNSET
    """Whose thoughts the model gets again; `auto` leaves it to its chat template."""
    mode: str | UnsetType | None = UNSET


class PromptRef(Struct, kw_only=True, forbid_unknown_fields=True):
    """A prompt that is kept here. `prompt_id` is another name of `id`."""

    id: str | None = None
    prompt_id: str | UnsetType | None = UNSET
    version: str | int | None = None
    variables: dict[str, Any] | None = None


class ConversationRef(Struct, kw_only=True, forbid_unknown_fields=True):
    """A conversation, by its id."""

    id: str


class StreamOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """How to stream."""

    include_obfuscation: bool | None = None


class PromptCacheOptions(Struct, kw_only=True, omit_defaults=True):
    """How the vendor shall remember what prompts begin with. It gets them as they came."""

    ttl: Literal["30m"] | None = None
    mode: Literal["implicit", "explicit"] | None = None


class ResponseRequest(Struct, kw_only=True):
    """The body of `POST /v1/responses`. Fields not named here go to the model as they came."""

    model: str | None = None
    input: str | list[InputItem] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | ConversationRef | None = None
    prompt: PromptRef | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    background: bool | None = None
    metadata: Metadata | None = None
    include: list[Include] | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None
    parallel_tool_calls: bool | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: ServiceTier | None = None
    safety_identifier: Annotated[str, Meta(max_length=64)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    user: str | None = None
    client_metadata: dict[str, Any] | None = None
    """What Codex tells OpenAI of itself. It is nobody else's business, and goes nowhere."""
    moderation: dict[str, Any] | None = None
    context_management: list[dict[str, Any]] | None = None
    background_options: dict[str, Any] | None = None
    image: dict[str, Any] | None = None
    access_programs: dict[str, Any] | None = None


class InputDetails(Struct, kw_only=True):
    """Of the tokens that were read."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputDetails(Struct, kw_only=True):
    """Of the tokens that were written."""

    reasoning_tokens: int = 0


class ResponseUsage(Struct, kw_only=True):
    """Tokens spent, in all rounds of the model together."""

    input_tokens: int = 0
    input_tokens_details: InputDetails
    output_tokens: int = 0
    output_tokens_details: OutputDetails
    total_tokens: int = 0


class ResponseError(Struct, kw_only=True):
    """Why a response failed. `code` is one of OpenAI's."""

    code: str
    message: str


class IncompleteDetails(Struct, kw_only=True):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


class Response(Struct, kw_only=True):
    """A response. Settings that nobody gave are null: the model's own defaults hold then."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Status
    background: bool = False
    completed_at: int | None = None
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | list[Any] | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    conversation: ConversationRef | None = None
    prompt: PromptRef | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: PromptCacheOptions | UnsetType = UNSET
    reasoning: Reasoning
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool = True
    temperature: float | None = None
    text: TextConfig
    tool_choice: ToolChoice = "auto"
    tools: list[Tool]
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: Literal["auto", "disabled"] = "disabled"
    usage: ResponseUsage | UnsetType = UNSET
    user: str | UnsetType = UNSET
    metadata: Metadata
    output: list[OutputItem] | UnsetType = UNSET
    """Last, so that stored items can be put in as they are. Left out where items are kept apart."""
