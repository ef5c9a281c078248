"""Gauges that nobody's request moves: looked at once a second, which also serves several workers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from prometheus_client import Gauge

from stackwright.storage.backends import NamedBackends

_UP = Gauge("stackwright_backend_up", "1 while a backend can be used.", ["backend"], multiprocess_mode="livemin")
_DEPTH = Gauge(
    "stackwright_write_queue_depth", "Writes waiting for their commit.", ["store"], multiprocess_mode="livesum"
)
_EVERY = 1.0


@asynccontextmanager
async def kept(backends: NamedBackends, depths: Mapping[str, Callable[[], int]]) -> AsyncIterator[None]:
    """Keep the gauges for as long as the context lasts. `depths` gives each store's queue."""
    task = asyncio.create_task(_keep(backends, depths))
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
