"""The way to MCP servers, whose package is imported when the first caller needs it, or soon after the start."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from stackwright.config.responses import Mcp
from stackwright.errors import InvalidRequest, MissingExtra
from stackwright.ports.tools import ToolAddress, ToolServer, ToolServers
from stackwright.providers.egress import Egress

log = logging.getLogger(__name__)

_ADAPTER = "stackwright.providers.tool_runtime.mcp"
SOON = 1.0
"""Seconds after which a server that has started is at rest."""


class Reach:
    """See `ToolServers`."""

    def __init__(self, settings: Mcp) -> None:
        self._settings = settings
        self._egress = Egress(settings.allow_private, http=settings.allow_http, setting="responses.mcp.allow_private")
        self._servers: ToolServers | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def opened_soon(self) -> AsyncIterator[None]:
        """Import the package in the background, so that no caller waits for it."""
        task = asyncio.create_task(self._open_soon())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _open_soon(self) -> None:
        await asyncio.sleep(SOON)
        try:
            await self._open()
        except InvalidRequest as error:
            log.warning("No connector can be used: %s", error.message)

    async def check(self, address: ToolAddress) -> None:
        """See `ToolServers.check`. `InvalidRequest` also when the package is not installed."""
        await (self._servers or await self._open()).check(address)

    async def _open(self) -> ToolServers:
        async with self._opening:
            if self._servers is None:
                # It takes a second, in which others want to be served.
                self._servers = await asyncio.to_thread(_servers, self._settings, self._egress)
            return self._servers

    def server(self, address: ToolAddress) -> ToolServer:
        """See `ToolServers.server`. Only for an address that was checked."""
        assert self._servers is not None, "the address was not checked"
        return self._servers.server(address)


def _servers(settings: Mcp, egress: Egress) -> ToolServers:
    try:
        adapter: Any = import_module(_ADAPTER)
    except ModuleNotFoundError as error:
        missing = MissingExtra("A tool of type 'mcp'", error.name, "mcp")
        raise InvalidRequest(missing.message, param="tools", code=missing.code) from None
    servers: ToolServers = adapter.McpServers(settings, egress)
    return servers
