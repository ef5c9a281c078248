"""Reading a request: its body within a limit, its query into a Struct."""

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect
from starlette.types import Message, Receive, Scope

from stackwright.errors import InvalidRequest, TooLarge
from stackwright.http.errors import from_decoding


class ClientGone(Exception):
    """The caller hung up before the request was whole. There is nobody to answer."""


PATIENCE_SECONDS = 30.0
BYTES_PER_SECOND = 1024
"""A body must come at this rate at least, after this much patience."""
LINGER_BYTES = 64 * 1024 * 1024
LINGER_SECONDS = 10.0
LINGER_PAUSE = 1.0
"""How much of a refused body is read and dropped. A caller still sending when we close would see a broken connection
instead of the refusal; one who pauses is waiting for it."""


class TooSlow(InvalidRequest):
    """The caller began a request and did not go on with it."""

    status = 408
    code = "request_timeout"


async def read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole body. `TooLarge` when it exceeds `limit` bytes, of which no more are held."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            # A caller who expects 100 Continue has sent nothing yet, and needs not.
            if (b"expect", b"100-continue") not in scope["headers"]:
                await _drop(receive)
            raise _too_large(limit)
        if name == b"content-encoding" and value.lower() != b"identity":
            raise InvalidRequest(
                f"Content-Encoding {value.decode('latin-1')!r} is not supported; send the body uncompressed.",
                code="unsupported_content_encoding",
            )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS) as deadline:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                return _within(message.get("body", b""), limit)
            return await _read_on(message, receive, limit, deadline)
    except TimeoutError:
        raise TooSlow(
            f"The request body came at less than {BYTES_PER_SECOND} bytes a second for {PATIENCE_SECONDS:g} seconds."
        ) from None


async def _read_on(message: Message, receive: Receive, limit: int, deadline: asyncio.Timeout) -> bytes:
    started = asyncio.get_running_loop().time()
    parts = bytearray()
    while message["type"] != "http.disconnect":
        parts += message.get("body", b"")
        if len(parts) > limit:
            await _drop(receive)
            raise _too_large(limit)
        if not message.get("more_body"):
            return bytes(parts)
        deadline.reschedule(started + PATIENCE_SECONDS + len(parts) / BYTES_PER_SECOND)
        message = await receive()
    raise ClientGone


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _drop(receive: Receive) -> None:
    left = LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await asyncio.wait_for(receive(), LINGER_PAUSE)
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is larger than {limit} bytes, the limit set by server.max_body_bytes.")


def query(scope: Scope, type: Any) -> Any:
    """Decode the query string. `name[key]=value` fills a mapping, `name[]=value` and repeated names a list; where the
    type has no list, the last of repeated names counts."""
    fields: dict[str, Any] = {}
    lists = _lists_of(type)
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        head, bracket, key = name.partition("[")
        if head in lists and key in ("", "]"):
            fields.setdefault(head, []).append(value)
        elif bracket and key.endswith("]"):
            nested = fields.setdefault(head, {})
            if isinstance(nested, dict):
                nested[key[:-1]] = value
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, type, strict=False)
    except msgspec.ValidationError as error:
        raise from_decoding(error) from None


@cache
def _lists_of(struct: Hashable) -> frozenset[str]:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return frozenset(field.encode_name for field in info.fields if isinstance(field.type, inspect.ListType))
