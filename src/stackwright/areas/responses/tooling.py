"""The tools that the server runs for one response: those of MCP servers."""

import asyncio
from collections.abc import Mapping, Sequence
from time import time
from typing import Any

import msgspec

from stackwright.areas.responses.offering import Function, Offered, mcp_name
from stackwright.engine.signals import ToolReturned, ToolsListed
from stackwright.engine.state import ListTools, Offer, RunTool
from stackwright.errors import StackwrightError
from stackwright.ports.tools import RemoteTool, ToolOutput, ToolServer, ToolServerError
from stackwright.wire.responses import Response
from stackwright.wire.server_tools import MCPListTools, MCPTool
from stackwright.wire.tools import McpApproval, McpFilter, McpTool

_INVALID_ARGUMENTS = -32602
_UNKNOWN_TOOL = -32601


class FailedDependency(StackwrightError):
    """A server that the request names did not say which tools it has."""

    status = 424
    type = "external_connector_error"
    code = "http_error"


class Servers:
    """The MCP servers of one response: see `engine.ports.Tools`. Each is connected when something is wanted of it."""

    def __init__(self, offered: Offered, servers: Mapping[str, ToolServer]) -> None:
        """What the servers turn out to have is added to `offered`."""
        self._offered = offered
        self._servers = servers

    async def list(self, effect: ListTools) -> ToolsListed:
        """Ask a server for its tools."""
        label = effect.server
        try:
            found = [_shown(tool) for tool in await self._servers[label].tools()]
            tools = [tool for tool in found if allowed(self._offered.servers[label], tool)]
            offers = self.offer(label, tools)
        except ToolServerError as error:
            return ToolsListed(effect.item_id, (), _unlisted(label, error.message))
        return ToolsListed(effect.item_id, tuple(tools), None, tuple(offers.items()))

    def offer(self, label: str, tools: Sequence[MCPTool]) -> dict[str, Offer]:
        """Offer a server's tools to the model. `ToolServerError` when a name is taken."""
        server = self._offered.servers[label]
        offers: dict[str, Offer] = {}
        for tool in tools:
            name = mcp_name(label, tool.name)
            if name in offers or name in self._offered.offers:
                raise ToolServerError(f"Two tools would be called '{name}'.")
            offers[name] = Offer(kind="mcp", name=tool.name, server=label, approval=needs_approval(server, tool))
        self._offered.functions.extend(_function(server, tool) for tool in tools)
        self._offered.offers.update(offers)
        return offers

    async def run(self, effect: RunTool) -> ToolReturned:
        """Call a tool."""
        try:
            output = await self._called(effect)
        except ToolServerError as error:
            return ToolReturned(effect.item_id, int(time()), error=_error(error))
        if output.failed:
            failed = {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": output.text}]}
            return ToolReturned(effect.item_id, int(time()), error=failed)
        return ToolReturned(effect.item_id, int(time()), output.text)

    async def _called(self, effect: RunTool) -> ToolOutput:
        if mcp_name(effect.server, effect.name) not in self._offered.offers:
            # Approved once, and not among the tools of this request.
            raise ToolServerError(f"'{effect.name}' is not among the allowed tools.", rpc=_UNKNOWN_TOOL)
        try:
            arguments = msgspec.json.decode(effect.arguments or "{}", type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ToolServerError(f"The arguments are not a JSON object: {error}.", rpc=_INVALID_ARGUMENTS) from None
        return await self._servers[effect.server].call(effect.name, arguments)

    async def aclose(self) -> None:
        """Leave every server."""
        if self._servers:
            await asyncio.gather(*(server.close() for server in self._servers.values()))


def refuse_unlisted(response: Response) -> None:
    """Raise `FailedDependency` when a response failed because a server did not say which tools it has."""
    for item in response.output or ():
        if isinstance(item, MCPListTools) and item.error and response.error:
            raise FailedDependency(response.error.message, param="tools")


def allowed(server: McpTool, tool: MCPTool) -> bool:
    """True when the request allows the tool."""
    match server.allowed_tools:
        case None:
            return True
        case McpFilter() as chosen:
            return _matches(chosen, tool)
        case names:
            return tool.name in names


def needs_approval(server: McpTool, tool: MCPTool) -> bool:
    """True when the caller must allow each call. What is in neither list must be allowed."""
    match server.require_approval:
        case McpApproval(always=always, never=never):
            spared = isinstance(never, McpFilter) and _matches(never, tool)
            return not spared or (isinstance(always, McpFilter) and _matches(always, tool))
        case rule:
            return rule != "never"


def _matches(chosen: McpFilter, tool: MCPTool) -> bool:
    named = not isinstance(chosen.tool_names, list) or tool.name in chosen.tool_names
    only_reads = bool((tool.annotations or {}).get("readOnlyHint"))
    return named and (not isinstance(chosen.read_only, bool) or chosen.read_only == only_reads)


def _function(server: McpTool, tool: MCPTool) -> Function:
    about = server.server_description if isinstance(server.server_description, str) else None
    described = " ".join(filter(None, (about, tool.description)))
    function = {"name": mcp_name(server.server_label, tool.name), "parameters": tool.input_schema}
    return function | ({"description": described} if described else {})


def _shown(tool: RemoteTool) -> MCPTool:
    return MCPTool(**msgspec.structs.asdict(tool))


def _unlisted(label: str, why: str) -> str:
    return f"Error retrieving tool list from MCP server: '{label}'. Http status code: 424 (Failed Dependency). {why}"


def _error(error: ToolServerError) -> dict[str, Any]:
    """Return one of OpenAI's errors of MCP calls."""
    if error.rpc is not None:
        return {"type": "mcp_protocol_error", "code": error.rpc, "message": error.message}
    return {"type": "http_error", "code": error.http or FailedDependency.status, "message": error.message}
