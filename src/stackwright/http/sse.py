"""Sending a stream of server-sent events, and stopping when nobody reads it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, cast

from starlette.types import Receive, Send

from stackwright.errors import StackwrightError
from stackwright.http import errors
from stackwright.http.body import NotRead
from stackwright.http.watch import GONE, gone

CONTENT_TYPE = (b"content-type", b"text/event-stream; charset=utf-8")
HEADERS = [
    CONTENT_TYPE,
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
DONE = b"data: [DONE]\n\n"
STALL = 30.0
"""Seconds a reader may leave our buffers full before the stream is cut."""


def framed(chunks: Sequence[bytes]) -> bytes:
    """Return JSON chunks as events, ready to send."""
    if len(chunks) == 1:
        return b"data: %b\n\n" % chunks[0]
    return b"".join([b"data: %b\n\n" % chunk for chunk in chunks])


class _Watch:
    """Cancels the sending task when the reader is gone or stalls."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self.sending_since: float | None = None
        self.fired = False
        self.stalled = False
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._gone()), loop.create_task(self._stalled())]

    async def _gone(self) -> None:
        await gone(self._receive)
        self._fire()

    async def _stalled(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(STALL / 4)
            if self.sending_since is not None and now() - self.sending_since > STALL:
                self.stalled = True
                self._fire()
                return

    def _fire(self) -> None:
        self.fired = True
        self._task.cancel(GONE)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


async def send_stream(blocks: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    """Send `blocks` as they come. Closing `blocks` early is how its source learns that the reader went away.
    `NotRead` when the reader is there and takes nothing."""
    watch = _Watch(receive)
    try:
        async with aclosing(blocks) as source:
            await _send(source, send, watch)
    except asyncio.CancelledError:
        if not watch.fired:
            raise
        watch._task.uncancel()
        if watch.stalled:
            raise NotRead from None
    finally:
        watch.close()


async def _send(source: AsyncIterator[bytes], send: Send, watch: _Watch) -> None:
    block = await anext(source, b"")
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    now = asyncio.get_running_loop().time
    try:
        while block:
            watch.sending_since = now()
            await send({"type": "http.response.body", "body": block, "more_body": True})
            watch.sending_since = None
            block = await anext(source, b"")
    except StackwrightError as error:
        watch.sending_since = now()
        await send({"type": "http.response.body", "body": errors.event(error), "more_body": True})
    watch.sending_since = now()
    await send({"type": "http.response.body", "body": b""})
    watch.sending_since = None
