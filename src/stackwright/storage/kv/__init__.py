"""Key-value storage: one contract, many databases."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """A key and what it holds."""

    key: str
    value: bytes


class Kept(NamedTuple):
    """A key, what it holds, and for how many seconds more; None for ever."""

    key: str
    value: bytes
    ttl: float | None


class KV(Protocol):
    """One namespace of a KV backend. Another namespace's keys do not exist here.

    Keys are non-empty strings of at most 512 UTF-8 bytes without NUL; values are bytes. Keys sort by their UTF-8 bytes.
    Every method raises `Unavailable` when the database is away or its pool stays full for `pool_timeout`.
    """

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None when the key is absent or expired."""
        ...

    async def set(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """Write the value, committed on return. `ttl`: seconds until it is gone; None clears an earlier expiry."""
        ...

    async def delete(self, key: str) -> bool:
        """Remove the key. True when it was there."""
        ...

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None) -> bool:
        """Replace `expected` (None: absent) by `value` (None: delete) in one step. False, and nothing changed, when
        the key holds something else. Clears an expiry."""
        ...

    async def scan(
        self, *, prefix: str = "", start: str = "", end: str | None = None, limit: int = 1000
    ) -> Sequence[Entry]:
        """Return live entries with `prefix` and `start <= key < end`, in key order, at most `limit` (1 to 10,000)."""
        ...

    async def dump(self, *, after: str = "", limit: int = 1000) -> Sequence[Kept]:
        """Return live entries behind a key, in key order, at most `limit`, as `load` takes them."""
        ...

    async def load(self, entries: Sequence[Kept]) -> None:
        """Write entries, each with a key of its own, in their order; committed on return. When it fails, the first of
        them may have been written."""
        ...
