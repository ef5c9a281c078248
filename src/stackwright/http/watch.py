"""Noticing that the caller has hung up."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from stackwright.http.body import ClientGone

T = TypeVar("T")

GONE = "client_disconnected"
"""What a cancellation says when it is the caller who left, and not the process that ends."""
PATIENCE = 0.5
"""Seconds before a call is worth watching. Most are over by then, and a watcher costs more than they do."""


async def while_connected(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """Await `work`, and cancel it when the caller hangs up. Raises `ClientGone` then."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    watchers: list[asyncio.Task[None]] = []

    def watch() -> None:
        watchers.append(loop.create_task(_cancel_when_gone(receive, task)))

    timer = loop.call_later(PATIENCE, watch)
    try:
        return await work
    except asyncio.CancelledError:
        if watchers and watchers[0].done() and not watchers[0].cancelled():
            task.uncancel()
            raise ClientGone from None
        raise
    finally:
        timer.cancel()
        for watcher in watchers:
            watcher.cancel()


async def _cancel_when_gone(receive: Receive, task: asyncio.Task[Any]) -> None:
    await gone(receive)
    task.cancel(GONE)


async def gone(receive: Receive) -> None:
    """Return when the caller has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
