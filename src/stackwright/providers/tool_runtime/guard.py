"""HTTP for servers that callers name: dials only what `Egress` allows, and reads only so much."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from itertools import islice

import httpx2

from stackwright.providers.egress import Egress
from stackwright.providers.tool_runtime.heads import TooLong

MAX_VALUES = 50_000
"""Of one message of a server. The SDK takes some 20 microseconds for a value that it does not want, on the event loop;
4 MiB of zeros with commas between them would take it 40 seconds."""
SAYS = 8 * 1024 * 1024, 5_000, 4 * MAX_VALUES
"""Bytes, messages and values that a server may send for a question of ours, over all its streams: a stream of small
events may take the event loop as long as one large one."""
PIECE = 256
LINE = 32
"""Bytes that a piece of an answer counts for at least, and a line of it: to pass on a crumb takes longer than to send
it."""
_STREAM = "text/event-stream"
_PIECE = re.compile(rb'"(?:[^"\\\r\n]++|\\[^\r\n])*+"?|[\[{,]')


class Allowance:
    """What a server may say: so much for each question that is being asked."""

    def __init__(self) -> None:
        self._asked = 0
        self._left = (0, 0, 0)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Allow for one question more. What is left when nobody asks is for what comes before the next."""
        left = self._left if self._asked else (0, 0, 0)
        self._left = (left[0] + SAYS[0], left[1] + SAYS[1], left[2] + SAYS[2])
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1

    def exceeded(self, size: int = 0, messages: int = 0, values: int = 0) -> bool:
        """Use some of it; true when there is not so much."""
        left = self._left
        self._left = (left[0] - size, left[1] - messages, left[2] - values)
        return min(self._left) < 0


class Guard(httpx2.AsyncBaseTransport):
    """Sends each request to an address that was looked at, under the name that the URL has.

    Redirects and proxies are none of its business: who uses it follows none without asking again, and knows no proxy.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, egress: Egress, *, max_bytes: int) -> None:
        self._inner = inner
        self._egress = egress
        self._max_bytes = max_bytes
        self._allowance = Allowance()
        self.asking = self._allowance.asking
        self.refused: int | None = None
        """The status of the latest answer to a message of ours that was an error, or led elsewhere."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. `Forbidden` when it may not go there."""
        if self._allowance.exceeded(messages=1):
            raise TooLong("It has answered too often.")
        request.headers["Accept-Encoding"] = "identity"
        try:
            addresses = await self._egress.addresses(str(request.url))
        except OSError:
            raise httpx2.ConnectError("Nobody knows a server of that name.") from None
        response = await self._sent(request, addresses)
        # Streams beside the messages, which a GET opens, may be refused without harm.
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES and request.method == "POST":
            self.refused = response.status_code
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.RemoteProtocolError("The answer is compressed although nobody asked for that.")
        return self._bounded(response)

    async def _sent(self, request: httpx2.Request, addresses: list[str]) -> httpx2.Response:
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_pinned(request, addresses[-1]))

    def _bounded(self, response: httpx2.Response) -> httpx2.Response:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        headers = response.headers
        stream: httpx2.AsyncByteStream
        if headers.get("content-type", "").lower().startswith(_STREAM):
            # Without a charset: events are UTF-8, and what is read as something else is not what was counted.
            headers = httpx2.Headers([(name, value) for name, value in headers.items() if name != "content-type"])
            headers["content-type"] = _STREAM
            stream = _Events(response.stream, self._allowance)
        else:
            stream = _Bounded(response.stream, self._max_bytes, self._allowance)
        return httpx2.Response(response.status_code, headers=headers, stream=stream, extensions=response.extensions)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """A body that breaks off where it becomes too long. It comes at once, when it has been looked through."""

    def __init__(self, inner: httpx2.AsyncByteStream, most: int, allowance: Allowance) -> None:
        self._inner = inner
        self._most = most
        self._allowance = allowance

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = bytearray()
        crumbs = 0
        async for piece in self._inner:
            body += piece
            crumbs += max(0, PIECE - len(piece))
            if len(body) + crumbs > self._most:
                raise TooLong("The answer is too long.")
        values = values_in(bytes(body))
        if values > MAX_VALUES or self._allowance.exceeded(size=len(body), values=values):
            raise TooLong("The answer has too many values.")
        yield bytes(body)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Events(httpx2.AsyncByteStream):
    """A stream of events that breaks off where one has too many values, or where all are too many. The bytes of one are
    bounded where it is read."""

    def __init__(self, inner: httpx2.AsyncByteStream, allowance: Allowance) -> None:
        self._inner = inner
        self._allowance = allowance

    async def __aiter__(self) -> AsyncIterator[bytes]:
        line: list[bytes] = []
        values, cut = 0, False
        async for piece in self._inner:
            if self._allowance.exceeded(size=max(PIECE, len(piece))):
                raise httpx2.SSEError("The events are too long.")
            *ends, rest = _one_kind_of_ends(piece, cut=cut).split(b"\n")
            cut = piece.endswith(b"\r")
            for end in ends:
                whole = b"".join([*line, end])
                line = []
                values = self._counted(whole, values)
            line.append(rest)
            yield piece

    def _counted(self, line: bytes, values: int) -> int:
        """Return how many values the event has with one line more, where `values` are in those before it."""
        more = values_in(line)
        # An empty line ends an event.
        size = max(0, LINE - len(line))
        if values + more > MAX_VALUES or self._allowance.exceeded(size=size, messages=not line, values=more):
            raise httpx2.SSEError("There are too many events, or an event has too many values.")
        return values + more if line else 0

    async def aclose(self) -> None:
        await self._inner.aclose()


def _one_kind_of_ends(piece: bytes, *, cut: bool) -> bytes:
    """Return a piece of a stream with one kind of line ends. `cut`: the piece before it ended within one."""
    if cut and piece.startswith(b"\n"):
        piece = piece[1:]
    return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in piece else piece


def values_in(text: bytes) -> int:
    """Return about how many values there are in JSON, or in a line of it; those beyond too many are not counted."""
    return sum(1 for _ in islice(_PIECE.finditer(text), MAX_VALUES + 1))


def _pinned(request: httpx2.Request, address: str) -> httpx2.Request:
    """Return the request for one address. The URL's name stays in `Host`, and is what the certificate must be for."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
    )
