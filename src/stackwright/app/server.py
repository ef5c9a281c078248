"""The process around the application: one listening socket, a graceful end, and malformed HTTP told in the envelope."""

import asyncio
import logging
import os
import re
import signal
import socket
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from stackwright.errors import InvalidRequest
from stackwright.http.errors import envelope
from stackwright.http.lifecycle import Lifecycle

log = logging.getLogger(__name__)

# What is cut at the end of the grace, or while nobody reads it, is told by us, as what it is: expected. So are a
# WebSocket that is refused, and one that says what is no text: it is told why.
_TOLD = ("Cancel ", "ASGI callable returned without completing ", "Invalid UTF-8 sequence received")
logging.getLogger("uvicorn.error").addFilter(lambda record: not record.getMessage().startswith(_TOLD))

_HEAD = tuple(b"HTTP/1.1 %d" % digit for digit in range(2, 6))
_BACKLOG = 2048
_HEAD_SECONDS = 10.0
_HEAD_BYTES = 64 * 1024
UNREAD_SECONDS = 10.0
"""How long a connection that is to be closed waits for a reader of what it still holds."""
_H2C = re.compile(rb"(?i)(?<=\r\n)upgrade:[ \t]*h2c[ \t]*\r\n")


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen. `OSError` when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock


class _Transport:
    """A transport that lets an answer's head wait for the body, which is there a moment later: one system call less."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._write = transport.write
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send what was kept with `data`; or keep `data`, if it is a final answer's head."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD):
            self._head = data
            return
        self._write(data)

    def flush(self) -> None:
        """Send what was kept."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send what was kept, then close, also when nobody reads it."""
        self.flush()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(UNREAD_SECONDS, self._transport.abort)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 within bounds: a head too long or too slow is refused, as is what is not HTTP, in the envelope."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._gathering = _Transport(transport)
        super().connection_made(cast("asyncio.Transport", self._gathering))
        # Before its first byte a connection is as idle as between two requests. Clients open them ahead.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_done()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_body and b"h2c" in data:
            # Java's client offers HTTP/2 with every request. To ignore the offer is to answer in HTTP/1.1, but the
            # parser takes it for an acceptance and drops the body.
            data = _H2C.sub(b"", data, count=1)
        if self.timeout_keep_alive_task is not None:
            self._expect_head()
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large", "The request's headers are longer than 64 KiB.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_done()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        # A head is known by its first bytes, and a piece of a body may begin with the same.
        self._gathering.flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(b"400 Bad Request", f"{msg} It could not be parsed as HTTP/1.1.")

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(_HEAD_SECONDS, self._late)

    def _head_done(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._refuse(b"408 Request Timeout", f"The request's headers took longer than {_HEAD_SECONDS:g} seconds.")

    def _refuse(self, status: bytes, message: str) -> None:
        self._head_done()
        body = envelope(InvalidRequest(message, code="invalid_http"))
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nconnection: close\r\n" % status
        request_id = b"x-request-id: req_%b\r\n" % os.urandom(16).hex().encode()
        self.transport.write(head + request_id + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()


class SocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that hears no more from who does not read: each ping makes a pong."""

    def handle_ping(self) -> None:
        super().handle_ping()
        if not self.writable.is_set():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()


class _Server(uvicorn.Server):
    """Drains before it stops: not ready at once, what is in flight finishes, then the socket closes."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, grace: float, enough: int | None) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._grace = grace
        self._enough = enough
        self._drained: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._lifecycle.draining:
            self._lifecycle.drain()
            self._loop.call_soon_threadsafe(self._start_draining)
        elif self._enough in (None, sig):
            self.should_exit = self.force_exit = True
            self._loop.call_soon_threadsafe(self._tell_cut, "A second signal")

    def _start_draining(self) -> None:
        active = self._lifecycle.active
        if active:
            words = "Stopping. Waiting for %s, at most %g s; a second signal ends it now."
            log.info(words, _requests(active), self._grace)
        self._drained = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        await self._lifecycle.idle(self._grace)
        self._tell_cut(f"The grace of {self._grace:g} s is over")
        self.should_exit = True

    def _tell_cut(self, why: str) -> None:
        if active := self._lifecycle.active:
            log.warning("%s: cutting %s.", why, _requests(active))

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        if self._enough is not None:
            signal.signal(self._enough, self.handle_exit)
        with self.capture_signals():
            await self._serve(sockets)


def _requests(active: int) -> str:
    return "1 request" if active == 1 else f"{active} requests"


async def serve(
    app: ASGIApp, sock: socket.socket, lifecycle: Lifecycle, *, grace: float, message_bytes: int, enough: int | None
) -> None:
    """Serve until SIGTERM or SIGINT, then drain for at most `grace` seconds. A second signal ends it at once: any, or
    only `enough` where that is given.

    A message of a WebSocket may have `message_bytes`; a larger one closes it.
    """
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws=SocketProtocol,
        ws_max_size=message_bytes,
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        # Nothing here asks from where or by which scheme it is called, so no request is searched for what proxies say.
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    await _Server(config, lifecycle, grace, enough).serve(sockets=[sock])
