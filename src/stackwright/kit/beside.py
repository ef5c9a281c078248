"""Work that goes on beside the requests."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from stackwright.errors import StackwrightError

log = logging.getLogger(__name__)


@asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do some work for as long as the context lasts; what is left of it then is cancelled and waited for."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def rounds(
    work: Callable[[], Awaitable[None]],
    pause: float | Callable[[], Awaitable[None]],
    tell: Callable[[str], None],
    *,
    first: float = 0.0,
    retry: float | None = None,
    over: Callable[[], bool] = lambda: False,
) -> None:
    """Do something again and again, until cancelled or `over`. A round that fails is not the last one.

    Args:
        work: One round.
        pause: Seconds between rounds, a fifth more or less: processes that were started together take turns. Or what to
            wait for instead.
        tell: Hears why rounds fail, once for as long as they do. Bugs go to the log, with their traceback.
        first: Seconds before the first round.
        retry: Seconds after a round that failed; `pause` when not given.
        over: Whether no more rounds are wanted.
    """
    failure: type[Exception] | None = None
    await _rest(first)
    while not over():
        rest = pause
        try:
            await work()
            failure = None
        except Exception as error:  # noqa: BLE001 - nobody would miss the rounds that do not come
            if type(error) is not failure:
                _tell(error, tell)
            failure, rest = type(error), pause if retry is None else retry
        await _rest(rest)


def _tell(error: Exception, tell: Callable[[str], None]) -> None:
    if isinstance(error, StackwrightError):
        tell(error.message)
    else:
        log.error("Work beside the requests has a bug, and is tried again.", exc_info=error)


async def _rest(pause: float | Callable[[], Awaitable[None]]) -> None:
    if callable(pause):
        await pause()
    else:
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
