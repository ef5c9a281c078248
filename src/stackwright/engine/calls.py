"""Calls of tools: all are functions to the model, and become what their tool's own kind of item is."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, structs

from stackwright.engine.state import Offer, OpenCall, Turn, joined
from stackwright.wire import events
from stackwright.wire.client_tools import (
    ApplyPatchCall,
    CreateFile,
    CustomToolCall,
    DeleteFile,
    FunctionCall,
    LocalShellAction,
    LocalShellCall,
    ShellAction,
    ShellCall,
    UpdateFile,
)
from stackwright.wire.events import Event
from stackwright.wire.item import Status
from stackwright.wire.items import Item
from stackwright.wire.server_tools import MCPApprovalRequest, MCPCall

_PREFIXES = {
    "function": "fc_",
    "custom": "ctc_",
    "local_shell": "lsh_",
    "shell": "sh_",
    "apply_patch": "apc_",
    "mcp": "mcp_",
}


class Unreadable(Exception):
    """The model called a tool with arguments that the tool cannot have."""


class CustomArguments(Struct):
    """How a custom tool's text travels as a function's arguments."""

    input: str


class LocalShellArguments(Struct, kw_only=True):
    """What the model may say of a command."""

    command: Annotated[list[str], Meta(min_length=1)]
    env: dict[str, str] = {}
    timeout_ms: int | None = None
    working_directory: str | None = None
    user: str | None = None


class ShellArguments(Struct, kw_only=True):
    """What the model may say of some commands."""

    commands: Annotated[list[str], Meta(min_length=1)]
    timeout_ms: int | None = None
    max_output_length: int | None = None


class PatchArguments(Struct, kw_only=True):
    """One change of one file."""

    operation: CreateFile | UpdateFile | DeleteFile


def prefix(offer: Offer) -> str:
    """Return what the ids of such items begin with."""
    return "mcpr_" if offer.approval else _PREFIXES[offer.kind]


def opening(opened: OpenCall) -> list[Event]:
    """Return the events of a call that begins. Calls of some kinds show themselves only when they are whole."""
    item = _beginning(opened)
    if item is None:
        return []
    made: list[Event] = [events.OutputItemAdded(output_index=opened.index, item=item)]
    if isinstance(item, MCPCall):
        made.append(events.McpCallInProgress(item_id=opened.item_id, output_index=opened.index))
    return made


def delta(opened: OpenCall, piece: str) -> list[Event]:
    """Return the event of a piece of the arguments."""
    where = {"item_id": opened.item_id, "output_index": opened.index, "delta": piece}
    if opened.offer.kind == "function":
        return [events.ArgumentsDelta(**where)]  # type: ignore[arg-type]
    if opened.offer.kind == "mcp" and not opened.offer.approval:
        return [events.McpArgumentsDelta(**where)]  # type: ignore[arg-type]
    return []


def close(turn: Turn, opened: OpenCall, status: Status) -> tuple[Turn, list[Event]]:
    """Close a call. One of a tool that the server runs waits in `queued`; the others are the caller's business."""
    arguments = joined(opened.pieces)
    shut = structs.replace(turn, open=None)
    try:
        item = _whole(opened, arguments, status)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if status == "completed":
            raise Unreadable(f"The model called {opened.offer.name!r} with unusable arguments: {error}.") from None
        return shut, []
    made = [] if _beginning(opened) else [events.OutputItemAdded(output_index=opened.index, item=item)]
    output = (*turn.output, item)
    whole = [*made, *_spelled(opened, item)]
    if isinstance(item, MCPCall):
        queued = (*turn.queued, opened.index)
        return structs.replace(shut, output=output, queued=queued), whole
    whole.append(events.OutputItemDone(output_index=opened.index, item=item))
    return structs.replace(shut, output=output, for_caller=True), whole


def _beginning(opened: OpenCall) -> Item | None:
    offer, name = opened.offer, opened.item_id
    if offer.approval:
        return None
    match offer.kind:
        case "function":
            return _function(opened, "", "in_progress")
        case "custom":
            return _custom(opened, "", "in_progress")
        case "mcp":
            return MCPCall(id=name, server_label=offer.server, name=offer.name, arguments="", status="in_progress")
        case _:
            return None


def _spelled(opened: OpenCall, item: Item) -> list[Event]:
    where: dict[str, Any] = {"item_id": opened.item_id, "output_index": opened.index}
    match item:
        case FunctionCall():
            return [events.ArgumentsDone(**where, name=item.name, arguments=item.arguments)]
        case CustomToolCall():
            said: list[Event] = [events.CustomInputDelta(**where, delta=item.input)] if item.input else []
            return [*said, events.CustomInputDone(**where, input=item.input)]
        case MCPCall():
            return [events.McpArgumentsDone(**where, arguments=item.arguments)]
        case _:
            return []


def _whole(opened: OpenCall, arguments: str, status: Status) -> Item:
    offer, name = opened.offer, opened.item_id
    match offer.kind:
        case "function":
            return _function(opened, arguments, status)
        case "custom":
            return _custom(opened, _custom_input(arguments), status)
        case "local_shell":
            command = msgspec.json.decode(arguments, type=LocalShellArguments)
            action = LocalShellAction(**structs.asdict(command))
            return LocalShellCall(id=name, call_id=opened.call_id, action=action, status=status)
        case "shell":
            commands = ShellAction(**structs.asdict(msgspec.json.decode(arguments, type=ShellArguments)))
            return ShellCall(id=name, call_id=opened.call_id, action=commands, status=status)
        case "apply_patch":
            operation = msgspec.json.decode(arguments, type=PatchArguments).operation
            return ApplyPatchCall(id=name, call_id=opened.call_id, operation=operation)
        case "mcp" if offer.approval:
            return MCPApprovalRequest(id=name, server_label=offer.server, name=offer.name, arguments=arguments)
        case "mcp":
            return MCPCall(
                id=name, server_label=offer.server, name=offer.name, arguments=arguments, status="in_progress"
            )


def _function(opened: OpenCall, arguments: str, status: Status) -> FunctionCall:
    return FunctionCall(
        id=opened.item_id,
        call_id=opened.call_id,
        name=opened.offer.name,
        arguments=arguments,
        status=status,
        namespace=opened.offer.namespace,
    )


def _custom(opened: OpenCall, text: str, status: Status) -> CustomToolCall:
    return CustomToolCall(
        id=opened.item_id,
        call_id=opened.call_id,
        name=opened.offer.name,
        input=text,
        status=status,
        namespace=opened.offer.namespace,
    )


def _custom_input(arguments: str) -> str:
    """Return the text of a custom call. A model that did not wrap it meant the text itself."""
    try:
        return msgspec.json.decode(arguments, type=CustomArguments).input
    except msgspec.DecodeError:
        return arguments
