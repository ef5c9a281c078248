"""An MCP server of the official SDK, over both transports, that remembers what it was asked.

Streamable HTTP is at `/mcp`, SSE at `/sse`, what it remembers at `/seen`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp_types import ToolAnnotations
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

SEEN: dict[str, Any] = {"listed": 0, "called": [], "cancelled": 0, "headers": {}}
server = MCPServer("workshop", log_level="CRITICAL")
reads = ToolAnnotations(read_only_hint=True)


@server.tool(annotations=reads)
def add(a: int, b: int) -> int:
    """Add two numbers."""
    SEEN["called"].append("add")
    return a + b


@server.tool(name="files.burn")
def burn(path: str) -> str:
    """Burn a file."""
    SEEN["called"].append(f"burn {path}")
    return f"{path} is ashes."


@server.tool(annotations=reads)
def fail() -> str:
    """Fail."""
    raise RuntimeError("the oven is cold")


@server.tool(annotations=reads)
def die() -> str:
    """End the server in the middle."""
    os._exit(3)


@server.tool(annotations=reads)
def say_much(size: int) -> str:
    """Say much."""
    return "x" * size


@server.tool(annotations=reads, structured_output=False)
def draw() -> list[Any]:
    """Draw."""
    return ["A dot:", Image(data=b"dot", format="png")]


@server.tool(annotations=reads)
async def wait(seconds: float) -> str:
    """Wait."""
    SEEN["called"].append("wait")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        SEEN["cancelled"] += 1
        raise
    return "Waited."


@server.tool(annotations=reads)
def whoami(context: Context) -> str:
    """Say who asks."""
    return (context.headers or {}).get("authorization", "nobody")


async def seen(request: Request) -> JSONResponse:
    return JSONResponse(SEEN)


class Watched:
    """Remembers the headers of requests and how often tools were listed."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def received() -> Any:
            message = await receive()
            SEEN["listed"] += message.get("body", b"").count(b'"tools/list"')
            return message

        if scope["type"] == "http" and scope["path"] != "/seen":
            SEEN["headers"] = {name.decode(): value.decode() for name, value in scope["headers"]}
        await self.app(scope, received, send)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with server.session_manager.run():
        yield


if __name__ == "__main__":
    routes = [*server.streamable_http_app().routes, Route("/seen", seen), Mount("/", server.sse_app())]
    uvicorn.run(Watched(Starlette(routes=routes, lifespan=lifespan)), port=int(sys.argv[1]), log_level="error")
