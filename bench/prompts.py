"""Prompts: kept, published, and used in a response."""

import asyncio
import itertools
import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.json import Decoder, encode

from bench import load
from bench.report import Line
from bench.rounds import Effort, repeated
from bench.rows import DATABASES
from bench.servers import Server
from stackwright.areas.prompts import Prompts, apply
from stackwright.areas.prompts.ledger import Who
from stackwright.areas.prompts.types import NewPrompt
from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.wire.responses import PromptRef

TEXT = "You show {{ city }} to people of {{ age }}. " + "Be brief, be kind, be exact. " * 12
HELD = 10_000
TURNS = 50
"""Of 1,000 renderings each."""
WHO = Who("bench", "bench", "req_bench")
_read = Decoder(PromptRef).decode


def kept(servers: Mapping[str, Server], effort: Effort) -> Iterator[Line]:
    """Measure reading, listing, searching and publishing with 1,000 prompts."""
    for name, database in DATABASES.items():
        server = servers[name]
        load.run(server.port, _each("/v1/prompts"), requests=1000)
        prompt = f"/v1/prompts/{server.ask('/v1/prompts?limit=100')['last_id']}"
        lists, search = load.get("/v1/prompts?limit=20"), load.get("/v1/prompts?q=nothing%20like%20it")
        yield repeated(f"get prompt ({database})", server, load.get(prompt), effort, must=250, goal=150)
        yield repeated(f"list 20 of 1,000 prompts ({database})", server, lists, effort, must=800, goal=500)
        yield repeated(f"search 1,000 prompts ({database})", server, search, effort, requests=300)
        publish = _each(f"{prompt}/versions")
        yield repeated(f"publish a version ({database})", server, publish, effort, must=800, goal=500)


def _each(path: str) -> load.Maker:
    """Return a maker of requests with another text each."""
    numbers = itertools.count()
    return lambda: load.post(path, json.dumps(_content(next(numbers))).encode())


def _content(number: int) -> dict[str, Any]:
    return {"instructions": _text(number), "model": "up/m"}


def _text(number: int) -> str:
    return f"{number} {TEXT}"


def used(folder: Path, effort: Effort) -> Iterator[Line]:
    """Measure what a response pays for naming a prompt, any of 10,000 that are warm."""
    held, turns = (max(least, round(number * effort.share)) for least, number in ((100, HELD), (1, TURNS)))
    own, floor = (sorted(times) for times in asyncio.run(_used(folder, held, turns)))
    for q, must, goal in ((0.5, 10, 5), (0.99, 50, 50)):
        name = f"resolve and render a prompt of {held:,}, p{q * 100:.0f}"
        ours, bare = (times[int(q * len(times))] * 1e6 for times in (own, floor))
        yield Line(name, "µs", ours=ours, bare=bare, ratio=ours / bare, must=must, goal=goal)


async def _used(folder: Path, held: int, turns: int) -> tuple[list[float], list[float]]:
    """Return how long prompts took, and how long texts did that are known by id and are only joined."""
    database = SqliteDatabase(folder / "prompts.db", name="bench", timeout=20, pool_timeout=20)
    await database.open()
    prompts = Prompts(database, "prompts")
    await prompts.prepare()
    made = await asyncio.gather(*(prompts.create(WHO, NewPrompt(**_content(number))) for number in range(held)))
    texts = {one.id: tuple(re.split("{{ .*? }}", _text(number))) for number, one in enumerate(made)}
    requests = [encode(PromptRef(id=one.id, variables={"city": "San Francisco", "age": "30"})) for one in made]
    own: list[float] = []
    floor: list[float] = []
    for _ in range(turns):
        # A request's reference was read a moment ago, so it is in the caches, whatever thousands of prompts push out.
        own += [await _one(prompts, _read(random.choice(requests))) for _ in range(1000)]
        floor += [_joined(texts, _read(random.choice(requests))) for _ in range(1000)]
    await database.close()
    return own, floor


async def _one(prompts: Prompts, reference: PromptRef) -> float:
    begun = time.perf_counter()
    apply(await prompts.resolve(WHO.tenant, reference), reference.variables, {"input": "Hello"})
    return time.perf_counter() - begun


def _joined(texts: Mapping[str, tuple[str, ...]], reference: PromptRef) -> float:
    begun = time.perf_counter()
    before, between, after = texts[reference.id or ""]
    given = reference.variables or {}
    "".join((before, given["city"], between, given["age"], after))
    return time.perf_counter() - begun
