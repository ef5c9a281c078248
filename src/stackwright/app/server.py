"""The process around the application: one listening socket, a graceful end, and malformed HTTP told in the envelope."""

import asyncio
import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stackwright.errors import InvalidRequest
from stackwright.http.errors import envelope
from stackwright.http.lifecycle import Lifecycle

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen. `OSError` when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock


class _Protocol(HttpToolsProtocol):
    """Answers bytes that are not HTTP in the envelope too."""

    def send_400_response(self, msg: str) -> None:
        body = envelope(InvalidRequest(f"{msg} It could not be parsed as HTTP/1.1.", code="invalid_http"))
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()


class _Server(uvicorn.Server):
    """Drains before it stops: not ready at once, what is in flight finishes, then the socket closes."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, grace: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._grace = grace
        self._drained: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._lifecycle.draining:
            self.should_exit = self.force_exit = True
            return
        self._lifecycle.drain()
        self._loop.call_soon_threadsafe(self._start_draining)

    def _start_draining(self) -> None:
        self._drained = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        await self._lifecycle.idle(self._grace)
        self.should_exit = True

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        with self.capture_signals():
            await self._serve(sockets)


async def serve(app: ASGIApp, sock: socket.socket, lifecycle: Lifecycle, *, grace: float) -> None:
    """Serve until SIGTERM or SIGINT, then drain for at most `grace` seconds. A second signal ends it at once."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=_Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    await _Server(config, lifecycle, grace).serve(sockets=[sock])
