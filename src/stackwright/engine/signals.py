"""What a turn can be told: by the model, by tools, by whoever runs it. `at` is in seconds since the epoch."""

from typing import Any

from msgspec import Struct

from stackwright.wire.server_tools import MCPTool


class Start(Struct, frozen=True):
    """Begin."""


class Text(Struct, frozen=True, gc=False):
    """The model says more of its answer."""

    text: str
    logprobs: tuple[Any, ...] = ()


class Refused(Struct, frozen=True, gc=False):
    """The model says more of its refusal."""

    text: str


class Thought(Struct, frozen=True, gc=False):
    """The model shows more of its reasoning."""

    text: str


class Called(Struct, frozen=True, gc=False):
    """The model says more of a call. `place` tells calls of one answer apart; `id` and `name` come once."""

    place: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Spent(Struct, frozen=True):
    """The model's count of the tokens of one answer."""

    input: int
    output: int
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0


class Served(Struct, frozen=True):
    """The vendor says in which tier it worked."""

    tier: str


class Finished(Struct, frozen=True):
    """The model says why it stops: `stop`, `length`, `tool_calls`, `content_filter`."""

    reason: str


class ModelEnded(Struct, frozen=True):
    """The model's answer is whole: its stream ended properly."""

    at: int


class Broken(Struct, frozen=True):
    """The model's answer, or the turn itself, cannot go on. `code` is one of OpenAI's response error codes."""

    code: str
    message: str


class Cancelled(Struct, frozen=True):
    """Nobody wants the rest."""


class ToolsListed(Struct, frozen=True):
    """A server of tools said what it has: `offers` are the functions that the model can call now."""

    item_id: str
    tools: tuple[MCPTool, ...]
    error: str | None = None
    offers: tuple[tuple[str, Any], ...] = ()


class ToolReturned(Struct, frozen=True):
    """A tool that the server runs came back, with its output or an error (one of OpenAI's MCP errors)."""

    item_id: str
    at: int
    output: str | None = None
    error: dict[str, Any] | None = None


ModelSignal = Text | Refused | Thought | Called | Spent | Served | Finished | ModelEnded
Signal = Start | ModelSignal | Broken | Cancelled | ToolsListed | ToolReturned
