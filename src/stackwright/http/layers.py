"""The layers between socket and handler: the outermost names, counts and catches; the inner one knows the caller."""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stackwright.errors import InvalidRequest, StackwrightError, Unauthenticated, Unavailable
from stackwright.http import errors, sse
from stackwright.http.body import ClientGone, NotRead
from stackwright.http.metrics import HUNG_UP, Requests
from stackwright.http.operation import respond
from stackwright.http.router import WEBSOCKET
from stackwright.http.websocket import BROKEN

log = logging.getLogger("stackwright.http")

_EXPECTED = frozenset({"not_ready", "stopping"})
"""Failures of which the log has no line for each request: that it stops, and how many it cuts, the server says once."""


class Boundary:
    """Gives each request its id and turns every failure into the envelope. Nothing of Python gets past it."""

    def __init__(self, app: ASGIApp, *, requests: Requests, log_requests: bool) -> None:
        self._app = app
        self._requests = requests
        self._log_requests = log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = "req_" + os.urandom(16).hex()
        headers = [(b"x-request-id", request_id.encode())]
        scope["state"] = {"request_id": request_id, "operation": "unmatched", "headers": headers}
        websocket = scope["type"] == "websocket"
        answer = _Answer(_denying(send) if websocket else send, headers)
        started = time.perf_counter()
        try:
            await (self._converse if websocket else self._serve)(scope, receive, answer)
        finally:
            if self._log_requests:
                self._tell(scope, answer.status, time.perf_counter() - started)

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        started = time.perf_counter()
        self._requests.begin()
        try:
            await self._app(scope, receive, answer.send)
        except ClientGone as gone:
            answer.status = HUNG_UP
            if isinstance(gone, NotRead):
                self._log_unread(scope)
        except asyncio.CancelledError:
            # Only the end of the process cancels a request from outside. It waits for nobody.
            await self._refuse(Unavailable("The server is stopping.", code="stopping"), scope, answer, patience=0)
        except Exception as error:  # noqa: BLE001 - the last boundary: whatever is left is a bug, told once, in the log
            await self._refuse(error, scope, answer)
        finally:
            self._requests.end(scope["state"]["operation"], answer.status, time.perf_counter() - started)

    async def _converse(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        """Let a WebSocket through. What goes wrong before it is accepted is answered as to a request; what is done on
        it later is counted as it is done."""
        scope["method"] = WEBSOCKET
        try:
            await self._app(scope, receive, answer.send)
        except asyncio.CancelledError:
            return
        except Exception as error:  # noqa: BLE001 - as for a request
            if answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
                await self._refuse(error, scope, answer)
                return
            self._log_failure(error, _told(error), scope)
            await answer.send({"type": "websocket.close", "code": BROKEN, "reason": "The server had an error."})

    async def _refuse(self, error: Exception, scope: Scope, answer: "_Answer", *, patience: float = sse.STALL) -> None:
        """Tell the caller what went wrong, who must take it within `patience` seconds. An answer that has begun and is
        no stream of events has no place for it: the connection is closed under it."""
        failure = _told(error)
        if (answer.status or failure.status >= 500) and failure.code not in _EXPECTED:
            self._log_failure(error, failure, scope)
        if answer.status and not answer.events:
            return
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(patience):
                await _tell_caller(failure, answer)

    def _log_unread(self, scope: Scope) -> None:
        data = {"request_id": scope["state"]["request_id"], "status": HUNG_UP}
        words = "%s %s: cut, because its answer was not read for %g s"
        log.info(words, scope["method"], scope["path"], sse.STALL, extra={"data": data})

    def _log_failure(self, error: Exception, failure: StackwrightError, scope: Scope) -> None:
        data = {"request_id": scope["state"]["request_id"], "status": failure.status, "code": failure.code}
        if failure is error:
            log.warning("%s %s: %s", scope["method"], scope["path"], failure.message, extra={"data": data})
        else:
            log.error("%s %s: a bug", scope["method"], scope["path"], exc_info=error, extra={"data": data})

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        state = scope["state"]
        data = {"status": status, "ms": round(seconds * 1000, 1), "request_id": state["request_id"]}
        if "caller" in state:
            data["tenant"] = state["caller"]
        log.info("%s %s", scope["method"], scope["path"], extra={"data": data})


class _Answer:
    """What is sent to a caller: it gets what all answers to the request say, and we know how far it is."""

    def __init__(self, send: Send, headers: Collection[tuple[bytes, bytes]]) -> None:
        self.status = 0
        """0 until it has begun."""
        self.events = False
        """Whether it is a stream of events."""
        self._send = send
        self._headers = headers

    async def send(self, message: Message) -> None:
        """Send what an application sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.events = sse.CONTENT_TYPE in message["headers"]
            message["headers"] = [*message["headers"], *self._headers]
        elif message["type"] == "websocket.accept":
            self.status = HTTPStatus.SWITCHING_PROTOCOLS
        await self._send(message)


def _denying(send: Send) -> Send:
    """Return how an answer is sent to who asked for a WebSocket and gets none."""

    async def renamed(message: Message) -> None:
        if message["type"].startswith("http."):
            message["type"] = "websocket." + message["type"]
        await send(message)

    return renamed


async def _tell_caller(failure: StackwrightError, answer: _Answer) -> None:
    if answer.status:
        await answer.send({"type": "http.response.body", "body": errors.event(failure)})
        return
    headers = [(name.encode(), value.encode()) for name, value in failure.headers.items()]
    await respond(answer.send, failure.status, errors.envelope(failure), headers=headers)


def _told(error: Exception) -> StackwrightError:
    if isinstance(error, StackwrightError):
        return error
    if isinstance(error, RecursionError):
        # Only a caller's JSON is deep enough for that; what we read of it twice may be within the limit once.
        return InvalidRequest("The JSON body is nested too deeply.", code="invalid_json")
    return errors.bug()


OPEN_PATHS = frozenset({"/health", "/ready", "/docs", "/docs/docs.css", "/docs/docs.js"})
"""Paths for which nobody needs a key. The page at /docs tells nothing: it asks for the key that /openapi.json wants."""


class Principal:
    """Finds out whose request it is. Keys are compared by their SHA-256: they are random, so no slow hash is needed."""

    def __init__(self, app: ASGIApp, *, tenants: Mapping[str, str] | None) -> None:
        """`tenants` maps each API key to its tenant; None means that nobody is asked and all are `default`."""
        self._app = app
        self._tenants = None if tenants is None else {_digest(key.encode()): tenant for key, tenant in tenants.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        state["tenant"] = "default"
        if self._tenants is not None and scope["path"] not in OPEN_PATHS:
            # For the log, which names nobody who was not asked.
            state["tenant"] = state["caller"] = self._tenant(scope, self._tenants)
        await self._app(scope, receive, send)

    def _tenant(self, scope: Scope, tenants: Mapping[bytes, str]) -> str:
        tenant = tenants.get(_digest(_bearer(scope)))
        if tenant is None:
            raise Unauthenticated(
                "Incorrect or missing API key. Send one that server.auth.api_keys knows: 'Authorization: Bearer KEY'."
            )
        return tenant


def _bearer(scope: Scope) -> bytes:
    headers: Any = scope["headers"]
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return bytes(value[7:].strip())
    return b""


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
