"""From method and path to the endpoint; every miss is told in the envelope."""

import re
from collections.abc import Iterable
from typing import Any

from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from stackwright.errors import InvalidRequest


class UnknownUrl(InvalidRequest):
    """Nothing lives at this path."""

    status = 404
    code = "unknown_url"


class WrongMethod(InvalidRequest):
    """The path exists, the method on it does not."""

    status = 405
    code = "method_not_supported"


WEBSOCKET = "WebSocket"
"""Stands where a method does. No method is spelled so."""
Route = tuple[str, str, str, ASGIApp]
"""Method, path in Starlette's notation, the operation's name, endpoint."""
LONGEST = 6
"""No path has more parts behind its /v1."""
Methods = dict[str, tuple[str, ASGIApp]]


class Router:
    """Finds the endpoint: whole paths in a dictionary, paths with parameters by their patterns, in order."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, Methods] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], Methods]] = {}
        for method, path, name, endpoint in routes:
            self._methods(path)[method] = (name, endpoint)

    def _methods(self, path: str) -> Methods:
        if "{" not in path:
            return self._exact.setdefault(path, {})
        return self._patterns.setdefault(path, (compile_path(path)[0], {}))[1]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods, scope["path_params"] = self._find(scope["path"], scope["method"])
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in methods:
            raise _wrong_method(method, scope["path"], scope["path_params"], methods)
        scope["state"]["operation"], endpoint = methods[method]
        await endpoint(scope, receive, send)

    def _find(self, path: str, method: str) -> tuple[Methods, dict[str, Any]]:
        methods = self._exact.get(path)
        if methods is not None:
            return methods, {}
        for pattern, candidate in self._patterns.values():
            found = pattern.match(path)
            if found:
                return candidate, found.groupdict()
        raise UnknownUrl(f"Invalid URL ({method} {path}). {self._hint(path)}")

    def _hint(self, path: str) -> str:
        parts = [part for part in path.split("/") if part]
        if path.startswith("/v1/v1/") and self._has(path.removeprefix("/v1")):
            return "The client adds /v1 itself: let its base_url end before it."
        if "deployments" in parts[:2]:
            return "That is how Azure's client calls: take OpenAI's, with a base_url that ends in /v1."
        if parts[:1] == ["v1"] and self._has(tidy := "/".join(["", *parts])):
            return f"It is {tidy} here: no slash is doubled or at the end."
        for at in range(max(0, len(parts) - LONGEST), len(parts)):
            if self._has(meant := "/".join(["/v1", *parts[at:]])):
                return f"It is {meant} here: let the client's base_url end in /v1."
        return "See /docs for the paths there are."

    def _has(self, path: str) -> bool:
        return path in self._exact or any(pattern.match(path) for pattern, _ in self._patterns.values())


def _wrong_method(method: str, path: str, params: dict[str, Any], methods: Methods) -> WrongMethod:
    allowed = ", ".join(sorted(methods.keys() - {WEBSOCKET}))
    taken = "".join(f", where {value!r} is the {name}" for name, value in params.items() if path.endswith(f"/{value}"))
    return WrongMethod(
        f"Not allowed to {method} on {path}{taken}. Allowed here: {allowed}.", headers={"allow": allowed}
    )
