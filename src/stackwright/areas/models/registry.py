"""Registered models in the metadata store, and hearing of other replicas' changes."""

import hashlib
import logging
import os

import msgspec

from stackwright.areas.models.types import Registration
from stackwright.storage.kv import KV

log = logging.getLogger(__name__)

_GENERATION = "models/generation"
_PREFIX = "models/of/"
_BATCH = 1000


class _Entry(msgspec.Struct):
    tenant: str
    registration: Registration


class Registry:
    """Registrations by tenant. Every write changes one key, the generation, which replicas compare to see news."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv

    async def generation(self) -> bytes | None:
        return await self._kv.get(_GENERATION)

    async def put(self, tenant: str, registration: Registration) -> None:
        entry = _Entry(tenant, registration)
        await self._kv.set(_key(tenant, registration.model_id), msgspec.json.encode(entry))
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
            for key, value in entries:
                try:
                    entry = msgspec.json.decode(value, type=_Entry)
                except msgspec.DecodeError as error:
                    log.warning("Registration %s cannot be read and is passed over: %s", key, error)
                else:
                    found.setdefault(entry.tenant, []).append(entry.registration)
            if len(entries) < _BATCH:
                return found
            start = entries[-1].key + "\x01"


def _key(tenant: str, model_id: str) -> str:
    # A digest: names may be long and hold anything, and no two may run into each other.
    return _PREFIX + hashlib.sha256(msgspec.json.encode((tenant, model_id))).hexdigest()
