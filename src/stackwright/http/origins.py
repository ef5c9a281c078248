"""Which web pages may call. A program that is no browser names no origin, and is not asked."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from stackwright.errors import InvalidRequest

ANY = "*"
READABLE = b"x-request-id, retry-after"
"""Headers of answers that pages may read, beside those that each may."""
READING = ("GET", "HEAD")
_REMEMBERED_SECONDS = b"600"


class ForeignOrigin(InvalidRequest):
    """A page of some other site calls in its reader's name."""

    status = 403
    code = "origin_not_allowed"


class Origins:
    """Lets pages of some origins call and read the answers (CORS), and refuses those of others."""

    def __init__(self, app: ASGIApp, allowed: Collection[str], *, guarded: bool) -> None:
        """`guarded` means that callers need a key, which no page has that was not let in before."""
        self._app = app
        self._any = ANY in allowed
        self._allowed = frozenset(origin.encode() for origin in allowed)
        self._guarded = guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope, b"origin")
        if origin is None:
            await self._app(scope, receive, send)
            return
        asked = _header(scope, b"access-control-request-method") if scope["method"] == "OPTIONS" else None
        if not (self._any or origin in self._allowed):
            if asked or self._is_foreign(scope, origin):
                raise _refusal(origin)
            await self._app(scope, receive, send)
            return
        headers = [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", READABLE)]
        scope["state"]["headers"] += [*headers, (b"vary", b"origin")]
        if asked:
            await _permit(asked, scope, send)
        else:
            await self._app(scope, receive, send)

    def _is_foreign(self, scope: Scope, origin: bytes) -> bool:
        """Say whether a page of another site does something. Browsers ask nobody before they open a WebSocket or post
        a plain text, to loopback too."""
        if scope["type"] == "websocket":
            return origin.partition(b"://")[2] != _header(scope, b"host")
        if self._guarded or scope["method"] in READING:
            return False
        return _header(scope, b"sec-fetch-site") in (b"cross-site", b"same-site")


async def _permit(method: bytes, scope: Scope, send: Send) -> None:
    """Answer a browser that asks beforehand. What the page then does is looked at as anybody's request is."""
    scope["state"]["operation"] = "preflight"
    headers = [
        (b"access-control-allow-methods", method),
        (b"access-control-allow-headers", _header(scope, b"access-control-request-headers") or b""),
        (b"access-control-allow-private-network", b"true"),
        (b"access-control-max-age", _REMEMBERED_SECONDS),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body"})


def _refusal(origin: bytes) -> ForeignOrigin:
    return ForeignOrigin(
        f"Web pages of {origin.decode('latin-1')!r} may not call this server. "
        "If they should, list that origin under server.allow_origins in the run file."
    )


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == wanted), None)
