"""HTTP for servers that callers name: dials only what `Egress` allows, and reads only so much."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx2

from stackwright.providers.egress import Egress

_STREAM = "text/event-stream"


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
        """The status of the latest answer to a message of ours that was an error."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. `Forbidden` when it may not go there."""
        request.headers["Accept-Encoding"] = "identity"
        try:
            addresses = await self._egress.addresses(str(request.url))
        except OSError:
            raise httpx2.ConnectError("Nobody knows a server of that name.") from None
        response = await self._sent(request, addresses)
        # Streams beside the messages, which a GET opens, may be refused without harm.
        if response.status_code >= HTTPStatus.BAD_REQUEST and request.method == "POST":
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
        # The events of a stream are bounded one by one, where they are read.
        if response.headers.get("content-type", "").lower().startswith(_STREAM):
            return response
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Bounded(response.stream, self._max_bytes),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """A body that breaks off where it becomes too long."""

    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner = inner
        self._left = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            self._left -= len(piece)
            if self._left < 0:
                raise TooLong("The answer is too long.")
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


def _pinned(request: httpx2.Request, address: str) -> httpx2.Request:
    """Return the request for one address. The URL's name stays in `Host`, and is what the certificate must be for."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
    )
