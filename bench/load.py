"""A load generator that is lighter than what it measures: raw sockets, ready-made requests, one answer at a time each.

It is a closed loop: every client sends its next request when it has its whole answer.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import uvloop

Maker = Callable[[], bytes]
"""Makes whole requests, each unlike the others."""


class BadAnswer(Exception):
    """The server answered with something else than a complete 200."""


@dataclass
class Result:
    """What one run saw. Times are in seconds."""

    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)
    """From the request to the first byte of the body."""
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many were answered."""
        return len(self.latencies)

    def quantile(self, q: float) -> float:
        """Return the latency that a share `q` of the requests stayed within."""
        ranked = sorted(self.latencies)
        return ranked[min(len(ranked) - 1, int(q * len(ranked)))]


def post(path: str, body: bytes) -> bytes:
    """Return a whole request."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def get(path: str) -> bytes:
    """Return a whole request."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


class _Answer:
    """The answer being received: knows when it is whole."""

    __slots__ = ("_head", "_length", "_received", "_tail", "body_started")

    def __init__(self) -> None:
        self._head = b""
        self._length = -1
        """Of the body; -1 when it is chunked."""
        self._received = 0
        self._tail = b""
        self.body_started = False

    def feed(self, data: bytes) -> bool:
        """Take what arrived; True when the answer is whole."""
        if not self.body_started:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return False
            self._begin(head)
            if not data and self._length:
                return False
        self.body_started = True
        self._received += len(data)
        if self._length >= 0:
            return self._received >= self._length
        self._tail = (self._tail + data[-7:])[-7:]
        return self._tail == b"\r\n0\r\n\r\n"

    def _begin(self, head: bytes) -> None:
        self._head = head + b"\r\n\r\n"
        if not head.startswith(b"HTTP/1.1 200"):
            raise BadAnswer(head.decode("latin-1"))
        lower = head.lower()
        at = lower.find(b"\r\ncontent-length:")
        if at >= 0:
            self._length = int(lower[at + 17 :].split(b"\r\n", 1)[0])


class _Client(asyncio.Protocol):
    """One kept-alive connection that sends until `more` says no."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._answer = _Answer()
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.ended(BadAnswer("the server closed the connection") if self._transport else None)

    def data_received(self, data: bytes) -> None:
        started = self._answer.body_started
        try:
            whole = self._answer.feed(data)
        except BadAnswer as fault:
            self._close()
            self._load.ended(fault)
            return
        now = time.perf_counter()
        if self._answer.body_started and not started:
            self._load.result.first_bytes.append(now - self._sent)
        if whole:
            self._load.result.latencies.append(now - self._sent)
            self._send()

    def _send(self) -> None:
        assert self._transport is not None
        if not self._load.more():
            self._close()
            return
        self._answer = _Answer()
        self._sent = time.perf_counter()
        request = self._load.request
        self._transport.write(request if isinstance(request, bytes) else request())

    def _close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()


class _Load:
    """Counts what is left to send and waits for the last client."""

    def __init__(self, request: bytes | Maker, requests: int, clients: int) -> None:
        self.request = request
        self.result = Result()
        self._left = requests
        self._running = clients
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def more(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def ended(self, fault: BadAnswer | None) -> None:
        self._running -= 1
        if self.done.done():
            return
        if fault is not None:
            self.done.set_exception(fault)
        elif self._running == 0:
            self.done.set_result(None)


async def _drive(port: int, request: bytes | Maker, requests: int, clients: int) -> Result:
    loop = asyncio.get_running_loop()
    load = _Load(request, requests, clients)
    begun = time.perf_counter()
    await asyncio.gather(*(loop.create_connection(lambda: _Client(load), "127.0.0.1", port) for _ in range(clients)))
    async with asyncio.timeout(120):
        await load.done
    load.result.seconds = time.perf_counter() - begun
    return load.result


def run(port: int, request: bytes | Maker, *, requests: int, clients: int = 16) -> Result:
    """Send the request so many times over so many connections to a server on this machine.

    Raises:
        BadAnswer: An answer was no complete 200.
    """
    return uvloop.run(_drive(port, request, requests, clients))
