"""What the model is offered in each round, and which of it the caller wants to be called."""

from collections.abc import Collection
from typing import Any

from stackwright.areas.responses.offering import Function, Offered
from stackwright.engine.state import AskModel
from stackwright.errors import InvalidRequest
from stackwright.wire.items import MCPCall
from stackwright.wire.tools import AllowedTool, ChooseAllowed, ChooseCustom, ChooseFunction, ChooseMcp, ToolChoice


class Toolbox:
    """What a model is offered in each round of a turn."""

    def __init__(self, chosen: ToolChoice | None, offered: Offered, *, parallel: bool | None) -> None:
        """`InvalidRequest` when the choice is not among the tools, as far as they are known by now."""
        self.offered = offered
        self._chosen = chosen
        self._parallel = {} if parallel is None else {"parallel_tool_calls": parallel}
        if chosen == "required" and not (offered.functions or offered.servers):
            raise InvalidRequest(
                "Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice"
            )
        if isinstance(chosen, ChooseMcp) and chosen.server_label not in offered.servers:
            raise _not_offered(AllowedTool(type="mcp", name=chosen.server_label), "tool_choice")
        if not (offered.servers and isinstance(chosen, ChooseMcp | ChooseAllowed)):
            choice(chosen, offered)

    def params(self, effect: AskModel) -> dict[str, Any]:
        """Return the fields of a chat request that are about tools."""
        functions, chosen = choice(self._chosen, self.offered)
        if not effect.server_tools:
            functions = [one for one in functions if self.offered.offers[one["name"]].kind != "mcp"]
        if not functions:
            return {}
        if chosen is not None and any(isinstance(item, MCPCall) for item in effect.output):
            # The choice was for one call. A model that is told so again after it would never come to an answer.
            chosen = chosen if chosen == "none" else "auto"
        params = {"tools": [{"type": "function", "function": one} for one in functions], **self._parallel}
        return params if chosen is None else params | {"tool_choice": chosen}


def choice(chosen: ToolChoice | None, offered: Offered) -> tuple[list[Function], Any]:
    """Return the functions to offer and chat's `tool_choice` for a response's. `InvalidRequest` for a tool that is
    not among `tools`."""
    everything = offered.functions
    match chosen:
        case None | "auto" | "none" | "required":
            return everything, chosen
        case ChooseAllowed():
            named = [_names_of(one, offered, f"tool_choice.tools[{place}]") for place, one in enumerate(chosen.tools)]
            return _only([name for names in named for name in names], offered), chosen.mode
        case ChooseMcp():
            wanted = AllowedTool(type="mcp", server_label=chosen.server_label, name=chosen.name)
            return _only(_names_of(wanted, offered, "tool_choice"), offered), "required"
        case ChooseFunction() | ChooseCustom():
            wanted = AllowedTool(type="function" if isinstance(chosen, ChooseFunction) else "custom", name=chosen.name)
        case _:
            wanted = AllowedTool(type=str(chosen.__struct_config__.tag))
    [name, *_] = _names_of(wanted, offered, "tool_choice")
    return everything, {"type": "function", "function": {"name": name}}


def _names_of(wanted: AllowedTool, offered: Offered, param: str) -> list[str]:
    """Return the functions that stand for a tool: more than one only for an MCP server as a whole."""
    found = [
        function
        for function, offer in offered.offers.items()
        if (offer.kind, offer.server) == (wanted.type, wanted.server_label or "")
        and wanted.name in (None, offer.name, function)
    ]
    if not found:
        raise _not_offered(wanted, param)
    return found


def _only(names: Collection[str], offered: Offered) -> list[Function]:
    return [one for one in offered.functions if one["name"] in names]


def _not_offered(wanted: AllowedTool, param: str) -> InvalidRequest:
    what = f"{wanted.type} {wanted.name!r}" if wanted.name else repr(wanted.type)
    return InvalidRequest(f"Tool choice {what} not found in 'tools' parameter.", param=param)
