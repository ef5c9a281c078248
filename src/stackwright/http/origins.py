"""Which web pages may call. A program that is no browser names no origin, and is not asked.

Not Starlette's CORS, which lets through what it does not allow, WebSockets among it, and leaves it to the browser.
"""

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from stackwright.errors import InvalidRequest

ANY = "*"
READABLE = b"x-request-id, retry-after"
"""Headers of answers that pages may read, beside those that each may."""
READING = ("GET", "HEAD")
_REMEMBERED_SECONDS = b"600"
_PRIVATE = (".localhost", ".local", ".internal")


class ForeignOrigin(InvalidRequest):
    """A page of some other site calls in its reader's name."""

    status = 403
    code = "origin_not_allowed"


class ForeignHost(ForeignOrigin):
    """A page asks by a name of its own, which its DNS says is this machine (DNS rebinding)."""

    code = "host_not_allowed"


class Origins:
    """Lets pages of some origins call and read the answers (CORS), and refuses those of others."""

    def __init__(self, app: ASGIApp, allowed: Collection[str], *, guarded: bool, any_host: bool) -> None:
        """Prepare.

        Args:
            app: What they call.
            allowed: Origins of the pages that may; `*` is any.
            guarded: Whether callers need a key, which no page has that was not let in before.
            any_host: Whether the server may be called by any name, and not only by those of this machine.
        """
        self._app = app
        self._hosts = None if any_host else frozenset(origin.partition("://")[2].encode() for origin in allowed)
        self._any = ANY in allowed
        self._allowed = frozenset(origin.encode() for origin in allowed)
        self._guarded = guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._hosts is not None:
            _check_host(_header(scope, b"host"), self._hosts)
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


def _check_host(host: bytes | None, allowed: Collection[bytes]) -> None:
    if host is None or _is_local(host) or host.lower() in allowed:
        return
    name = host.decode("latin-1")
    raise ForeignHost(
        f"Without keys this server is called by names of this machine, such as localhost, and not by {name!r}. If that "
        f"name is yours, list 'http://{name}' under server.allow_origins in the run file, or set server.auth."
    )


@lru_cache(maxsize=64)
def _is_local(host: bytes) -> bool:
    """Say whether no stranger's DNS can answer for a host: an address, a bare name, or a name of a private network."""
    name = host.decode("latin-1")
    if not name.startswith("["):
        name = name.partition(":")[0]
    return _is_address(name.partition("]")[0].strip("[")) or "." not in name or name.lower().endswith(_PRIVATE)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == wanted), None)
