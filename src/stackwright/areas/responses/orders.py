"""What a caller sends over a WebSocket, read: an order for a response, and how to tell what comes of it."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from stackwright.areas.models import fields
from stackwright.errors import InvalidRequest, StackwrightError
from stackwright.kit.decoding import from_decoding
from stackwright.wire.events import ErrorEvent, Event
from stackwright.wire.responses import ResponseRequest

CREATE, STEER = "response.create", "response.steer"
_encode = msgspec.json.Encoder().encode
_decode_request = msgspec.json.Decoder(ResponseRequest).decode
_NOT_THE_REQUESTS = ("type", "stream_id", "generate", "stream", "background")


class _Head(Struct):
    """What only a message over a WebSocket has, or must not have."""

    type: str
    stream_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    generate: bool | None = None
    stream: bool | None = None
    background: bool | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


class Order(Struct, frozen=True, kw_only=True):
    """A request for one response."""

    request: ResponseRequest
    raw: bytes
    """Its body as it would have come over HTTP."""
    stream_id: str | None
    """Which of the connection's lanes it is for."""
    generate: bool


class Failed(Struct, tag="error", tag_field="type", omit_defaults=True, kw_only=True):
    """The event that tells of a failure."""

    error: dict[str, Any]
    status: int | UnsetType = UNSET
    sequence_number: int | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET


def read(message: bytes) -> Order:
    """Return the order in a message. `InvalidRequest` when there is none."""
    try:
        head = _decode_head(message)
        _check(head)
        params = fields(message)
        for name in _NOT_THE_REQUESTS:
            params.pop(name, None)
        raw = _encode({**params, "stream": True})
        request = _decode_request(raw)
    except msgspec.DecodeError as error:
        raise from_decoding(error, ResponseRequest) from None
    except RecursionError:
        raise InvalidRequest("The message is nested too deeply.", code="invalid_json") from None
    return Order(request=request, raw=raw, stream_id=head.stream_id, generate=head.generate is not False)


def lane_of(message: bytes) -> str | None:
    """Return which lane a message that is no order meant, as far as that can be told."""
    try:
        return _decode_head(message).stream_id
    except (msgspec.DecodeError, RecursionError):
        return None


def _check(head: _Head) -> None:
    if head.type == STEER:
        raise InvalidRequest(
            "Responses cannot be steered here. Send the input with the next response.create.",
            param="type",
            code="steering_not_supported",
        )
    if head.type != CREATE:
        raise InvalidRequest(
            f"Invalid value: '{head.type}'. Supported values are: '{CREATE}'.", param="type", code="invalid_value"
        )
    if head.stream is False:
        raise InvalidRequest("Over a WebSocket every response is streamed: leave 'stream' out.", param="stream")
    if head.background:
        raise InvalidRequest(
            "Background responses are not made over a WebSocket. Create them over HTTP.",
            param="background",
            code="unsupported_parameter",
        )


def failure(error: StackwrightError, stream_id: str | None) -> bytes:
    """Return the event that tells of a failure, as OpenAI has it on WebSockets."""
    told = {"type": error.type, "code": error.code, "message": error.told, "param": error.param, **error.details}
    if error.headers:
        told["headers"] = error.headers
    return _encode(Failed(error=told, status=error.status, stream_id=stream_id or UNSET))


def spelled(made: Sequence[Event]) -> list[bytes]:
    """Return events as JSON."""
    return [_encode(_nested(event) if isinstance(event, ErrorEvent) else event) for event in made]


def _nested(event: ErrorEvent) -> Failed:
    told = {"type": "server_error", "code": event.code, "message": event.message, "param": event.param}
    return Failed(error=told, sequence_number=event.sequence_number)


def marked(event: bytes, stream_id: str | None) -> bytes:
    """Return an event with the lane that it belongs to."""
    return event if stream_id is None else b'%b,"stream_id":%b}' % (event[:-1], _encode(stream_id))
