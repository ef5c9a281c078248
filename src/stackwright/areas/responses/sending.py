"""Responses on their way out: rows put together to JSON, and events as server-sent events."""

from collections.abc import Sequence

import msgspec

from stackwright.areas.responses.journal import NAMES, padding
from stackwright.http.call import Json
from stackwright.wire import events
from stackwright.wire.events import Event
from stackwright.wire.include import Include, hide, may_hide
from stackwright.wire.items import decode_many, encode
from stackwright.wire.responses import ResponseRequest

_encode = msgspec.json.Encoder().encode
_NAMES = {kind: name.encode() for kind, name in NAMES.items()}


def spliced(body: bytes, output: Sequence[bytes]) -> bytes:
    """Return a response's JSON with its output items put in."""
    return b'%b,"output":[%b]}' % (body[:-1], b",".join(output))


def hidden(items: Sequence[bytes], include: Sequence[Include]) -> Sequence[bytes]:
    """Return items without what is not included. Most have nothing to hide, and go out as they are."""
    if not any(may_hide(item) for item in items):
        return items
    return [encode(hide(item, include)) for item in decode_many(items)]


def framed(made: Sequence[Event]) -> bytes:
    """Return events as server-sent events, named as OpenAI names them."""
    return b"".join([b"event: %b\ndata: %b\n\n" % (_NAMES[type(event)], _encode(event)) for event in made])


def pads(request: ResponseRequest) -> bool:
    """Return whether deltas are to be padded."""
    return bool(request.stream_options and request.stream_options.include_obfuscation)


def pad(made: Sequence[Event]) -> Sequence[Event]:
    """Return events with their deltas padded."""
    for event in made:
        if isinstance(event, events.Delta):
            event.obfuscation = padding(len(event.delta))
    return made


def listed(bodies: Sequence[bytes], ids: Sequence[str], *, has_more: bool) -> Json:
    """Return a list of what is JSON already; `ids` are the cursors."""
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    return Json(
        b'{"object":"list","data":[%b],"first_id":%b,"last_id":%b,"has_more":%b}'
        % (b",".join(bodies), _encode(first), _encode(last), b"true" if has_more else b"false")
    )
