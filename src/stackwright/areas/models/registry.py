"""Registered models in the metadata store, and hearing of other replicas' changes."""

import os

import msgspec

from stackwright.areas.models.types import Registration
from stackwright.storage.kv import KV

_GENERATION = "models/generation"
_PREFIX = "models/of/"
_BATCH = 1000


class Registry:
    """Registrations by tenant. Every write changes one key, the generation, which replicas compare to see news."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv

    async def generation(self) -> bytes | None:
        return await self._kv.get(_GENERATION)

    async def put(self, tenant: str, registration: Registration) -> None:
        await self._kv.set(_key(tenant, registration.model_id), msgspec.json.encode(registration))
        await self._kv.set(_GENERATION, os.urandom(12).hex().encode())

    async def delete(self, tenant: str, model_id: str) -> bool:
        there = await self._kv.delete(_key(tenant, model_id))
        await self._kv.set(_GENERATION, os.urandom(12).hex().encode())
        return there

    async def everything(self) -> dict[str, list[Registration]]:
        """Return all registrations by tenant."""
        found: dict[str, list[Registration]] = {}
        start = _PREFIX
        while True:
            entries = await self._kv.scan(prefix=_PREFIX, start=start, limit=_BATCH)
            for entry in entries:
                tenant = entry.key.removeprefix(_PREFIX).partition("/")[0]
                found.setdefault(tenant, []).append(msgspec.json.decode(entry.value, type=Registration))
            if len(entries) < _BATCH:
                return found
            start = entries[-1].key + "\x01"


def _key(tenant: str, model_id: str) -> str:
    return f"{_PREFIX}{tenant}/{model_id}"
