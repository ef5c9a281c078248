"""One worker process: an event loop, the application, the socket."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from contextlib import AbstractAsyncContextManager

import uvloop

from stackwright.app import table
from stackwright.app.logging import configure
from stackwright.app.server import serve
from stackwright.app.supervisor import ENOUGH
from stackwright.app.wiring import App, open_app
from stackwright.config.runfile import RunFile
from stackwright.config.secret import known_secrets
from stackwright.errors import StackwrightError

log = logging.getLogger(__name__)

_POLL = 0.5
_MODELS_WITHIN = 0.2
"""Seconds the start table waits for providers to say what they have. Those in this process answer at once."""
_REGISTERED_WITHIN = 5.0
"""Seconds that the first request waits for the registered models to be loaded. Then `/ready` waits alone."""


def run_worker(
    run: RunFile,
    source: str,
    sock: socket.socket,
    *,
    workers: int,
    log_requests: bool,
    table: bool,
    supervisor: int | None,
) -> int:
    """Serve until told to stop; returns the exit status.

    Args:
        run: What to serve.
        source: What to call the run file.
        sock: Where to accept connections; it listens already.
        workers: How many processes share the socket.
        log_requests: Whether to log a line for each request.
        table: Whether to print the start table.
        supervisor: The process that started this one, without which it ends.
    """
    configure(known_secrets, human=sys.stderr.isatty())
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            opened = open_app(run, workers=workers, log_requests=log_requests)
            return runner.run(_serve(opened, run, source, sock, table, supervisor))
    except StackwrightError as error:
        print(f"Cannot start: {error.message}", file=sys.stderr)  # noqa: T201 - the process has no better place
        return 1


async def _serve(
    opened: AbstractAsyncContextManager[App],
    run: RunFile,
    source: str,
    sock: socket.socket,
    show_table: bool,
    supervisor: int | None,
) -> int:
    async with opened as app:
        await app.catalog.loaded(_REGISTERED_WITHIN)
        if show_table:
            await app.catalog.settled(_MODELS_WITHIN)
            table.show(app, run, source, sock)
        _spare_the_collector()
        watch = asyncio.create_task(_end_when_it_must(app, supervisor))
        server = run.server
        await serve(
            app.asgi,
            sock,
            app.lifecycle,
            grace=server.grace_seconds,
            message_bytes=server.max_body_bytes,
            enough=None if supervisor is None else ENOUGH,
        )
        # What is left takes a moment and must not be cut: rows on their way, and closing the databases.
        for sig in (signal.SIGTERM, ENOUGH):
            signal.signal(sig, signal.SIG_IGN)
        watch.cancel()
        await app.settle()
        return 1 if app.backends.broken() else 0


def _spare_the_collector() -> None:
    """Have the garbage collector look at less, less often: a fifteenth of a response's CPU was its work.

    What the application is made of lives as long as the process. What a request leaves goes with its last reference;
    the few cycles among it can wait for some thousand others.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def _end_when_it_must(app: App, supervisor: int | None) -> None:
    """End this process when its disk fails to sync, for what it acknowledged from then on could be lost, and when its
    supervisor is gone, for nobody else would end it."""
    while (reason := _must_end(app, supervisor)) is None:  # noqa: ASYNC110 - neither can be awaited
        await asyncio.sleep(_POLL)
    log.critical("Ending this process: %s", reason)
    os.kill(os.getpid(), signal.SIGTERM)


def _must_end(app: App, supervisor: int | None) -> str | None:
    if supervisor is not None and os.getppid() != supervisor:
        return "its supervisor is gone"
    return app.backends.broken()
