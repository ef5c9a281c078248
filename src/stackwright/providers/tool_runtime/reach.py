"""The way to MCP servers, whose package is imported when the first caller needs it."""

import asyncio
from importlib import import_module
from typing import Any

from stackwright.config.responses import Mcp
from stackwright.errors import InvalidRequest, MissingExtra
from stackwright.ports.tools import ToolAddress, ToolServer, ToolServers
from stackwright.providers.egress import Egress

_ADAPTER = "stackwright.providers.tool_runtime.mcp"


class Reach:
    """See `ToolServers`."""

    def __init__(self, settings: Mcp) -> None:
        self._settings = settings
        self._egress = Egress(settings.allow_private, http=settings.allow_http, setting="responses.mcp.allow_private")
        self._servers: ToolServers | None = None

    async def check(self, address: ToolAddress) -> None:
        """See `ToolServers.check`. `InvalidRequest` also when the package is not installed."""
        if self._servers is None:
            # It takes a second, in which others want to be served.
            adapter: Any = await asyncio.to_thread(_adapter)
            self._servers = adapter.McpServers(self._settings, self._egress)
        await self._servers.check(address)

    def server(self, address: ToolAddress) -> ToolServer:
        """See `ToolServers.server`. Only for an address that was checked."""
        assert self._servers is not None, "the address was not checked"
        return self._servers.server(address)


def _adapter() -> Any:
    try:
        return import_module(_ADAPTER)
    except ModuleNotFoundError as error:
        missing = MissingExtra("A tool of type 'mcp'", error.name, "mcp")
        raise InvalidRequest(missing.message, param="tools", code=missing.code) from None
