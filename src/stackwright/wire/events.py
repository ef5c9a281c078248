"""The events of a Responses stream: what happens, in OpenAI's words.

Events are made without a number; `sequence_number` is written once, where they leave the engine. Deltas are by far the
most frequent, so they stay out of the garbage collector's sight (`gc=False`): they hold strings and numbers.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from stackwright.wire.items import Item
from stackwright.wire.responses import Response


class _Event(Struct, kw_only=True, tag_field="type"):
    sequence_number: int = -1


class _Whole(_Event, kw_only=True):
    """An event that shows the whole response."""

    response: Response


class Created(_Whole, kw_only=True, tag="response.created"):
    """A response has begun."""


class Queued(_Whole, kw_only=True, tag="response.queued"):
    """A background response waits for its turn."""


class InProgress(_Whole, kw_only=True, tag="response.in_progress"):
    """The model is being asked."""


class Completed(_Whole, kw_only=True, tag="response.completed"):
    """The end: all is well."""


class Failed(_Whole, kw_only=True, tag="response.failed"):
    """The end: something broke."""


class Incomplete(_Whole, kw_only=True, tag="response.incomplete"):
    """The end: a limit was reached, or the caller left."""


class ErrorEvent(_Event, kw_only=True, tag="error"):
    """The stream cannot go on, and the response has nothing to say about it."""

    code: str | None
    message: str
    param: str | None


class _OfItem(_Event, kw_only=True):
    """An event of one output item."""

    item_id: str
    output_index: int


class OutputItemAdded(_Event, kw_only=True, tag="response.output_item.added"):
    """An output item opens."""

    output_index: int
    item: Item


class OutputItemDone(_Event, kw_only=True, tag="response.output_item.done"):
    """An output item is closed; nothing about it changes any more."""

    output_index: int
    item: Item


class ContentPartAdded(_OfItem, kw_only=True, tag="response.content_part.added"):
    """A part of a message, or of the reasoning, opens."""

    content_index: int
    part: Any


class ContentPartDone(_OfItem, kw_only=True, tag="response.content_part.done"):
    """A part is closed."""

    content_index: int
    part: Any


class Delta(_OfItem, kw_only=True, gc=False):
    """A piece of text that is being appended."""

    delta: str
    obfuscation: str | UnsetType = UNSET
    """Padding, on request: it hides the length of the piece from those who see the encrypted traffic."""


class TextDelta(Delta, kw_only=True, tag="response.output_text.delta", gc=False):
    """More of the answer."""

    content_index: int
    logprobs: list[Any] = []


class TextDone(_OfItem, kw_only=True, tag="response.output_text.done"):
    """The whole of one text."""

    content_index: int
    text: str
    logprobs: list[Any] = []


class AnnotationAdded(_OfItem, kw_only=True, tag="response.output_text.annotation.added"):
    """A text got a citation."""

    content_index: int
    annotation_index: int
    annotation: Any


class RefusalDelta(Delta, kw_only=True, tag="response.refusal.delta", gc=False):
    """More of a refusal."""

    content_index: int


class RefusalDone(_OfItem, kw_only=True, tag="response.refusal.done"):
    """The whole of a refusal."""

    content_index: int
    refusal: str


class ReasoningDelta(Delta, kw_only=True, tag="response.reasoning_text.delta", gc=False):
    """More of the model's reasoning."""

    content_index: int


class ReasoningDone(_OfItem, kw_only=True, tag="response.reasoning_text.done"):
    """The whole of one piece of reasoning."""

    content_index: int
    text: str


class SummaryPartAdded(_OfItem, kw_only=True, tag="response.reasoning_summary_part.added"):
    """A part of a summary of the reasoning opens."""

    summary_index: int
    part: Any


class SummaryPartDone(_OfItem, kw_only=True, tag="response.reasoning_summary_part.done"):
    """A part of a summary is closed."""

    summary_index: int
    part: Any


class SummaryDelta(Delta, kw_only=True, tag="response.reasoning_summary_text.delta", gc=False):
    """More of a summary."""

    summary_index: int


class SummaryDone(_OfItem, kw_only=True, tag="response.reasoning_summary_text.done"):
    """The whole of one part of a summary."""

    summary_index: int
    text: str


class ArgumentsDelta(Delta, kw_only=True, tag="response.function_call_arguments.delta", gc=False):
    """More of a function call's arguments."""


class ArgumentsDone(_OfItem, kw_only=True, tag="response.function_call_arguments.done"):
    """The whole of a function call's arguments."""

    name: str
    arguments: str


class CustomInputDelta(Delta, kw_only=True, tag="response.custom_tool_call_input.delta", gc=False):
    """More of a custom tool's input."""


class CustomInputDone(_OfItem, kw_only=True, tag="response.custom_tool_call_input.done"):
    """The whole of a custom tool's input."""

    input: str


class McpArgumentsDelta(Delta, kw_only=True, tag="response.mcp_call_arguments.delta", gc=False):
    """More of an MCP call's arguments."""


class McpArgumentsDone(_OfItem, kw_only=True, tag="response.mcp_call_arguments.done"):
    """The whole of an MCP call's arguments."""

    arguments: str


class McpCallInProgress(_OfItem, kw_only=True, tag="response.mcp_call.in_progress"):
    """An MCP call is under way."""


class McpCallCompleted(_OfItem, kw_only=True, tag="response.mcp_call.completed"):
    """An MCP call came back."""


class McpCallFailed(_OfItem, kw_only=True, tag="response.mcp_call.failed"):
    """An MCP call failed."""


class McpListInProgress(_OfItem, kw_only=True, tag="response.mcp_list_tools.in_progress"):
    """An MCP server is asked for its tools."""


class McpListCompleted(_OfItem, kw_only=True, tag="response.mcp_list_tools.completed"):
    """An MCP server said which tools it has."""


class McpListFailed(_OfItem, kw_only=True, tag="response.mcp_list_tools.failed"):
    """An MCP server did not say which tools it has."""


class FileSearchInProgress(_OfItem, kw_only=True, tag="response.file_search_call.in_progress"):
    """A file search begins."""


class FileSearchSearching(_OfItem, kw_only=True, tag="response.file_search_call.searching"):
    """A file search is under way."""


class FileSearchCompleted(_OfItem, kw_only=True, tag="response.file_search_call.completed"):
    """A file search came back."""


Terminal = Completed | Failed | Incomplete
Event = (
    Created
    | Queued
    | InProgress
    | Terminal
    | ErrorEvent
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | TextDelta
    | TextDone
    | AnnotationAdded
    | RefusalDelta
    | RefusalDone
    | ReasoningDelta
    | ReasoningDone
    | SummaryPartAdded
    | SummaryPartDone
    | SummaryDelta
    | SummaryDone
    | ArgumentsDelta
    | ArgumentsDone
    | CustomInputDelta
    | CustomInputDone
    | McpArgumentsDelta
    | McpArgumentsDone
    | McpCallInProgress
    | McpCallCompleted
    | McpCallFailed
    | McpListInProgress
    | McpListCompleted
    | McpListFailed
    | FileSearchInProgress
    | FileSearchSearching
    | FileSearchCompleted
)
