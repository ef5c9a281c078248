"""Copies hold a batch at a time, whatever the number of rows."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from stackwright.config.storage import KVReference, Storage
from stackwright.storage.backends import open_backends
from stackwright.storage.copy.kv import KVPlace
from stackwright.storage.kv import Kept


async def test_reading_a_batch_leaves_nothing_for_the_event_loop_to_tidy(tmp_path: Path) -> None:
    backends = {"kv": {"type": "kv_sqlite", "db_path": str(tmp_path / "kv.db")}}
    async with open_backends(Storage.model_validate({"backends": backends})) as opened:
        await opened.kv(KVReference(backend="kv", namespace="n")).load([Kept("a", b"1", None), Kept("b", b"2", None)])
        place = KVPlace(opened, "kv")
        part = await place.part("n", seeded=False)
        left: list[AsyncGenerator[Any, Any]] = []
        before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=left.append)
        try:
            assert await place.read(part, None) == [("a", b"1"), ("b", b"2")]
            assert await place.read(part, ("b",)) == []
        finally:
            sys.set_asyncgen_hooks(*before)
    assert left == []
