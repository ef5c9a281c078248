"""The namespaces of a KV backend as one end of a copy. Who else works there, no KV database tells."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from stackwright.config.storage import KVReference
from stackwright.storage.backends import NamedBackends
from stackwright.storage.copy import MOST_BYTES, MOST_ROWS, Part, size_of
from stackwright.storage.kv import KV, Kept
from stackwright.storage.sql import Row

_FIRST = 100
_AT_ONCE = 10


class KVPlace:
    """See `Place`. The rows are entries that do not expire; those that do are the `rest`."""

    def __init__(self, backends: NamedBackends, name: str) -> None:
        self.name = name
        self._backends = backends
        self._limit = _FIRST

    async def part(self, name: str, *, seeded: bool) -> Part:
        """See `Place.part`."""
        return Part(name, ("key", "value"), (0,), seeded)

    async def count(self, part: Part) -> None:
        """See `Place.count`."""

    async def read(self, part: Part, after: Sequence[Any] | None) -> list[Row]:
        """See `Place.read`."""
        # Closed here: the event loop would do it when it comes round, which it does not while SQLite is read.
        async with aclosing(self._entries(part, after[0] if after else "")) as batches:
            async for entries in batches:
                if lasting := [(entry.key, entry.value) for entry in entries if entry.ttl is None]:
                    return lasting
        return []

    async def write(self, part: Part, rows: Sequence[Row]) -> None:
        """See `Place.write`. On Redis and MongoDB some rows may be there and others not when it is interrupted."""
        await self._kv(part).load([Kept(key, value, None) for key, value in rows])

    async def clear(self, part: Part) -> None:
        """See `Place.clear`."""
        async for entries in self._entries(part, ""):
            for start in range(0, len(entries), _AT_ONCE):
                some = entries[start : start + _AT_ONCE]
                await asyncio.gather(*(self._kv(part).delete(entry.key) for entry in some))

    async def rest(self, part: Part) -> list[Row]:
        """Return the entries that expire, with the seconds that they have left."""
        return [entry async for entries in self._entries(part, "") for entry in entries if entry.ttl is not None]

    async def take_rest(self, part: Part, rest: Sequence[Row]) -> None:
        """See `rest`."""
        await self._kv(part).load([Kept(*row) for row in rest])

    async def _entries(self, part: Part, after: str) -> AsyncGenerator[Sequence[Kept], None]:
        kv = self._kv(part)
        while entries := await kv.dump(after=after, limit=self._limit):
            # How large values are is known when they are here; the next batch is measured by this one.
            average = sum(map(size_of, entries)) / len(entries)
            self._limit = max(1, min(MOST_ROWS, int(MOST_BYTES / average)))
            after = entries[-1].key
            yield entries

    def _kv(self, part: Part) -> KV:
        return self._backends.kv(KVReference(backend=self.name, namespace=part.name))
