"""What is measured, against which target."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bench import load
from bench.report import Times
from bench.upstream import CHUNKS, INPUTS

On = Literal["sqlite", "postgres", "sqlite-2", "postgres-2"]
DATABASES: Mapping[On, str] = {"sqlite": "SQLite", "postgres": "Postgres"}
PAIRS: Mapping[On, str] = {"sqlite-2": "SQLite, 2 processes", "postgres-2": "Postgres, 2 processes"}

QUESTION = [{"role": "user", "content": "Tell me about foxes, dogs and bands. " * 25}]
EVENTS = CHUNKS + 3
"""A stream's events: the role, the content, the end, `[DONE]`."""


def chat(model: str = "m", **more: Any) -> Callable[[str], bytes]:
    """Return a maker of chat requests; its argument is what comes before the model's name."""
    return lambda prefix: load.post(
        "/v1/chat/completions", json.dumps({"model": prefix + model, "messages": QUESTION, **more}).encode()
    )


def response(model: str = "m", **more: Any) -> Callable[[str], bytes]:
    """Return a maker of the same question to the Responses API."""
    return lambda prefix: load.post(
        "/v1/responses", json.dumps({"model": prefix + model, "input": QUESTION, **more}).encode()
    )


def embeddings(encoding: str) -> Callable[[str], bytes]:
    """Return a maker of requests for 64 embeddings."""
    texts = [f"This is text number {i}, of the usual length of a sentence." for i in range(INPUTS)]
    return lambda prefix: load.post(
        "/v1/embeddings", json.dumps({"model": f"{prefix}m", "input": texts, "encoding_format": encoding}).encode()
    )


@dataclass(frozen=True, kw_only=True)
class Load:
    """A request that is repeated, and what its CPU may cost."""

    name: str
    request: Callable[[str], bytes]
    base: Callable[[str], bytes] | None = None
    """What the bare proxy is asked for comparison; by default the same."""
    on: On = "sqlite"
    requests: int
    """In one round."""
    parts: int = 1
    """What the CPU is divided by, beside the requests."""
    unit: Literal["µs", "ms"] = "µs"
    must: float | None = None
    """Most that is accepted."""
    goal: float | None = None


ROWS = [
    Load(name="chat", request=chat(), requests=4000, must=Times(2.0), goal=Times(1.4)),
    Load(
        name="chat, stored (SQLite)",
        request=chat(store=True),
        base=chat(),
        requests=3000,
        must=Times(3.0),
        goal=Times(2.0),
    ),
    Load(
        name="chat, stored (Postgres)",
        request=chat(store=True),
        base=chat(),
        on="postgres",
        requests=3000,
        must=Times(3.0),
        goal=Times(2.0),
    ),
    Load(
        name="chat stream, a chunk",
        request=chat(stream=True),
        requests=150,
        parts=EVENTS,
        must=Times(1.8),
        goal=Times(1.3),
    ),
    Load(
        name="chat stream, stored (SQLite), a chunk",
        request=chat(stream=True, store=True),
        base=chat(stream=True),
        requests=150,
        parts=EVENTS,
    ),
    Load(
        name="embeddings, 64 × 384, base64",
        request=embeddings("base64"),
        requests=1000,
        unit="ms",
        must=1.5,
        goal=0.8,
    ),
    Load(name="embeddings, 64 × 384, floats", request=embeddings("float"), requests=400, unit="ms"),
    *(
        Load(
            name=f"response, stored ({database})",
            request=response(),
            base=chat(),
            on=on,
            requests=2000,
            must=Times(4.0),
            goal=565,
        )
        for on, database in DATABASES.items()
    ),
    *(
        Load(name=f"response, stored ({database})", request=response(), base=chat(), on=on, requests=2000)
        for on, database in PAIRS.items()
    ),
    *(
        Load(
            name=f"response stream, stored ({database}), a delta",
            request=response(stream=True),
            base=chat(stream=True),
            on=on,
            requests=150,
            parts=CHUNKS,
            must=40,
            goal=16,
        )
        for on, database in DATABASES.items()
    ),
]
