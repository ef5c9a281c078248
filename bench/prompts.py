"""Prompts: kept, published, and used in a response."""

import asyncio
import itertools
import json
import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
WHO = Who("bench", "bench", "req_bench")


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
    return {"instructions": f"{number} {TEXT}", "model": "up/m"}


def used(folder: Path, effort: Effort) -> Iterator[Line]:
    """Measure what a response pays for naming a prompt, any of 10,000 that are warm."""
    held, rounds = (max(100, round(number * effort.share)) for number in (HELD, 50_000))
    times = sorted(asyncio.run(_used(folder, held, rounds)))
    for q, must, goal in ((0.5, 10, 5), (0.99, 50, 50)):
        name = f"resolve and render a prompt of {held:,}, p{q * 100:.0f}"
        yield Line(name, "µs", ours=times[int(q * len(times))] * 1e6, must=must, goal=goal)


async def _used(folder: Path, held: int, rounds: int) -> list[float]:
    database = SqliteDatabase(folder / "prompts.db", name="bench", timeout=20, pool_timeout=20)
    await database.open()
    prompts = Prompts(database, "prompts")
    await prompts.prepare()
    made = await asyncio.gather(*(prompts.create(WHO, NewPrompt(**_content(number))) for number in range(held)))
    references = [PromptRef(id=one.id, variables={"city": "San Francisco", "age": "30"}) for one in made]
    times = [await _one(prompts, random.choice(references)) for _ in range(rounds)]
    await database.close()
    return times


async def _one(prompts: Prompts, reference: PromptRef) -> float:
    begun = time.perf_counter()
    apply(await prompts.resolve(WHO.tenant, reference), reference.variables, {"input": "Hello"})
    return time.perf_counter() - begun
