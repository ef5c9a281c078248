"""Typed JSON values in any key-value storage."""

from typing import Any, TypeVar

import msgspec

from stackwright.errors import StackwrightError
from stackwright.storage.kv import KV

T = TypeVar("T")


async def get_json(kv: KV, key: str, type: type[T]) -> T | None:
    """Return the value as `type`, or None when the key is absent. `StackwrightError` when it holds something else."""
    found = await kv.get(key)
    try:
        return None if found is None else msgspec.json.decode(found, type=type)
    except msgspec.DecodeError as error:
        raise StackwrightError(f"The value stored under {key!r} is no {type.__name__}: {error}") from error


async def set_json(kv: KV, key: str, value: Any, *, ttl: float | None = None) -> None:
    """Write a value as JSON; see `KV.set`."""
    await kv.set(key, msgspec.json.encode(value), ttl=ttl)
