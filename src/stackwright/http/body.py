"""Reading a request: its body within a limit, its query into a Struct."""

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope

from stackwright.errors import InvalidRequest, TooLarge
from stackwright.http.errors import from_decoding


class ClientGone(Exception):
    """The caller hung up before the request was whole. There is nobody to answer."""


async def read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole body. `TooLarge` as soon as it is known to exceed `limit` bytes."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
        if name == b"content-encoding" and value.lower() != b"identity":
            raise InvalidRequest(
                f"Content-Encoding {value.decode('latin-1')!r} is not supported; send the body uncompressed.",
                code="unsupported_content_encoding",
            )
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    return await _read_on(message, receive, limit)


async def _read_on(message: Any, receive: Receive, limit: int) -> bytes:
    parts = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts += message.get("body", b"")
        if len(parts) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return bytes(parts)
        message = await receive()


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is larger than {limit} bytes, the limit set by server.max_body_bytes.")


def query(scope: Scope, type: type[Any]) -> Any:
    """Decode the query string. `name[key]=value` fills a mapping; the last of repeated names counts."""
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        head, bracket, key = name.partition("[")
        if bracket and key.endswith("]"):
            nested = fields.setdefault(head, {})
            if isinstance(nested, dict):
                nested[key[:-1]] = value
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, type, strict=False)
    except msgspec.ValidationError as error:
        raise from_decoding(error) from None
