"""One connection of an HTTP/1.1 client for vendors: few features, exact endings.

asyncio and httptools directly. Measured against pyreqwest it takes a third of the CPU a call and half of it a chunk;
and leaving an exchange closes the vendor's connection at once, which pyreqwest does not do before the first byte.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

HEAD_LIMIT = 64 * 1024
FRAMING_LIMIT = 1024 * 1024
"""Bytes around a body's pieces, beside as many as are in them. To read a crumb takes longer than to send it."""
READ_AHEAD = 256 * 1024
LINGER_SECONDS = 1.0
JOINED = 64 * 1024
"""Bytes of a body that is copied to be sent in one piece with its head. A larger one is not held twice."""


class HttpError(Exception):
    """The exchange failed. The message says how, without the address."""


class NotConnected(HttpError):
    """No connection could be made: nothing was sent."""


class Cut(HttpError):
    """The vendor closed the connection in the middle. `answered` when a byte of the answer had come."""

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered


class Garbled(HttpError):
    """What came is not HTTP/1.1."""


class Late(HttpError):
    """A deadline passed."""


class Deadlines(NamedTuple):
    """How long to wait, in seconds."""

    connect: float
    first_byte: float
    """From the request to the first byte of the answer's body."""
    between: float
    """Between two pieces of the body, while somebody wants to read it."""
    total: float
    """From the request to the end."""


class Connection(asyncio.Protocol):
    """One socket, one exchange at a time. Raises what ended an exchange from `head` and `read`."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadlines = deadlines
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._pieces: list[bytes] = []
        self._done = True
        self._failure: HttpError | None = None
        self._then: Callable[[Connection], None] | None = None
        self.idle_since = 0.0
        self.fresh = True

    @property
    def reusable(self) -> bool:
        """True between two exchanges, while both sides keep the connection open."""
        return self._done and self._failure is None and self._transport is not None and self._keep_alive

    @property
    def done(self) -> bool:
        """True when the whole answer has been received."""
        return self._done

    def header(self, wanted: bytes) -> str | None:
        """Return a field of the answer's header; `wanted` in lower case."""
        for name, value in self._headers:
            if name.lower() == wanted:
                return value.decode("latin-1")
        return None

    def send(self, head: bytes, body: bytes = b"") -> None:
        """Start an exchange."""
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces = []
        self._buffered = self._beside = self._framing = self.status = 0
        self._done = self._framed = self._paused = self._keep_alive = self._moved = False
        self._started = self._last = self._loop.time()
        if self._transport is None:
            raise Cut("the connection was closed", answered=False)
        if len(body) > JOINED:
            self._transport.write(head)
            self._transport.write(body)
        else:
            self._transport.write(head + body)
        self._watch = self._loop.call_later(
            min(self._deadlines.first_byte, self._deadlines.between, self._deadlines.total), self._check
        )

    async def head(self, *, alone: bool = False) -> int:
        """Return the status, as soon as there is something to `read` (or nothing will be), or `alone` before that."""
        while not (self._pieces or self._done or (alone and self.status)):
            if self._failure is not None:
                raise self._failure
            await self._news()
        return self.status

    async def read(self) -> bytes:
        """Return what has arrived of the body, at least a byte, or nothing at its proper end."""
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self._done:
                return b""
            await self._news()
        pieces, self._pieces, self._buffered = self._pieces, [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def linger(self, then: Callable[["Connection"], None]) -> None:
        """Forget what still comes; call `then` at the end of the answer, or close when that is not near."""
        self._then = then
        self._stop_watching()
        self._watch = self._loop.call_later(LINGER_SECONDS, self.close)

    def close(self) -> None:
        """Drop the connection, whatever is under way."""
        self._stop_watching()
        if self._transport is not None:
            self._transport.abort()

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: HttpError) -> None:
        if self._failure is None:
            self._failure = failure
        self.close()
        self._tell()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _check(self) -> None:
        # One timer an exchange, set again when it finds that data came meanwhile: nothing to pay for a chunk.
        now = self._loop.time()
        if self._waiter is None and self._moved:
            # The reader is slow, not the vendor.
            self._last = now
        # Before the body nothing counts as an answer: neither a header in driblets nor "100 Continue" for ever.
        since, wait, what = (
            (self._last, self._deadlines.between, "more of its answer")
            if self._moved
            else (self._started, self._deadlines.first_byte, "the first byte of its answer")
        )
        if now >= self._started + self._deadlines.total:
            self._fail(Late(f"the end of its answer did not come within {self._deadlines.total:g} s"))
        elif now >= since + wait:
            self._fail(Late(f"{what} did not come within {wait:g} s"))
        else:
            due = min(since + wait, self._started + self._deadlines.total)
            self._watch = self._loop.call_at(due, self._check)

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._done:
            self._fail(Garbled("bytes came that nobody asked for"))
            return
        self._last = self._loop.time()
        self._beside += len(data)
        buffered = self._buffered
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail(Garbled("it wants to change the protocol, which nobody asked for"))
            return
        except HttpParserError as error:
            self._fail(Garbled(f"the answer is not HTTP: {str(error)[:100]}"))
            return
        if self.status:
            self._tell()
        if self._buffered > READ_AHEAD and not (self._paused or self._done) and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if self._beside > HEAD_LIMIT and not self._done:
            part = "trailer" if self._moved else "header"
            self._fail(Garbled(f"the answer's {part} exceeds {HEAD_LIMIT} bytes"))
        self._framing += len(data) - 2 * (self._buffered - buffered)
        if self._framing > FRAMING_LIMIT and not self._done:
            self._fail(Garbled(f"the answer's pieces have {FRAMING_LIMIT} bytes more around them than in them"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._stop_watching()
        if not self._done:
            if self.status and not self._framed and exc is None and self._failure is None:
                self._done = True
            elif self._failure is None:
                how = "reset" if isinstance(exc, ConnectionResetError) else "closed"
                self._failure = Cut(
                    f"the connection was {how} before the end of the answer",
                    answered=bool(self.status or self._beside),
                )
        self._tell()

    # What the parser tells.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._keep_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._beside = 0
        if self._then is not None:
            return
        self._moved = True
        self._pieces.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        if self.status < 200:
            # 100 Continue and its like: the answer is still to come.
            self.status, self._headers, self._framed = 0, [], False
            return
        self._done = True
        self._stop_watching()
        if self._then is not None:
            then, self._then = self._then, None
            then(self)
