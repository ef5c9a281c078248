"""An operation: method, path, request, answer and handler, declared once.

From the declaration come the route, the decoding with OpenAI's error texts, and the OpenAPI entry.
"""

import asyncio
import inspect
import typing
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from stackwright.errors import InvalidRequest
from stackwright.http import sse
from stackwright.http.body import Bodies, NotRead, query
from stackwright.http.call import Call, Download, Json, Stream
from stackwright.http.form import Form
from stackwright.http.sse import send_stream
from stackwright.http.watch import while_connected
from stackwright.kit.decoding import from_decoding

Handler = Callable[..., Coroutine[Any, Any, Any]]
H = TypeVar("H", bound=Handler)

SLICE = 32 * 1024
"""Bytes of a download that a reader must take before it is held to have stalled."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    handler: Handler
    body: Any = None
    query: Any = None
    answer: Any = None
    status: int = 200
    streams: bool = False
    """True when the answer may also be a stream of server-sent events."""
    form: bool = False
    """True when the body is `multipart/form-data`, which the handler reads as it comes: `call.body` is the `Form`."""
    media: str = "application/json"
    """What the answer is."""

    @property
    def name(self) -> str:
        return self.handler.__name__

    @property
    def summary(self) -> str:
        return inspect.cleandoc(self.handler.__doc__ or "")


@dataclass
class Api:
    """The operations of one area, in order of declaration."""

    tag: str
    operations: list[Operation] = field(default_factory=list)
    sockets: list[tuple[str, Handler]] = field(default_factory=list)
    """Path and handler of each kind of WebSocket."""

    def get(self, path: str, *, answer: Any, query: Any = None, media: str = "application/json") -> Callable[[H], H]:
        """Declare a reading operation; `query` is the Struct its query string decodes into."""
        return self._declare("GET", path, answer=answer, query=query, media=media)

    def post(
        self,
        path: str,
        *,
        answer: Any,
        body: Any = None,
        streams: bool = False,
        status: int = 200,
        form: bool = False,
    ) -> Callable[[H], H]:
        """Declare a writing operation; `body` is the Struct its JSON body decodes into, or that its form is like."""
        return self._declare("POST", path, answer=answer, body=body, streams=streams, status=status, form=form)

    def put(self, path: str, *, answer: Any, body: Any) -> Callable[[H], H]:
        """Declare an operation that sets something, however often it is repeated."""
        return self._declare("PUT", path, answer=answer, body=body)

    def delete(self, path: str, *, answer: Any, query: Any = None) -> Callable[[H], H]:
        """Declare a deleting operation."""
        return self._declare("DELETE", path, answer=answer, query=query)

    def websocket(self, path: str) -> Callable[[H], H]:
        """Declare who talks over WebSockets on a path; the handler gets the `http.websocket.Socket`."""

        def keep(handler: H) -> H:
            self.sockets.append((path, handler))
            return handler

        return keep

    def _declare(self, method: str, path: str, **details: Any) -> Callable[[H], H]:
        def keep(handler: H) -> H:
            self.operations.append(Operation(method=method, path=path, handler=handler, **details))
            return handler

        return keep


class Endpoint:
    """An operation with its services at hand, as an ASGI application."""

    def __init__(
        self, operation: Operation, services: Mapping[type, object], bodies: Bodies, *, upload_bytes: int
    ) -> None:
        self.operation = operation
        self._handler = operation.handler
        self._services = services_of(operation.handler, services)
        self._decode = msgspec.json.Decoder(operation.body).decode if operation.body and not operation.form else None
        self._encode = msgspec.json.Encoder().encode
        self._bodies = bodies
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.operation.form:
            await self._take(scope, receive, send)
            return
        raw = b"" if self.operation.method == "GET" else await self._bodies.read(scope, receive)
        try:
            await self._serve(scope, receive, send, raw)
        finally:
            self._bodies.over(raw)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, raw: bytes) -> None:
        body: Any = None
        if self._decode:
            body = self._decoded(raw)
        elif self.operation.query:
            body = query(scope, self.operation.query)
        state = scope["state"]
        call = Call(state["tenant"], state["request_id"], scope["path_params"], body, raw, scope["headers"])
        answer = await while_connected(self._handler(call, *self._services), receive)
        if isinstance(answer, Stream):
            await send_stream(answer.blocks, receive, send)
        elif isinstance(answer, Download):
            await while_connected(send_download(answer, send), receive)
        else:
            await respond(send, self.operation.status, answer if isinstance(answer, Json) else self._encode(answer))

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the handler read a form. It notices itself when the caller hangs up."""
        state = scope["state"]
        form = Form(scope, receive, self._upload_bytes)
        call = Call(state["tenant"], state["request_id"], scope["path_params"], form, b"", scope["headers"])
        answer = await self._handler(call, *self._services)
        await respond(send, self.operation.status, self._encode(answer))

    def _decoded(self, raw: bytes) -> Any:
        assert self._decode is not None
        if not raw:
            raise InvalidRequest("The request has no body. The API expects a JSON object.", code="invalid_json")
        try:
            # The decoder does not look into strings it skips, and those go on to vendors and into the database.
            raw.decode()
            return self._decode(raw)
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"The request body is not UTF-8: byte {error.start} cannot be decoded.", code="invalid_json"
            ) from None
        except msgspec.DecodeError as error:
            raise from_decoding(error, self.operation.body) from None
        except RecursionError:
            raise InvalidRequest("The JSON body is nested too deeply.", code="invalid_json") from None


def services_of(handler: Handler, services: Mapping[type, object]) -> tuple[object, ...]:
    """Find what a handler asks for beyond the call, by the type of each parameter."""
    wanted = list(inspect.signature(handler).parameters)[1:]
    hints = typing.get_type_hints(handler)
    return tuple(services[hints[name]] for name in wanted)


async def send_download(answer: Download, send: Send) -> None:
    """Send bytes as they are read."""
    async with aclosing(answer.pieces) as pieces:
        first = await anext(pieces, b"")
        head = [*answer.headers, (b"content-length", b"%d" % answer.size)]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await _send_piece(first, send)
        async for piece in pieces:
            await _send_piece(piece, send)
    await send({"type": "http.response.body", "body": b""})


async def _send_piece(piece: bytes, send: Send) -> None:
    """Send some bytes of more. `NotRead` when nobody reads them, or less than a KiB a second."""
    for at in range(0, len(piece), SLICE):
        try:
            async with asyncio.timeout(sse.STALL):
                await send({"type": "http.response.body", "body": piece[at : at + SLICE], "more_body": True})
        except TimeoutError:
            raise NotRead from None


async def respond(
    send: Send, status: int, body: bytes, *, content_type: bytes = b"application/json", headers: Any = ()
) -> None:
    """Send a whole answer."""
    head = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
