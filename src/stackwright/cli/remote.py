"""Talking to a running server, for the commands that do."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import click

_TIMEOUT = 60.0
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What moves a terminal's cursor, but for new lines and tabs."""


class _Staying(HTTPRedirectHandler):
    """Goes nowhere else: the key is for this server, and a change that became a GET would be none."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = build_opener(_Staying)


class Refused(Exception):
    """The server said no, or did not answer; its text is for the terminal."""


class Remote:
    """A server's API under `/v1`."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self._url = url
        self.base = url.rstrip("/").removesuffix("/v1") + "/v1"
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}

    def get(self, *steps: str, **query: Any) -> Any:
        """Read; parameters that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", steps, None, given)

    def every(self, *steps: str, **query: Any) -> list[Any]:
        """Read a list to its end."""
        found: list[Any] = []
        after: str | None = None
        while True:
            page = self.get(*steps, after=after, **query)
            found += page["data"]
            if not page["has_more"]:
                return found
            if page["last_id"] in (after, None):
                raise self.unlike()
            after = page["last_id"]

    def unlike(self) -> Refused:
        """Return what to say of an answer that is not understood."""
        return Refused(f"{self.base} answered, but not as a Stackwright does.")

    def post(self, *steps: str, body: Mapping[str, Any]) -> Any:
        return self._ask("POST", steps, body)

    def put(self, *steps: str, body: Mapping[str, Any]) -> Any:
        return self._ask("PUT", steps, body)

    def delete(self, *steps: str) -> Any:
        return self._ask("DELETE", steps, None)

    def _ask(self, method: str, steps: tuple[str, ...], body: Any, query: Mapping[str, Any] | None = None) -> Any:
        url = "/".join((self.base, *(quote(step, safe="") for step in steps)))
        if query:
            url += "?" + urlencode(query)
        if not _is_address(url):
            raise Refused(f"{self._url!r} is no address of a server; try --url http://127.0.0.1:8321")
        raw = None if body is None else json.dumps(body).encode()
        try:
            return self._answered(url, method, raw)
        except HTTPError as refused:
            with refused:
                raise Refused(self._why_no_key(refused) or _message(refused)) from None
        except (OSError, HTTPException) as error:
            why = _reason(error)
            raise Refused(f"No answer from {self.base}: {why}. Is `stackwright serve` running there?") from None
        except ValueError:
            raise self.unlike() from None

    def _why_no_key(self, refused: HTTPError) -> str | None:
        """Return what to do about the key, where that is what the server refused."""
        if refused.code != HTTPStatus.UNAUTHORIZED:
            return None
        trouble = "does not know this key" if self._headers else "wants a key"
        return f"{self.base} {trouble}: give one that it knows as --api-key, or in STACKWRIGHT_API_KEY."

    def _answered(self, url: str, method: str, raw: bytes | None) -> Any:
        headers = {"content-type": "application/json", **self._headers}
        request = Request(url, data=raw, method=method, headers=headers)  # noqa: S310 - the scheme was looked at
        with _OPENER.open(request, timeout=_TIMEOUT) as answer:
            return json.load(answer)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    """Return why there was no answer, without the numbers of system calls."""
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause)


def _message(refused: HTTPError) -> str:
    if location := refused.headers.get("location"):
        return f"{refused.url} leads to {location}. If that is the server, give --url its address."
    try:
        message = json.load(refused)["error"]["message"]
        return message if isinstance(message, str) else f"{refused.url} answered {refused.code}."
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        return f"{refused.url} answered {refused.code}, and not as a Stackwright does."


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--url`, `--api-key` and `--json`; it gets the server first, and whether to print JSON last."""

    @click.option(
        "--url",
        envvar="STACKWRIGHT_URL",
        default="http://127.0.0.1:8321",
        show_default=True,
        help="The server. [env: STACKWRIGHT_URL]",
    )
    @click.option("--api-key", envvar="STACKWRIGHT_API_KEY", help="A key it knows. [env: STACKWRIGHT_API_KEY]")
    @click.option("--json", "as_json", is_flag=True, help="Print the server's answer.")
    @wraps(command)
    def with_server(*args: Any, url: str, api_key: str | None, as_json: bool, **kwargs: Any) -> None:
        server = Remote(url, api_key)
        try:
            try:
                answer = command(server, *args, **kwargs)
                answer.show(as_json=as_json)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
                # Whoever is at that address may answer with anything that is JSON.
                raise server.unlike() from None
        except Refused as refused:
            click.echo(_visible(str(refused)), err=True)
            sys.exit(1)

    return with_server


class Answer:
    """What a command found: printed for people, or as it came."""

    def __init__(self, body: Any, show: Callable[[Any], None] | None = None) -> None:
        """`show` prints it for people; without, it is JSON for them, too."""
        self._body = body
        self._show = show

    def show(self, *, as_json: bool) -> None:
        """Print it."""
        if as_json or self._show is None:
            click.echo(json.dumps(self._body, indent=2, ensure_ascii=False))
        else:
            self._show(_visible(self._body))


def _visible(value: Any) -> Any:
    """Return a value in whose texts nothing commands the terminal."""
    match value:
        case str():
            return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
        case dict():
            return {_visible(name): _visible(item) for name, item in value.items()}
        case list():
            return [_visible(item) for item in value]
        case _:
            return value
