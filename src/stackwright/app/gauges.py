"""Gauges that nobody's request moves: looked at once a second, which also serves several workers."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

from prometheus_client import Gauge

from stackwright.jobs import JobQueue, Load, State
from stackwright.kit.beside import beside, rounds
from stackwright.storage.backends import NamedBackends

log = logging.getLogger(__name__)

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
_NONE = Load(0, 0.0)
_EVERY = 1.0


def kept(backends: NamedBackends, depths: Mapping[str, Callable[[], int]]) -> AbstractAsyncContextManager[None]:
    """Keep the gauges for as long as the context lasts. `depths` gives each store's queue."""
    return beside(rounds(partial(_keep, backends, depths), _EVERY, log.debug))


def watched(queue: JobQueue) -> AbstractAsyncContextManager[None]:
    """Keep the gauges of background responses for as long as the context lasts."""
    # While the database is away, the numbers stay what they were; `stackwright_backend_up` tells.
    return beside(rounds(partial(_watch, queue), _EVERY, log.debug))


async def _keep(backends: NamedBackends, depths: Mapping[str, Callable[[], int]]) -> None:
    for one in backends.status():
        _UP.labels(one.name).set(one.trouble is None)
    for store, depth in depths.items():
        _DEPTH.labels(store).set(depth())


async def _watch(queue: JobQueue) -> None:
    load = await queue.load()
    for state in _STATES:
        _JOBS.labels(state).set(load.get(state, _NONE).jobs)
        _OLDEST.labels(state).set(load.get(state, _NONE).oldest)
