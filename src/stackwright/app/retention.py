"""Removing what is older than its store's `retention`: in small batches, by one process at a time."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import Counter

from stackwright.app.stores import references, sweeps
from stackwright.areas.models import Registry
from stackwright.config.runfile import RunFile
from stackwright.kit.beside import beside, rounds
from stackwright.storage.backends import NamedBackends
from stackwright.storage.sql import Script, SqlBackend
from stackwright.storage.sql.aging import Cursor, Sweep, Swept, time_before
from stackwright.storage.sql.lease import Lease, LeaseGone

log = logging.getLogger(__name__)

REMOVED = Counter(
    "stackwright_retention_removed", "Objects removed for being older than their store's retention.", ["store"]
)
_LONGEST_PAUSE = 3600.0
_PASSES = 24
"""How often a store is looked through in the time of its retention, at least; once a second at most."""
_FIRST_PAUSE = 5.0
_IDLE = 4.0
"""Seconds of rest for a second of work: requests have the database to themselves for four fifths of the time."""


class Keeper:
    """Looks after one store."""

    def __init__(self, store: str, backend: SqlBackend, table_name: str, sweeps: Sequence[Sweep], age: float) -> None:
        """Prepare; `run` begins.

        Args:
            store: What the run file calls it.
            backend: Where its rows are.
            table_name: What tells it from other stores there.
            sweeps: What removes its rows.
            age: Seconds after which they go.
        """
        self._store = store
        self._backend = backend
        self._sweeps = sweeps
        self._age = age
        self._every = _pause(age)
        self._lease = Lease(backend, f"retention of {table_name}", f"{os.getpid()}-{os.urandom(8).hex()}")

    async def prepare(self) -> None:
        """Make what the work needs, now or as soon as the database is there."""
        await self._lease.prepare()

    async def run(self) -> None:
        """Look through the store again and again, until cancelled."""
        tell = partial(log.warning, "Old rows of %s stay for now: %s", self._store)
        await rounds(self._round, self._every, tell, first=min(self._every, _FIRST_PAUSE))

    async def _round(self) -> None:
        try:
            if await self._lease.take(self._every):
                await self._look_through()
                await self._lease.end()
        except LeaseGone as error:
            log.info("%s", error.message)

    async def _look_through(self) -> None:
        removed = 0
        for sweep in self._sweeps:
            old = await time_before(self._backend, max(self._age, sweep.at_least))
            after: Cursor | None = Cursor(old, 0)
            while after is not None:
                began = time.monotonic()
                swept = await self._one(sweep, old, after)
                REMOVED.labels(self._store).inc(swept.removed)
                removed, after = removed + swept.removed, swept.after
                await asyncio.sleep(_IDLE * (time.monotonic() - began))
        if removed:
            log.info("Removed %d old objects of %s.", removed, self._store)

    async def _one(self, sweep: Sweep, old: int, after: Cursor) -> Swept:
        def script() -> Script[Swept]:
            yield from self._lease.holding()
            return (yield from sweep.sweeping(old, after))

        return await self._backend.transact(script)


def _pause(age: float) -> float:
    """Return the seconds between one look through a store and the next."""
    return min(max(age / _PASSES, 1.0), _LONGEST_PAUSE)


async def _forget_models(registry: Registry, age: float) -> None:
    """Forget old registrations again and again. No lease: they are few, and each goes once, whoever else looks."""

    async def look() -> None:
        if removed := await registry.delete_older(age):
            REMOVED.labels("metadata").inc(removed)
            log.info("Forgot %d old registered models.", removed)

    every = _pause(age)
    tell = partial(log.warning, "Old registered models stay for now: %s")
    await rounds(look, every, tell, first=min(every, _FIRST_PAUSE))


@asynccontextmanager
async def kept(run: RunFile, backends: NamedBackends) -> AsyncIterator[None]:
    """Look after the stores that have a retention, for as long as the context lasts."""
    keepers = [
        Keeper(name, backends.sql(reference), reference.table_name, sweeps(name, run, backends), reference.seconds)
        for name, reference in references(run).items()
        if reference.seconds is not None
    ]
    for keeper in keepers:
        await keeper.prepare()
    works = [keeper.run() for keeper in keepers]
    metadata = run.storage.stores.metadata
    if metadata.seconds is not None:
        works.append(_forget_models(Registry(backends.kv(metadata)), metadata.seconds))
    async with beside(*works):
        yield
