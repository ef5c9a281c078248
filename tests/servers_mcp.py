"""An MCP server for tests; it can be killed and started again."""

import json
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.house.sources import ROOT
from tests.servers_kv import TcpServer


class McpToolServer(TcpServer):
    """See `tests.mcp_server`."""

    def command(self) -> list[str]:
        """Return what starts the server in the foreground."""
        return [sys.executable, "-P", str(ROOT / "tests" / "mcp_server.py"), str(self.port)]

    @property
    def url(self) -> str:
        """Where it speaks streamable HTTP."""
        return f"http://localhost:{self.port}/mcp"

    @property
    def sse_url(self) -> str:
        """Where it speaks SSE."""
        return f"http://localhost:{self.port}/sse"

    @property
    def seen(self) -> Any:
        """What it was asked so far."""
        with urllib.request.urlopen(f"http://localhost:{self.port}/seen", timeout=10) as answer:
            return json.loads(answer.read())


@pytest.fixture(scope="session")
def mcp_server() -> Iterator[McpToolServer]:
    """One MCP server for the whole session. A test that kills it starts it again."""
    server = McpToolServer()
    server.start()
    yield server
    server.remove()
