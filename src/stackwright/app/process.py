"""One worker process: an event loop, the application, the socket."""

import asyncio
import socket
import sys

import uvloop

from stackwright.app import logging, table
from stackwright.app.server import serve
from stackwright.app.wiring import open_app
from stackwright.config.runfile import RunFile
from stackwright.config.secret import known_secrets
from stackwright.errors import StackwrightError


def run_worker(run: RunFile, source: str, sock: socket.socket, *, workers: int, log_requests: bool, table: bool) -> int:
    """Serve until told to stop; returns the exit status. `table` prints the start table."""
    logging.configure(known_secrets, human=sys.stderr.isatty())
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(run, source, sock, workers, log_requests, table))
    except StackwrightError as error:
        print(f"Cannot start: {error.message}", file=sys.stderr)  # noqa: T201 - the process has no better place
        return 1


async def _serve(
    run: RunFile, source: str, sock: socket.socket, workers: int, log_requests: bool, show_table: bool
) -> int:
    async with open_app(run, workers=workers, log_requests=log_requests) as app:
        if show_table:
            await table.show(app, run, source, sock)
        await serve(app.asgi, sock, app.lifecycle, grace=run.server.grace_seconds)
        await app.settle()
    return 0
