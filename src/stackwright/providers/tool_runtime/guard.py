"""HTTP for servers that callers name: dials only what `Egress` allows, and reads only so much."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from itertools import islice

import httpx2

from stackwright.providers.egress import Egress

MAX_VALUES = 50_000
"""Of one message of a server. The SDK takes some 20 microseconds for a value that it does not want, on the event loop;
4 MiB of zeros with commas between them would take it 40 seconds."""
_STREAM = "text/event-stream"
_PIECE = re.compile(rb'"(?:[^"\\\r\n]++|\\[^\r\n])*+"?|[\[{,]')


class TooLong(httpx2.ReadError):
    """A message of more bytes than we take."""


class Guard(httpx2.AsyncBaseTransport):
    """Sends each request to an address that was looked at, under the name that the URL has.

    Redirects and proxies are none of its business: who uses it follows none without asking again, and knows no proxy.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, egress: Egress, *, max_bytes: int) -> None:
        self._inner = inner
        self._egress = egress
        self._max_bytes = max_bytes
        self.refused: int | None = None
        """The status of the latest answer to a message of ours that was an error, or led elsewhere."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. `Forbidden` when it may not go there."""
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
            stream = _Events(response.stream)
        else:
            stream = _Bounded(response.stream, self._max_bytes)
        return httpx2.Response(response.status_code, headers=headers, stream=stream, extensions=response.extensions)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """A body that breaks off where it becomes too long. It comes at once, when it has been looked through."""

    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner = inner
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = bytearray()
        async for piece in self._inner:
            body += piece
            if len(body) > self._most:
                raise TooLong("The answer is too long.")
        if values_in(bytes(body)) > MAX_VALUES:
            raise TooLong("The answer has too many values.")
        yield bytes(body)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Events(httpx2.AsyncByteStream):
    """A stream of events that breaks off where one has too many values. Its bytes are bounded where it is read."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        line: list[bytes] = []
        values = 0
        async for piece in self._inner:
            *ends, rest = piece.split(b"\n")
            for end in ends:
                whole = b"".join([*line, end]).rstrip(b"\r")
                line = []
                # An empty line ends an event.
                values = values + values_in(whole) if whole else 0
                if values > MAX_VALUES:
                    raise httpx2.SSEError("An event has too many values.")
            line.append(rest)
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


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
