"""A WebSocket: accepted, heard and answered in whole messages, and closed with a reason."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from stackwright.http.body import Bodies
from stackwright.http.lifecycle import Lifecycle
from stackwright.http.metrics import HUNG_UP, Requests
from stackwright.http.operation import services_of

Handler = Callable[..., Coroutine[Any, Any, None]]

NORMAL, GOING_AWAY, BROKEN = 1000, 1001, 1011
"""Why a connection is closed, in RFC 6455's numbers."""


class Hung(Exception):
    """The caller hung up."""


class Socket:
    """One connection. Its messages are texts; bytes are taken for UTF-8."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        lifecycle: Lifecycle,
        requests: Requests,
        bodies: Bodies,
    ) -> None:
        self.tenant: str = scope["state"]["tenant"]
        self.request_id: str = scope["state"]["request_id"]
        self.lifecycle = lifecycle
        self.bodies = bodies
        """What counts messages that are kept, as if they were bodies of requests."""
        self._receive = receive
        self._send = send
        self._requests = requests

    async def accept(self) -> None:
        """Agree to talk. Until then a failure is an ordinary answer over HTTP."""
        await self._receive()
        headers = [(b"x-request-id", self.request_id.encode())]
        await self._tell({"type": "websocket.accept", "headers": headers})

    async def receive(self) -> bytes:
        """Return the next message. `Hung` when there is none any more."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Hung
        text = message.get("text")
        return text.encode() if text is not None else bytes(message.get("bytes") or b"")

    async def send(self, text: bytes) -> None:
        """Send a message; waits while the caller does not read. `Hung` when nobody is there."""
        await self._tell({"type": "websocket.send", "text": text.decode()})

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye. The next `receive` raises `Hung`."""
        await self._tell({"type": "websocket.close", "code": code, "reason": reason})

    async def _tell(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            raise Hung from None

    @asynccontextmanager
    async def working(self, operation: str) -> AsyncIterator[Callable[[int], None]]:
        """Count what is done for one message like a request: the server does not stop before it is done.

        Yields what to call with the status. Where nobody calls it, the caller has hung up.
        """
        status = HUNG_UP
        started = time.perf_counter()

        def ended(how: int) -> None:
            nonlocal status
            status = how

        self._requests.begin()
        try:
            yield ended
        finally:
            self._requests.end(operation, status, time.perf_counter() - started)


class SocketEndpoint:
    """A handler of connections with its services at hand, as an ASGI application."""

    def __init__(
        self,
        handler: Handler,
        services: Mapping[type, object],
        lifecycle: Lifecycle,
        requests: Requests,
        bodies: Bodies,
    ) -> None:
        self._handler = handler
        self._services = services_of(handler, services)
        self._lifecycle = lifecycle
        self._requests = requests
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = Socket(scope, receive, send, self._lifecycle, self._requests, self._bodies)
        await self._handler(socket, *self._services)
