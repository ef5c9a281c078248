"""MCP servers as a request names them: where they are, what was heard of them before, which calls were allowed."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import structs

from stackwright.areas.responses.offering import Offered
from stackwright.areas.responses.tooling import Servers, allowed
from stackwright.engine.state import Approved
from stackwright.errors import InvalidRequest
from stackwright.ports.tools import ToolAddress, ToolServerError, ToolServers
from stackwright.wire.items import Item, MCPApprovalRequest, MCPApprovalResponse, MCPListTools
from stackwright.wire.tools import McpTool, Tool

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


class Remote:
    """The way to the servers that requests name."""

    def __init__(self, reach: ToolServers, connectors: Mapping[str, ToolAddress]) -> None:
        """`connectors` are the run file's servers by their names."""
        self._reach = reach
        self._connectors = connectors

    async def servers(self, tools: Sequence[Tool], offered: Offered) -> Servers:
        """Return the servers of a request. `InvalidRequest` for one that nobody may call."""
        found = {}
        for place, tool in enumerate(tools):
            if isinstance(tool, McpTool) and tool.server_label in offered.servers:
                address = self._address(tool, f"tools[{place}]")
                try:
                    await self._reach.check(address)
                except InvalidRequest as error:
                    error.param = error.param or f"tools[{place}].server_url"
                    raise
                found[tool.server_label] = self._reach.server(address)
        return Servers(offered, found)

    def _address(self, tool: McpTool, param: str) -> ToolAddress:
        url, connector = tool.server_url, tool.connector_id
        if isinstance(url, str) and not connector:
            return ToolAddress(label=tool.server_label, url=url, headers=_headers(tool, param))
        if not isinstance(connector, str) or url:
            raise InvalidRequest("A tool of type 'mcp' has either a 'server_url' or a 'connector_id'.", param=param)
        known = self._connectors.get(connector)
        if known is None:
            raise InvalidRequest(
                f"There is no connector '{connector}' here. Name the server by its 'server_url', or list it in the run "
                "file under registered_resources.connectors.",
                param=f"{param}.connector_id",
            )
        ours = {name.lower(): value for name, value in known.headers.items()}
        return structs.replace(known, label=tool.server_label, headers=ours | _headers(tool, param))


def recall(servers: Servers, offered: Offered, items: Sequence[Item]) -> list[str]:
    """Offer what servers said earlier in the talk. Returns the labels of those that must be asked."""
    if not offered.servers:
        return []
    heard = {item.server_label: item.tools for item in items if isinstance(item, MCPListTools) and not item.error}
    for label, server in offered.servers.items():
        try:
            servers.offer(label, [tool for tool in heard.get(label, ()) if allowed(server, tool)])
        except ToolServerError as error:
            raise InvalidRequest(error.message, param="tools") from None
    return [label for label in offered.servers if label not in heard]


def approved(history: Sequence[Item], new: Sequence[Item], offered: Offered) -> list[Approved]:
    """Return the calls that the new items allow. `InvalidRequest` for decisions about what nobody asked, or twice."""
    if not any(isinstance(item, MCPApprovalResponse) for item in new):
        return []
    requests = {item.id: item for item in (*history, *new) if isinstance(item, MCPApprovalRequest)}
    decided = {item.approval_request_id for item in history if isinstance(item, MCPApprovalResponse)}
    calls = []
    for place, item in enumerate(new):
        if not isinstance(item, MCPApprovalResponse):
            continue
        param, asked = f"input[{place}].approval_request_id", item.approval_request_id
        request = requests.get(asked)
        if request is None:
            raise InvalidRequest(f"No approval request with id '{asked}' found.", param=param)
        if asked in decided:
            raise InvalidRequest(f"The approval request with id '{asked}' was answered before.", param=param)
        decided.add(asked)
        if item.approve:
            calls.append(_call(request, offered, param))
    return calls


def pathless(tool: Tool) -> Tool:
    """Return a tool as responses show it: without the path of its server's URL, which may be a secret."""
    if not isinstance(tool, McpTool) or not isinstance(tool.server_url, str):
        return tool
    parts = urlsplit(tool.server_url)
    rest = "/<redacted>" if parts.path.strip("/") or parts.query else ""
    return structs.replace(tool, server_url=f"{parts.scheme}://{parts.netloc}{rest}")


def _call(request: MCPApprovalRequest, offered: Offered, param: str) -> Approved:
    if request.server_label not in offered.servers:
        raise InvalidRequest(
            f"The approved call is for the MCP server '{request.server_label}', which is not among 'tools'.",
            param=param,
        )
    return Approved(request_id=request.id, server=request.server_label, name=request.name, arguments=request.arguments)


def _headers(tool: McpTool, param: str) -> dict[str, str]:
    given = tool.headers if isinstance(tool.headers, dict) else {}
    headers = {name.lower(): value for name, value in given.items()}
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name in _OURS or not value.isprintable() or not value.isascii():
            raise InvalidRequest(f"The header {name!r} cannot be sent.", param=f"{param}.headers")
    if isinstance(tool.authorization, str):
        if "authorization" in headers:
            raise InvalidRequest(
                "Give either 'authorization' or a header of that name.", param=f"{param}.authorization"
            )
        if not tool.authorization.isprintable() or not tool.authorization.isascii():
            raise InvalidRequest("This is not a token.", param=f"{param}.authorization")
        headers["authorization"] = f"Bearer {tool.authorization}"
    return headers
