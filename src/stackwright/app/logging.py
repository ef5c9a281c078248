"""Structured logs on standard error: for people on a terminal, as JSON lines otherwise. Secrets are taken out."""

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from stackwright.config.secret import MASK

_CAP = 8 * 1024
"""Most characters of one value; a traceback is cut in the middle of nowhere rather than flooding the disk."""


def configure(secrets: Callable[[], Iterable[str]], *, human: bool, level: str = "INFO") -> None:
    """Set up logging for this process. `secrets` returns the values that no line may hold."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Redact(secrets),
    ]
    render: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if human
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=render))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


class _Redact:
    """Replaces secret values wherever they occur, tracebacks included, and caps each value."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        self._secrets = secrets

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        secrets = sorted(self._secrets(), key=len, reverse=True)
        return {key: self._clean(value, secrets) for key, value in event.items()}

    def _clean(self, value: Any, secrets: list[str]) -> Any:
        if not isinstance(value, str):
            return value
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value if len(value) <= _CAP else value[:_CAP] + "..."
