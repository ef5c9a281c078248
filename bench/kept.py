"""Reading and writing what the server keeps: nothing that a bare proxy does."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from bench import load
from bench.report import Line
from bench.rounds import Effort, one_round
from bench.servers import Server

NAMES = {"sqlite": "SQLite", "postgres": "Postgres"}
TEXT = "How is the weather in Oslo today? " * 6


def stored(servers: Mapping[str, Server], effort: Effort) -> Iterator[Line]:
    """Measure reading stored completions; the rows before this one stored some thousands."""
    for name, database in NAMES.items():
        server = servers[name]
        first = _ask(server, "/v1/chat/completions?limit=1")["data"][0]["id"]
        yield _line(f"get stored ({database})", server, load.get(f"/v1/chat/completions/{first}"), effort)
        yield _line(f"list 20 stored ({database})", server, load.get("/v1/chat/completions?limit=20"), effort)


def conversations(servers: Mapping[str, Server], effort: Effort) -> Iterator[Line]:
    """Measure a conversation of 1,000 items: reading its end, and adding to it."""
    for name, database in NAMES.items():
        server = servers[name]
        path = f"/v1/conversations/{_ask(server, '/v1/conversations', {})['id']}/items"
        for _ in range(50):
            _ask(server, path, _items(20))
        append = load.post(path, json.dumps(_items(1)).encode())
        yield _line(f"list 20 of 1,000 items ({database})", server, load.get(path), effort, must=600, goal=300)
        yield _line(f"append 1 item ({database})", server, append, effort, must=600, goal=350)


def _items(count: int) -> dict[str, Any]:
    return {"items": [{"type": "message", "role": "user", "content": TEXT}] * count}


def _ask(server: Server, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", data) as answer:
        return json.load(answer)


def _line(
    name: str,
    server: Server,
    request: bytes,
    effort: Effort,
    *,
    must: float | None = None,
    goal: float | None = None,
) -> Line:
    rounds = [one_round(server, request, max(16, round(1500 * effort.share))) for _ in range(effort.rounds)]
    middle = sorted(rounds, key=lambda each: each.cpu)[len(rounds) // 2]
    return Line(
        name,
        "µs",
        ours=middle.cpu * 1e6,
        p50=middle.result.quantile(0.5),
        p99=middle.result.quantile(0.99),
        rate=middle.result.requests / middle.result.seconds,
        must=must,
        goal=goal,
    )
