"""Gauges that nobody's request moves: looked at once a second, which also serves several workers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from prometheus_client import Gauge

from stackwright.errors import StackwrightError
from stackwright.jobs import JobQueue, Load, State
from stackwright.storage.backends import NamedBackends

_UP = Gauge("stackwright_backend_up", "1 while a backend can be used.", ["backend"], multiprocess_mode="livemin")
_DEPTH = Gauge(
    "stackwright_write_queue_depth", "Writes waiting for their commit.", ["store"], multiprocess_mode="livesum"
)
_JOBS = Gauge(
    "stackwright_background_responses",
    "Background responses that have not ended, in all processes.",
    ["state"],
    multiprocess_mode="livemostrecent",
)
_OLDEST = Gauge(
    "stackwright_background_oldest_seconds",
    "Seconds since the oldest of them was asked for.",
    ["state"],
    multiprocess_mode="livemostrecent",
)
_STATES: tuple[State, ...] = ("queued", "running")
_EVERY = 1.0


@asynccontextmanager
async def kept(backends: NamedBackends, depths: Mapping[str, Callable[[], int]]) -> AsyncIterator[None]:
    """Keep the gauges for as long as the context lasts. `depths` gives each store's queue."""
    async with _beside(_keep(backends, depths)):
        yield


@asynccontextmanager
async def watched(queue: JobQueue) -> AsyncIterator[None]:
    """Keep the gauges of background responses for as long as the context lasts."""
    async with _beside(_watch(queue)):
        yield


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep(backends: NamedBackends, depths: Mapping[str, Callable[[], int]]) -> None:
    while True:
        for one in backends.status():
            _UP.labels(one.name).set(one.trouble is None)
        for store, depth in depths.items():
            _DEPTH.labels(store).set(depth())
        await asyncio.sleep(_EVERY)


async def _watch(queue: JobQueue) -> None:
    while True:
        # While the database is away, the numbers stay what they were; `stackwright_backend_up` tells.
        with suppress(StackwrightError):
            load = await queue.load()
            for state in _STATES:
                _JOBS.labels(state).set(load.get(state, _NONE).jobs)
                _OLDEST.labels(state).set(load.get(state, _NONE).oldest)
        await asyncio.sleep(_EVERY)


_NONE = Load(0, 0.0)
