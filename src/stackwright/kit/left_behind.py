"""What callers leave behind who hang up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from stackwright.errors import StackwrightError, Unavailable

log = logging.getLogger(__name__)

SECONDS = 30.0
"""Longest that it waits for a database that is away."""
PAUSE = 0.5


class LeftBehind:
    """Keeps what was said so far, in tasks of its own: the request's is at its end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, what: str, work: Callable[[], Awaitable[object]], place: ExitStack) -> None:
        """Have `work` done soon, and hold `place` until then. The log says `what` is lost when it cannot be done."""
        task = asyncio.get_running_loop().create_task(_keep(what, work))
        task.add_done_callback(lambda _: place.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait for what is still being kept. Called once, when no request is left."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _keep(what: str, work: Callable[[], Awaitable[object]]) -> None:
    now = asyncio.get_running_loop().time
    until = now() + SECONDS
    while True:
        try:
            await work()
            return
        except StackwrightError as error:
            if not isinstance(error, Unavailable) or now() >= until:
                log.warning("What a caller left behind of %s is lost: %s", what, error.message)
                return
        await asyncio.sleep(PAUSE)
