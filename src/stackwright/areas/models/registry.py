"""Registered models in the metadata store, and hearing of other replicas' changes."""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator

import msgspec

from stackwright.areas.models.types import Registration
from stackwright.storage.kv import KV, Entry

log = logging.getLogger(__name__)

_GENERATION = "models/generation"
_PREFIX = "models/of/"
_BATCH = 1000

SHARED = "*"
"""The tenant under which the run file's registrations are kept. No caller can be it."""


class Registered(msgspec.Struct):
    """A registration, whose it is, and when it was made, in seconds since 1970."""

    tenant: str
    registration: Registration
    created: int = 0
    """0 for one that was kept before this was noted: it counts as old."""


class Registry:
    """Registrations by tenant. Every write changes one key, the generation, which replicas compare to see news."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        self._untold = False

    async def generation(self) -> bytes | None:
        return await self._kv.get(_GENERATION)

    async def put(self, tenant: str, registration: Registration) -> None:
        """Keep a registration, made now."""
        entry = Registered(tenant, registration, int(time.time()))
        await self._kv.set(_key(tenant, registration.model_id), msgspec.json.encode(entry))
        await self._tell()

    async def delete(self, tenant: str, model_id: str) -> bool:
        """Forget a registration. True when it was there."""
        there = await self._kv.delete(_key(tenant, model_id))
        await self._tell()
        return there

    async def delete_older(self, age: float) -> int:
        """Forget callers' registrations that were made `age` seconds ago or longer; return how many.

        One that is made anew meanwhile stays, whoever else does the same at the same time.
        """
        removed = 0
        async for entry, one in self._entries():
            if one.tenant != SHARED and one.created <= time.time() - age:
                removed += await self._kv.compare_and_set(entry.key, entry.value, None)
                # The store may go away before the end of this: then it is the next one's to tell.
                self._untold = self._untold or removed > 0
        if self._untold:
            await self._tell()
        return removed

    async def everything(self) -> dict[str, list[Registered]]:
        """Return all registrations by tenant."""
        found: dict[str, list[Registered]] = {}
        async for _, one in self._entries():
            found.setdefault(one.tenant, []).append(one)
        return found

    async def _entries(self) -> AsyncIterator[tuple[Entry, Registered]]:
        start = _PREFIX
        while True:
            entries = await self._kv.scan(prefix=_PREFIX, start=start, limit=_BATCH)
            for entry in entries:
                try:
                    yield entry, msgspec.json.decode(entry.value, type=Registered)
                except msgspec.DecodeError as error:
                    log.warning("Registration %s cannot be read and is passed over: %s", entry.key, error)
            if len(entries) < _BATCH:
                return
            start = entries[-1].key + "\x01"
            # A long list must not keep other requests waiting.
            await asyncio.sleep(0)

    async def _tell(self) -> None:
        await self._kv.set(_GENERATION, os.urandom(12).hex().encode())
        self._untold = False


def _key(tenant: str, model_id: str) -> str:
    # A digest: names may be long and hold anything, and no two may run into each other.
    return _PREFIX + hashlib.sha256(msgspec.json.encode((tenant, model_id))).hexdigest()
