"""Reading and writing what the server keeps: nothing that a bare proxy does."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bench import load
from bench.report import Line
from bench.rounds import Effort, repeated
from bench.rows import DATABASES
from bench.servers import Server

TEXT = "How is the weather in Oslo today? " * 6


def stored(servers: Mapping[str, Server], effort: Effort) -> Iterator[Line]:
    """Measure reading stored completions; the first is one of 100."""
    for name, database in DATABASES.items():
        server = servers[name]
        chat = {"model": "up/m", "messages": [{"role": "user", "content": TEXT}], "store": True}
        first, *_ = (server.ask("/v1/chat/completions", chat)["id"] for _ in range(100))
        get, listed = load.get(f"/v1/chat/completions/{first}"), load.get("/v1/chat/completions?limit=20")
        yield repeated(f"get stored ({database})", server, get, effort)
        yield repeated(f"list 20 stored ({database})", server, listed, effort)


def conversations(servers: Mapping[str, Server], effort: Effort) -> Iterator[Line]:
    """Measure a conversation of 1,000 items: reading its end, and adding to it."""
    for name, database in DATABASES.items():
        server = servers[name]
        path = f"/v1/conversations/{server.ask('/v1/conversations', {})['id']}/items"
        for _ in range(50):
            server.ask(path, _items(20))
        append = load.post(path, json.dumps(_items(1)).encode())
        yield repeated(f"list 20 of 1,000 items ({database})", server, load.get(path), effort, must=600, goal=300)
        yield repeated(f"append 1 item ({database})", server, append, effort, must=600, goal=350)


def _items(count: int) -> dict[str, Any]:
    return {"items": [{"type": "message", "role": "user", "content": TEXT}] * count}
