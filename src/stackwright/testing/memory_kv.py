"""A key-value store in this process's memory: for tests that need one and not a file."""

import time
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import NamedTuple

from stackwright.storage.kv import KV, Entry, Kept
from stackwright.storage.kv.keys import check_key, check_namespace, following, span


class Cell(NamedTuple):
    """A value and when it is gone, on this database's clock."""

    value: bytes
    expires_at: float


class MemoryDatabase:
    """Many namespaces in one dict."""

    address = "memory"

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._namespaces: dict[str, MemoryKV] = {}

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """Forget everything."""
        self._namespaces.clear()

    async def ping(self) -> None:
        """Memory is always there."""

    def namespace(self, namespace: str) -> KV:
        """Return a namespace; the same one for the same name."""
        return self._namespaces.setdefault(check_namespace(namespace), MemoryKV(self._clock))


class MemoryKV:
    """A dict and its keys in order."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cells: dict[str, Cell] = {}
        self._keys: list[str] = []

    async def get(self, key: str) -> bytes | None:
        """See `KV.get`."""
        return self._read(check_key(key))

    async def set(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """See `KV.set`."""
        self._write(check_key(key), value, float("inf") if ttl is None else self._clock() + ttl)

    async def delete(self, key: str) -> bool:
        """See `KV.delete`."""
        found = self._read(check_key(key)) is not None
        self._drop(key)
        return found

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None) -> bool:
        """See `KV.compare_and_set`."""
        if self._read(check_key(key)) != expected:
            return False
        if value is None:
            self._drop(key)
        else:
            self._write(key, value, float("inf"))
        return True

    async def scan(
        self, *, prefix: str = "", start: str = "", end: str | None = None, limit: int = 1000
    ) -> Sequence[Entry]:
        """See `KV.scan`."""
        low, high = span(prefix, start, end, limit)
        keys = self._keys[bisect_left(self._keys, low) : bisect_left(self._keys, high)]
        live = [Entry(key, value) for key in keys if (value := self._read(key)) is not None]
        return live[:limit]

    async def dump(self, *, after: str = "", limit: int = 1000) -> Sequence[Kept]:
        """See `KV.dump`."""
        found = await self.scan(start=following(after), limit=limit)
        left = [self._cells[entry.key].expires_at - self._clock() for entry in found]
        return [Kept(*entry, None if ttl == float("inf") else ttl) for entry, ttl in zip(found, left, strict=True)]

    async def load(self, entries: Sequence[Kept]) -> None:
        """See `KV.load`."""
        for key, value, ttl in entries:
            await self.set(key, value, ttl=ttl)

    def _read(self, key: str) -> bytes | None:
        cell = self._cells.get(key)
        if cell is None or cell.expires_at > self._clock():
            return cell.value if cell else None
        self._drop(key)
        return None

    def _write(self, key: str, value: bytes, expires_at: float) -> None:
        if key not in self._cells:
            insort(self._keys, key)
        self._cells[key] = Cell(bytes(value), expires_at)

    def _drop(self, key: str) -> None:
        if self._cells.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]
