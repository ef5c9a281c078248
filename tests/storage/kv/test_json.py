"""Typed JSON in any key-value storage."""

import msgspec
import pytest

from stackwright.errors import StackwrightError
from stackwright.storage.kv.json import get_json, set_json
from stackwright.storage.kv.memory import MemoryDatabase


class Model(msgspec.Struct):
    id: str
    dimensions: int


async def test_a_value_comes_back_as_what_it_was() -> None:
    kv = MemoryDatabase().namespace("models")
    await set_json(kv, "one", Model("é", 3))
    assert await get_json(kv, "one", Model) == Model("é", 3)
    assert await kv.get("one") == '{"id":"é","dimensions":3}'.encode()
    assert await get_json(kv, "two", Model) is None


@pytest.mark.parametrize("stored", [b"", b"{", b'{"id": 1}', b"\xff"])
async def test_what_is_something_else_is_named_by_its_key(stored: bytes) -> None:
    kv = MemoryDatabase().namespace("models")
    await kv.set("one", stored)
    with pytest.raises(StackwrightError, match="stored under 'one' is no Model"):
        await get_json(kv, "one", Model)
