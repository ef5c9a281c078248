"""An HTTP/1.1 client for vendors: few features, exact endings.

asyncio and httptools directly. Measured against pyreqwest it takes a third of the CPU a call and half of it a chunk;
and leaving an exchange closes the vendor's connection at once, which pyreqwest does not do before the first byte.
No redirects, cookies, compression or proxies: an answer comes from the address in the run file or not at all.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple, cast
from urllib.parse import urlsplit
from weakref import WeakSet

from httptools import HttpParserError, HttpResponseParser

HEAD_LIMIT = 64 * 1024
READ_AHEAD = 256 * 1024
IDLE_SECONDS = 60.0
IDLE_CONNECTIONS = 256
LINGER_SECONDS = 1.0


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

    def send(self, request: bytes) -> None:
        """Start an exchange."""
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces = []
        self._buffered = self._head_bytes = self.status = 0
        self._done = self._framed = self._paused = self._keep_alive = self._moved = False
        self._started = self._last = self._loop.time()
        if self._transport is None:
            raise Cut("the connection was closed", answered=False)
        self._transport.write(request)
        self._watch = self._loop.call_later(
            min(self._deadlines.first_byte, self._deadlines.between, self._deadlines.total), self._check
        )

    async def head(self) -> int:
        """Return the status, as soon as there is something to `read` (or nothing will be)."""
        while not (self._pieces or self._done):
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
        wait, what = (
            (self._deadlines.between, "more of its answer")
            if self._moved
            else (self._deadlines.first_byte, "the first byte of its answer")
        )
        if now >= self._started + self._deadlines.total:
            self._fail(Late(f"the end of its answer did not come within {self._deadlines.total:g} s"))
        elif now >= self._last + wait:
            self._fail(Late(f"{what} did not come within {wait:g} s"))
        else:
            due = min(self._last + wait, self._started + self._deadlines.total)
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
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._fail(Garbled(f"the answer is not HTTP: {str(error)[:100]}"))
            return
        if self._pieces or self._done:
            self._tell()
        if self._buffered > READ_AHEAD and not (self._paused or self._done) and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if not self.status:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self._fail(Garbled(f"the answer's header exceeds {HEAD_LIMIT} bytes"))

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
                    answered=bool(self.status or self._head_bytes),
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


class Client:
    """Connections to one vendor, kept and reused. Belongs to the event loop that made it."""

    def __init__(self, base_url: str, deadlines: Deadlines, tls: ssl.SSLContext | None = None) -> None:
        """Prepare; no connection is made. `base_url` is `http://` or `https://`, host, and perhaps port and path."""
        url = urlsplit(base_url)
        self._deadlines = deadlines
        self._host = url.hostname or ""
        self._tls = (tls or ssl.create_default_context()) if url.scheme == "https" else None
        self._port = url.port or (443 if self._tls else 80)
        self._idle: list[Connection] = []
        self._all: WeakSet[Connection] = WeakSet()
        self._closed = False
        self.authority = url.netloc.rpartition("@")[2]
        self.path = url.path.rstrip("/")

    async def answered(self, request: bytes, *, reuse: bool = True) -> Connection:
        """Send a request (head and body); return its connection when the answer's head and first piece are there.

        The caller reads from it and then calls `release`.
        """
        connection = (self._take() if reuse else None) or await self._connect()
        try:
            connection.send(request)
            await connection.head()
        except Cut as cut:
            if connection.fresh or cut.answered:
                raise
            # The vendor closed a kept connection just as we used it: not a failure of this request.
            return await self.answered(request, reuse=False)
        except BaseException:
            connection.close()
            raise
        return connection

    def release(self, connection: Connection, *, ended: bool = False) -> None:
        """Keep the connection for the next request if its answer is complete, else close it.

        Args:
            connection: One that `answered` returned.
            ended: The content has ended, only HTTP's own end may be missing yet: wait for that in the background.
        """
        if connection.reusable and not self._closed and len(self._idle) < IDLE_CONNECTIONS:
            connection.fresh = False
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        elif ended and not connection.done:
            connection.linger(self.release)
        else:
            connection.close()

    def close(self) -> None:
        """Close every connection. Exchanges under way are cut."""
        self._closed = True
        self._idle.clear()
        for connection in list(self._all):
            connection.close()

    def _take(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._deadlines.connect):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._deadlines), self._host, self._port, ssl=self._tls
                )
        except TimeoutError:
            raise Late(f"no connection within {self._deadlines.connect:g} s") from None
        except OSError as error:
            raise NotConnected(f"no connection: {error.strerror or error}") from error
        self._all.add(connection)
        return connection
