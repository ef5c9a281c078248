"""Reading a request: its body within a limit, its query into a Struct."""

import asyncio
from collections.abc import Hashable, Iterable
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect
from starlette.types import Message, Receive, Scope

from stackwright.errors import InvalidRequest, TooLarge, Unavailable
from stackwright.kit.decoding import from_decoding

_SETTING = "server.max_body_bytes"


class ClientGone(Exception):
    """The caller hung up before the request was whole. There is nobody to answer."""


class NotRead(ClientGone):
    """The caller is there, but takes nothing of the answer. Its connection is to be cut."""


PATIENCE_SECONDS = 30.0
BYTES_PER_SECOND = 1024
"""A body must come at this rate at least, after this much patience."""
LINGER_BYTES = 64 * 1024 * 1024
LINGER_SECONDS = 10.0
LINGER_PAUSE = 1.0
"""How much of a refused body is read and dropped. A caller still sending when we close would see a broken connection
instead of the refusal; one who pauses is waiting for it."""


LITTLE = 64 * 1024
"""Bytes of a whole body that is not counted: it comes in one piece, and costs less than what a request needs anyway."""


class TooSlow(InvalidRequest):
    """The caller began a request and did not go on with it."""

    status = 408
    code = "request_timeout"


class Bodies:
    """Reads request bodies, each within a limit, and those of all requests under way within another."""

    def __init__(self, limit: int, at_once: int) -> None:
        """`limit`: bytes of one body; `at_once`: of all, those on their way and those of requests that are not over."""
        self._limit = limit
        self._room = at_once

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Return the whole body, to be given to `over` when its request is. `TooLarge` when it exceeds the limit, of
        which no more is held; `Unavailable` while too much is held of others."""
        raw = await self._whole(scope, receive)
        self.hold(raw)
        return raw

    def hold(self, raw: bytes) -> None:
        """Count what came until it is `over`. `Unavailable` while too much is held of others."""
        if len(raw) > LITTLE:
            if len(raw) > self._room:
                raise _too_many()
            self._room -= len(raw)

    def over(self, raw: bytes) -> None:
        """A request is over, and its body will be gone."""
        if len(raw) > LITTLE:
            self._room += len(raw)

    async def _whole(self, scope: Scope, receive: Receive) -> bytes:
        await check_head(scope, receive, self._limit)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as deadline:
                message = await receive()
                if message["type"] == "http.request" and not message.get("more_body"):
                    return _within(message.get("body", b""), self._limit)
                return await self._read_on(message, receive, deadline)
        except TimeoutError:
            raise too_slow() from None

    async def _read_on(self, message: Message, receive: Receive, deadline: asyncio.Timeout) -> bytes:
        started = asyncio.get_running_loop().time()
        parts = bytearray()
        try:
            while message["type"] != "http.disconnect":
                await self._hold(message.get("body", b""), parts, receive)
                if not message.get("more_body"):
                    return bytes(parts)
                deadline.reschedule(started + PATIENCE_SECONDS + len(parts) / BYTES_PER_SECOND)
                message = await receive()
        finally:
            self._room += len(parts)
        raise ClientGone

    async def _hold(self, chunk: bytes, parts: bytearray, receive: Receive) -> None:
        parts += chunk
        self._room -= len(chunk)
        if len(parts) <= self._limit and self._room >= 0:
            return
        refusal = too_large(self._limit) if len(parts) > self._limit else _too_many()
        # Before the rest is awaited, for others have a use for the room: else nobody's body would become whole.
        self._room += len(parts)
        parts.clear()
        await drop(receive)
        raise refusal


async def check_head(scope: Scope, receive: Receive, limit: int, setting: str = _SETTING, *, beside: int = 0) -> None:
    """Refuse a body that says it is too large, or compressed. `beside` is what it may have that does not count."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit + beside:
            # A caller who expects 100 Continue has sent nothing yet, and needs not.
            if (b"expect", b"100-continue") not in scope["headers"]:
                await drop(receive)
            raise too_large(limit, setting)
        if name == b"content-encoding" and value.lower() != b"identity":
            raise InvalidRequest(
                f"Content-Encoding {value.decode('latin-1')!r} is not supported; send the body uncompressed.",
                code="unsupported_content_encoding",
            )


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise too_large(limit)
    return body


async def drop(receive: Receive) -> None:
    """Read some of a refused body."""
    left = LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await asyncio.wait_for(receive(), LINGER_PAUSE)
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def too_large(limit: int, setting: str = _SETTING) -> TooLarge:
    """Return what to say of a body beyond the limit."""
    return TooLarge(f"The request body is larger than {limit} bytes, the limit set by {setting}.")


def _too_many() -> Unavailable:
    return Unavailable(
        "The server has too many large requests at once. Try again in a second. "
        "How much they may have is set by server.max_body_bytes_at_once.",
        code="overloaded",
    )


def too_slow() -> TooSlow:
    """Return what to say of a body that does not come."""
    return TooSlow(
        f"The request's body came at less than {BYTES_PER_SECOND} bytes a second for {PATIENCE_SECONDS:g} s."
    )


def query(scope: Scope, type: Any) -> Any:
    """Decode the query string."""
    return from_pairs(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True), type)


def from_pairs(pairs: Iterable[tuple[str, str]], type: Any) -> Any:
    """Decode what a query or a form has. `name[key]=value` fills a mapping, `name[]=value` and repeated names a list;
    where the type has no list, the last of repeated names counts."""
    fields: dict[str, Any] = {}
    lists = _lists_of(type)
    for name, value in pairs:
        head, bracket, key = name.partition("[")
        if head in lists and key in ("", "]"):
            listed = fields.setdefault(head, [])
            if isinstance(listed, list):
                listed.append(value)
        elif bracket and key.endswith("]"):
            nested = fields.setdefault(head, {})
            if isinstance(nested, dict):
                nested[key[:-1]] = value
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, type, strict=False)
    except msgspec.ValidationError as error:
        raise from_decoding(error, type) from None


@cache
def _lists_of(struct: Hashable) -> frozenset[str]:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return frozenset(field.encode_name for field in info.fields if isinstance(field.type, inspect.ListType))
