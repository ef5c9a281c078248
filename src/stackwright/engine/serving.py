"""Tools that the server runs: asked for, started, come back."""

from msgspec import structs

from stackwright.engine.items import item_id
from stackwright.engine.signals import ToolReturned, ToolsListed
from stackwright.engine.state import Effect, ListTools, RunTool, Turn
from stackwright.wire import events
from stackwright.wire.events import Event
from stackwright.wire.items import Item
from stackwright.wire.server_tools import MCPCall, MCPListTools

Begun = tuple[Turn, list[Event], tuple[Effect, ...]]

replace = structs.replace


def ask_for_tools(turn: Turn) -> Begun:
    """Ask every server, at once, which tools it has."""
    made: list[Event] = []
    effects: tuple[Effect, ...] = ()
    for server in turn.frame.servers:
        index = len(turn.output)
        item = MCPListTools(id=item_id(turn, "mcpl_", index), server_label=server, tools=[])
        made.append(events.OutputItemAdded(output_index=index, item=item))
        made.append(events.McpListInProgress(item_id=item.id, output_index=index))
        turn = replace(turn, output=(*turn.output, item), running=(*turn.running, index))
        effects = (*effects, ListTools(item.id, server))
    return turn, made, effects


def run_approved(turn: Turn) -> Begun:
    """Start the calls of an earlier turn that the caller has allowed."""
    made: list[Event] = []
    effects: tuple[Effect, ...] = ()
    for one in turn.frame.approved:
        index = len(turn.output)
        item = MCPCall(
            id=item_id(turn, "mcp_", index),
            server_label=one.server,
            name=one.name,
            arguments=one.arguments,
            status="in_progress",
            approval_request_id=one.request_id,
        )
        made.append(events.OutputItemAdded(output_index=index, item=item))
        made.append(events.McpCallInProgress(item_id=item.id, output_index=index))
        made.append(events.McpArgumentsDone(item_id=item.id, output_index=index, arguments=item.arguments))
        turn = replace(turn, output=(*turn.output, item), running=(*turn.running, index))
        effects = (*effects, RunTool(item.id, one.server, one.name, one.arguments))
    return replace(turn, approvals_done=True, tool_calls=turn.tool_calls + len(effects)), made, effects


def run_queued(turn: Turn, at: int) -> Begun:
    """Start the calls of the model's answer; those over `max_tool_calls` fail without being run."""
    made: list[Event] = []
    effects: tuple[Effect, ...] = ()
    most = turn.frame.response.max_tool_calls
    for index in turn.queued:
        item = turn.output[index]
        assert isinstance(item, MCPCall)
        turn = replace(turn, running=(*turn.running, index))
        if most is not None and turn.tool_calls >= most:
            error = {"type": "mcp_tool_execution_error", "content": "max_tool_calls was reached; this was not run."}
            turn, refused = returned(turn, index, ToolReturned(item.id, at, error=error))
            made += refused
            continue
        turn = replace(turn, tool_calls=turn.tool_calls + 1)
        effects = (*effects, RunTool(item.id, item.server_label, item.name, item.arguments))
    return replace(turn, queued=()), made, effects


def place_of(turn: Turn, item_id: str) -> int | None:
    """Return where the item is that a tool works on; None when no tool does."""
    return next((index for index in turn.running if _id(turn.output[index]) == item_id), None)


def listed(turn: Turn, index: int, said: ToolsListed) -> tuple[Turn, list[Event]]:
    """Take a server's list of tools, or its failure to give one."""
    before = turn.output[index]
    assert isinstance(before, MCPListTools)
    item = replace(before, tools=list(said.tools), error=said.error)
    kind = events.McpListCompleted if said.error is None else events.McpListFailed
    turn = replace(turn, offers={**turn.offers, **dict(said.offers)})
    return _settled(turn, index, item, [kind(item_id=item.id, output_index=index)])


def returned(turn: Turn, index: int, said: ToolReturned) -> tuple[Turn, list[Event]]:
    """Take what a call came back with."""
    before = turn.output[index]
    assert isinstance(before, MCPCall)
    status = "failed" if said.error else "completed"
    item = replace(before, output=said.output, error=said.error, status=status)
    kind = events.McpCallFailed if said.error else events.McpCallCompleted
    return _settled(turn, index, item, [kind(item_id=item.id, output_index=index)])


def stop(turn: Turn) -> tuple[Turn, list[Event]]:
    """Close everything that tools are working on, or that waits for one."""
    made: list[Event] = []
    for index in (*turn.running, *turn.queued):
        item = turn.output[index]
        if isinstance(item, MCPCall):
            stopped: Item = replace(item, status="incomplete")
        else:
            assert isinstance(item, MCPListTools)
            stopped = replace(item, error="The response ended before the server answered.")
        turn, closing = _settled(turn, index, stopped, [])
        made += closing
    return replace(turn, queued=()), made


def _settled(turn: Turn, index: int, item: Item, made: list[Event]) -> tuple[Turn, list[Event]]:
    output = (*turn.output[:index], item, *turn.output[index + 1 :])
    running = tuple(other for other in turn.running if other != index)
    return replace(turn, output=output, running=running), [
        *made,
        events.OutputItemDone(output_index=index, item=item),
    ]


def _id(item: Item) -> str:
    return item.id
