"""Where a turn stands. Everything is immutable; text that grows is a chain of its pieces, joined once at the end."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal

from msgspec import Struct

from stackwright.wire.content import OutputText, Refusal
from stackwright.wire.items import Item
from stackwright.wire.responses import Response, ResponseUsage

Pieces = tuple[Any, ...]
"""`()` or `(the pieces before, the last piece)`: adding one costs the same however many there are."""


def joined(pieces: Pieces) -> str:
    """Return the text that pieces spell."""
    return "".join(listed(pieces))


def listed(pieces: Pieces) -> list[Any]:
    """Return pieces in order."""
    found = []
    while pieces:
        pieces, last = pieces
        found.append(last)
    found.reverse()
    return found


class Offer(Struct, frozen=True, kw_only=True):
    """What a function that the model may call stands for."""

    kind: Literal["function", "custom", "local_shell", "shell", "apply_patch", "mcp"]
    name: str
    """The tool's own name; the model may know it under another."""
    namespace: str | None = None
    server: str = ""
    """The MCP server's label."""
    approval: bool = False
    """True when the caller must allow each call."""


class Approved(Struct, frozen=True, kw_only=True):
    """A call of an earlier turn that the caller allowed."""

    request_id: str
    server: str
    name: str
    arguments: str


class Frame(Struct, frozen=True, kw_only=True):
    """What does not change during a turn."""

    response: Response
    """As it begins: `in_progress`, without output."""
    seal: Callable[[str], str] | None = None
    """What makes `encrypted_content` of a thought, where the caller wants it."""
    servers: Sequence[str] = ()
    """Labels of MCP servers that must be asked for their tools first."""
    approved: Sequence[Approved] = ()


class OpenText(Struct, frozen=True):
    """A message that is being said: the parts that are whole, and the one that grows."""

    item_id: str
    index: int
    refusal: bool
    """Which kind of part grows."""
    whole: tuple[OutputText | Refusal, ...] = ()
    pieces: Pieces = ()
    logprobs: Pieces = ()


class OpenThought(Struct, frozen=True):
    """Reasoning that is being shown."""

    item_id: str
    index: int
    pieces: Pieces = ()


class OpenCall(Struct, frozen=True):
    """A call that is being spelled."""

    item_id: str
    index: int
    place: int
    call_id: str
    offer: Offer
    pieces: Pieces = ()


Open = OpenText | OpenThought | OpenCall


class Stage(Enum):
    """What a turn waits for."""

    NEW = "new"
    TOOLS = "tools"
    MODEL = "model"
    ENDED = "ended"


class Turn(Struct, frozen=True, kw_only=True):
    """One turn, from the request to the whole response."""

    frame: Frame
    stage: Stage = Stage.NEW
    offers: Mapping[str, Offer] = {}
    """What the model may call, by the name it knows."""
    output: tuple[Item, ...] = ()
    """Items in their order; those of `running` are not whole yet, nor is there one for what is `open`."""
    open: Open | None = None
    running: tuple[int, ...] = ()
    """Places in `output` of what tools are working on."""
    queued: tuple[int, ...] = ()
    """Places in `output` of calls that start when the model has ended."""
    finish: str | None = None
    """Why the model stopped, as soon as it says so."""
    last_place: int = -1
    """The `place` of the latest call of this answer."""
    for_caller: bool = False
    """True when the caller has something to do before the model can go on."""
    rounds: int = 0
    """How often the model was asked."""
    tool_calls: int = 0
    """Calls of tools that the server runs."""
    approvals_done: bool = False
    usage: ResponseUsage | None = None
    tier: str | None = None
    response: Response | None = None
    """The response as it is stored; None before the end."""


class AskModel(Struct, frozen=True):
    """Ask the model: what the turn said so far comes after the request's own items."""

    output: tuple[Item, ...]
    max_output_tokens: int | None
    """What is left of the limit."""
    server_tools: bool
    """False when the limit of tool calls is reached: offer none that the server would run."""


class ListTools(Struct, frozen=True):
    """Ask a server which tools it has. Answered by `ToolsListed`."""

    item_id: str
    server: str


class RunTool(Struct, frozen=True):
    """Call a tool. Answered by `ToolReturned`."""

    item_id: str
    server: str
    name: str
    arguments: str


Effect = AskModel | ListTools | RunTool
