"""Servers of the Model Context Protocol, over streamable HTTP or, where a server knows only that, over SSE.

The SDK wants a session to be closed by the task that opened it, so each has a task of its own.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any, TypeVar

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from stackwright.config.responses import Mcp
from stackwright.ports.tools import RemoteTool, ToolAddress, ToolOutput, ToolServerError
from stackwright.providers.egress import Egress
from stackwright.providers.tool_runtime import heads
from stackwright.providers.tool_runtime.guard import Guard
from stackwright.providers.tool_runtime.mcp_words import failure, output

T = TypeVar("T")
Transport = AbstractAsyncContextManager[Any]

MAX_TOOLS = 1000
MAX_BYTES = 4 * 1024 * 1024
"""Of one message of a server."""
CLOSE_SECONDS = 2.0
_ONLY_SSE = (400, 404, 405)
"""How servers that know no streamable HTTP answer it, says the protocol."""


class McpServers:
    """The way to MCP servers. Made in a thread: reading all the certificates there are takes its time."""

    def __init__(self, settings: Mcp, egress: Egress) -> None:
        self._settings = settings
        self._egress = egress
        self._tls = httpx2.create_ssl_context()

    async def check(self, address: ToolAddress) -> None:
        """See `ToolServers.check`."""
        # A name that takes longer to be found is for the connection to fail on.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.connect_seconds):
                await self._way(address).check(address.url)

    def server(self, address: ToolAddress) -> "McpServer":
        """See `ToolServers.server`."""
        return McpServer(address, self._settings, self._way(address), self._tls)

    def _way(self, address: ToolAddress) -> Egress:
        return self._egress.trusting(address.url) if address.trusted else self._egress


class McpServer:
    """See `ToolServer`."""

    def __init__(self, address: ToolAddress, settings: Mcp, egress: Egress, tls: ssl.SSLContext) -> None:
        self._address = address
        self._settings = settings
        self._guard = Guard(heads.Transport(tls), egress, max_bytes=MAX_BYTES)
        self._owner: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Client] | None = None
        self._leave = asyncio.Event()
        self._broken: ToolServerError | None = None
        """Why the session ended by itself."""

    async def tools(self) -> Sequence[RemoteTool]:
        """See `ToolServer.tools`."""
        return await self._asked(self._listed, self._settings.connect_seconds)

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolOutput:
        """See `ToolServer.call`."""
        request = types.CallToolRequest(params=types.CallToolRequestParams(name=name, arguments=arguments))

        async def called(client: Client) -> types.CallToolResult:
            # Not `client.call_tool`: it checks the answer against schemas that the server made, on the event loop.
            return await client.session.send_request(request, types.CallToolResult)

        result = await self._asked(called, self._settings.call_seconds)
        return output(result, self._settings.max_output_bytes)

    async def close(self) -> None:
        """See `ToolServer.close`."""
        if self._owner is not None:
            await self._end()

    async def _end(self) -> None:
        """Leave the session, and see to it that it is over."""
        assert self._owner is not None
        assert self._ready is not None
        self._leave.set()
        if self._ready.done():
            await asyncio.wait({self._owner}, timeout=CLOSE_SECONDS)
        self._owner.cancel()
        await asyncio.wait({self._owner}, timeout=CLOSE_SECONDS)

    async def _listed(self, client: Client) -> list[RemoteTool]:
        found: list[RemoteTool] = []
        cursor, size = None, 0
        while True:
            page = await client.list_tools(cursor=cursor)
            found += map(_tool, page.tools)
            size += len(page.model_dump_json())
            cursor = page.next_cursor
            if len(found) > MAX_TOOLS or size > MAX_BYTES:
                raise ToolServerError(f"It has more than {MAX_TOOLS} tools, or more than {MAX_BYTES} bytes of them.")
            if cursor is None:
                return found

    async def _asked(self, question: Callable[[Client], Awaitable[T]], seconds: float) -> T:
        """Return the server's answer, connecting first where that is needed."""
        try:
            with self._guard.asking():
                client = await self._client()
                self._guard.refused = None
                async with asyncio.timeout(seconds):
                    return await question(client)
        except (MCPError, ValidationError, TimeoutError) as error:
            if isinstance(error, MCPError) and error.code == types.CONNECTION_CLOSED:
                await self._end()
            raise self._broken or failure(error, self._guard.refused) from None

    async def _client(self) -> Client:
        if self._owner is None or self._owner.done():
            self._broken = None
            self._leave = asyncio.Event()
            self._ready = asyncio.get_running_loop().create_future()
            self._owner = asyncio.create_task(self._own(self._ready))
        assert self._ready is not None
        return await asyncio.shield(self._ready)

    async def _own(self, ready: asyncio.Future[Client]) -> None:
        """Hold a session until it is left, or ends by itself."""
        try:
            async with self._connected() as client:
                ready.set_result(client)
                await self._leave.wait()
        except asyncio.CancelledError:
            if not ready.done():
                ready.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - task groups of the SDK raise whatever their tasks met, as a group
            self._broken = failure(error, self._guard.refused)
            if not ready.done():
                ready.set_exception(self._broken)
                # Nobody may be waiting any more.
                ready.exception()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._settings.connect_seconds):
                http = await stack.enter_async_context(self._http())
                client = await self._entered(stack, streamable_http_client(self._address.url, http_client=http))
                if client is None:
                    client = await self._entered(stack, self._sse())
            if client is None:
                raise MCPError(types.INTERNAL_ERROR, "It speaks neither streamable HTTP nor SSE.")
            yield client

    async def _entered(self, stack: AsyncExitStack, transport: Transport) -> Client | None:
        """Return a client that is connected; None when the server does not know this transport."""
        self._guard.refused = None
        try:
            return await stack.enter_async_context(Client(transport, cache=None, client_info=_ME))
        except* MCPError:
            if not self._knows_only_sse():
                raise
        return None

    def _knows_only_sse(self) -> bool:
        return self._guard.refused in _ONLY_SSE

    def _sse(self) -> Transport:
        # What it would set for itself, the client has already.
        return sse_client(self._address.url, httpx_client_factory=self._http)

    def _http(self, *_: Any, **__: Any) -> httpx2.AsyncClient:
        # No deadline for reading: a call has one as a whole, and between calls a stream may be silent.
        timeout = httpx2.Timeout(self._settings.connect_seconds, read=None)
        return httpx2.AsyncClient(
            transport=self._guard, headers=dict(self._address.headers), timeout=timeout, trust_env=False
        )


_ME = types.Implementation(name="stackwright", version=version("stackwright"))


def _tool(tool: types.Tool) -> RemoteTool:
    return RemoteTool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.input_schema,
        annotations=tool.annotations.model_dump(by_alias=True, exclude_none=True) if tool.annotations else None,
    )
