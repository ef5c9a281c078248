"""Chroma's HTTP API, version 2: one request, one JSON answer, its failures in our words."""

import asyncio
from typing import Any, NoReturn
from urllib.parse import quote

import msgspec

from stackwright.config.secret import Secret
from stackwright.errors import (
    InvalidRequest,
    RateLimited,
    TooLarge,
    Unavailable,
    UpstreamAuth,
    UpstreamError,
    UpstreamTimeout,
)
from stackwright.providers.http1 import Cut, Deadlines, HttpError, Late, NotConnected
from stackwright.providers.http1_client import Client

_MOST = 64 * 1024 * 1024


class Missing(Exception):
    """Chroma has no such collection."""


class Chroma:
    """A Chroma database, as far as collections and their records go."""

    def __init__(self, url: str, *, tenant: str, database: str, token: Secret | None, timeout: float) -> None:
        deadlines = Deadlines(connect=min(timeout, 5.0), first_byte=timeout, between=timeout, total=timeout)
        self._client = Client(url, deadlines)
        self._token = token
        self._root = f"{self._client.path}/api/v2/tenants/{quote(tenant, '')}/databases/{quote(database, '')}"

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make one request below `/collections` and return the answer's JSON.


        Raises:
            Missing: 404.
            InvalidRequest: Chroma found fault with what the caller sent.
            Unavailable, UpstreamError, UpstreamAuth, UpstreamTimeout: Chroma is away, refuses us, or failed.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        status, answer = await self._exchange(method, path, content)
        if status == 401 and self._token is not None and await asyncio.to_thread(self._token.renew):
            status, answer = await self._exchange(method, path, content)
        if status == 404:
            raise Missing
        if status >= 400:
            _fail(status, answer)
        try:
            return msgspec.json.decode(answer)
        except msgspec.DecodeError as error:
            raise UpstreamError("Chroma answered something that is not JSON.") from error

    async def _exchange(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        try:
            return await self._send(method, path, content)
        except NotConnected as error:
            raise Unavailable(f"Chroma is away: {error}.", code="vector_store_unavailable") from error
        except Cut as error:
            raise Unavailable(f"Chroma went away: {error}.", code="vector_store_unavailable") from error
        except Late as error:
            raise UpstreamTimeout(f"Chroma is too slow: {error}.") from error
        except HttpError as error:
            raise UpstreamError(f"Chroma failed: {error}.") from error

    async def _send(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        connection = await self._client.answered(self._head(method, path, len(content)) + content)
        try:
            answer = bytearray()
            while piece := await connection.read():
                answer += piece
                if len(answer) > _MOST:
                    raise UpstreamError("Chroma's answer is over 64 MB.")
            return connection.status, bytes(answer)
        finally:
            self._client.release(connection)

    def _head(self, method: str, path: str, length: int) -> bytes:
        lines = [
            f"{method} {self._root}/collections{path} HTTP/1.1",
            f"Host: {self._client.authority}",
            "Content-Type: application/json",
            f"Content-Length: {length}",
        ]
        if self._token is not None:
            lines += [f"Authorization: Bearer {self._token.reveal()}", f"X-Chroma-Token: {self._token.reveal()}"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _fail(status: int, answer: bytes) -> NoReturn:
    said = _message(answer)
    if status in (401, 403):
        raise UpstreamAuth("Chroma refuses our api_token.")
    if status == 413:
        raise TooLarge(f"Chroma takes no request of this size: {said}")
    if status == 429:
        raise RateLimited(f"Chroma is at its limit: {said}")
    if 400 <= status < 500:
        raise InvalidRequest(f"Chroma refuses: {said}")
    if status == 503:
        raise Unavailable(f"Chroma is busy: {said}", code="vector_store_unavailable")
    raise UpstreamError(f"Chroma failed with status {status}: {said}")


def _message(answer: bytes) -> str:
    try:
        return str(msgspec.json.decode(answer)["message"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return "it does not say why."
