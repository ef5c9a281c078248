"""What we ask of servers that have tools, as the Model Context Protocol has them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from stackwright.errors import UpstreamError


class ToolAddress(Struct, frozen=True, kw_only=True):
    """Where a server is and what it wants to see. Its text never shows the headers, nor the path of the URL."""

    label: str
    """The caller's name for it."""
    url: str
    headers: Mapping[str, str] = {}
    trusted: bool = False
    """True when the operator named it: then it may be anywhere."""

    def __repr__(self) -> str:
        return f"ToolAddress({self.label!r})"


class RemoteTool(Struct, frozen=True, kw_only=True):
    """A tool that a server has."""

    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    annotations: dict[str, Any] | None = None


class ToolOutput(Struct, frozen=True):
    """What a call came back with."""

    text: str
    failed: bool = False
    """True when the tool itself says that it failed; the text says how."""


class ToolServerError(UpstreamError):
    """A server of tools is away, too slow, or broke the protocol."""

    def __init__(self, message: str, *, http: int | None = None, rpc: int | None = None) -> None:
        """`http` is the status that it answered, `rpc` the code of its JSON-RPC error, where it was that."""
        super().__init__(message)
        self.http = http
        self.rpc = rpc


class ToolServer(Protocol):
    """One server, talked to as long as one response needs it. It is called for the first time when it is needed."""

    async def tools(self) -> Sequence[RemoteTool]:
        """Return the tools it has. Raises `ToolServerError`."""
        ...

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolOutput:
        """Call a tool. Raises `ToolServerError`; cancelling it cancels the call on the server."""
        ...

    async def close(self) -> None:
        """End the session, in a few seconds at most, whatever the server does."""
        ...


class ToolServers(Protocol):
    """The way to servers of tools."""

    async def check(self, address: ToolAddress) -> None:
        """Raise `InvalidRequest` when nobody may go there, or the package for that is not installed."""
        ...

    def server(self, address: ToolAddress) -> ToolServer:
        """Return the server at an address that was checked."""
        ...
