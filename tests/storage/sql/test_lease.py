"""A lease: one process at a time, not too often, and nobody who was silent goes on writing."""

import asyncio
from typing import Any

import pytest

from stackwright.storage.sql import Do, Script
from stackwright.storage.sql.lease import Lease, LeaseGone


async def _until_taken(lease: Lease, *, every: float) -> None:
    async with asyncio.timeout(10):
        while not await lease.take(every):  # noqa: ASYNC110 - looks from outside, as another process does
            await asyncio.sleep(0.02)


async def test_one_at_a_time_and_not_too_often(database: Any) -> None:
    one, other = (Lease(database, "work", owner) for owner in ("one", "other"))
    await one.prepare()
    taken = await asyncio.gather(*(lease.take(0.2) for lease in (one, other) for _ in range(5)))
    assert taken.count(True) == 1
    owner = one if any(taken[:5]) else other
    assert not await one.take(0)
    assert not await other.take(0)
    await owner.end()
    assert not await other.take(1000)
    await _until_taken(other, every=0.2)
    elsewhere = Lease(database, "other work", "one")
    assert await elsewhere.take(0)


async def test_who_was_silent_for_too_long_writes_nothing_more(database: Any) -> None:
    silent, heir = (Lease(database, "work", owner, seconds=0.1) for owner in ("silent", "heir"))
    await silent.prepare()
    assert await silent.take(0)

    def work() -> Script[None]:
        yield from silent.holding()
        yield Do("UPDATE stackwright_leases SET begun = 7")

    await database.transact(work)
    await _until_taken(heir, every=0)
    with pytest.raises(LeaseGone):
        await database.transact(work)
    ((begun,),) = await database.fetch("SELECT begun FROM stackwright_leases")
    assert begun > 7
