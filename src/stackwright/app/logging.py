"""Structured logs on standard error: for people on a terminal, as JSON lines otherwise. Secrets are taken out.

Modules log with the standard library: a short message, and what belongs to it as `extra={"data": {...}}`.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec

from stackwright.config.secret import redacted

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CAP = 8 * 1024
"""Most characters of one value: a traceback must not flood the disk."""

# The MCP SDK (its session logs as `client`) writes tracebacks of what its servers do, and URLs, which may hold secrets.
_QUIET = {"uvicorn": logging.WARNING, "httpx2": logging.WARNING, "mcp": logging.CRITICAL, "client": logging.CRITICAL}


def configure(secrets: Callable[[], Iterable[str]], *, human: bool) -> None:
    """Set up logging for this process. `secrets` returns the values that no line may hold."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((_Human if human else _Json)(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)


class _Redacting(logging.Formatter):
    """Gathers the parts of a record, without secrets and within bounds."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        super().__init__()
        self._secrets = secrets

    def parts(self, record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
        """Return the message and the rest, an exception's traceback included."""
        secrets = frozenset(self._secrets())
        data: Mapping[str, Any] = getattr(record, "data", {})
        rest = {name: _clean(value, secrets) for name, value in data.items()}
        if record.exc_info and record.exc_info[0]:
            rest["exception"] = _clean(self.formatException(record.exc_info), secrets)
        return _clean(record.getMessage(), secrets), rest


class _Json(_Redacting):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        message, rest = self.parts(record)
        line = {
            "time": _iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
        }
        return msgspec.json.encode(line | rest).decode()


class _Human(_Redacting):
    """Time, level, message, details; a traceback on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        message, rest = self.parts(record)
        exception = rest.pop("exception", None)
        details = " ".join(f"{name}={value}" for name, value in rest.items())
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = _CONTROL.sub(_escaped, f"{clock} {record.levelname.lower():<7} {message}  {details}".rstrip())
        return f"{line}\n{exception}" if exception else line


def _escaped(found: re.Match[str]) -> str:
    """A caller's path or a vendor's words must not move the cursor or begin a line of their own."""
    return found.group().encode("unicode_escape").decode()


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def _clean(value: Any, secrets: Collection[str]) -> Any:
    """Return a value fit for a line: text without secrets and cut, what holds text the same all the way down."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            text = redacted(value, secrets)
            return text if len(text) <= _CAP else text[:_CAP] + "..."
        case Mapping():
            return {_clean(str(name), secrets): _clean(item, secrets) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(item, secrets) for item in value]
        case _:
            return _clean(repr(value), secrets)
