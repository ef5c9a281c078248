"""Connections of which little is read before an answer begins.

A server may say `100 Continue` for as long as it likes, and each takes the event loop longer than the server. What
counts is all that has come before the answer's head is whole.
"""

import ssl
from collections.abc import Iterable
from contextvars import ContextVar

import httpcore2
import httpx2

HEAD_BYTES = 64 * 1024
_PIECE = 4096
"""Bytes that are looked at without a pause."""
_left: ContextVar[int | None] = ContextVar("left", default=None)
"""Bytes that may still come before the head of the answer that is waited for, while one is."""


class TooLong(httpx2.ReadError):
    """An answer of more bytes than we take."""


class Transport(httpx2.AsyncHTTPTransport):
    """HTTP over such connections."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls)
        # The pool has a parameter for it, which httpx does not pass on.
        self._pool._network_backend = _Network()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer when its head is there. `TooLong` when there is no end of what comes before."""
        token = _left.set(HEAD_BYTES)
        try:
            return await super().handle_async_request(request)
        finally:
            _left.reset(token)


class _Network(httpcore2.AnyIOBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _Stream(await super().connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner
        self.write = inner.write  # type: ignore[method-assign]
        self.aclose = inner.aclose  # type: ignore[method-assign]
        self.get_extra_info = inner.get_extra_info  # type: ignore[method-assign]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = _left.get()
        if left is None:
            return await self._inner.read(max_bytes, timeout)
        if left <= 0:
            raise TooLong("Too much comes before the answer.")
        data = await self._inner.read(min(max_bytes, _PIECE), timeout)
        _left.set(left - len(data))
        return data

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
