"""What is measured, against which target."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bench import load
from bench.upstream import CHUNKS, INPUTS

Against = Literal["bare", "nothing"]
On = Literal["sqlite", "postgres"]

QUESTION = [{"role": "user", "content": "Tell me about foxes, dogs and bands. " * 25}]
EVENTS = CHUNKS + 3
"""A stream's events: the role, the content, the end, `[DONE]`."""


def chat(model: str = "m", **more: Any) -> Callable[[str], bytes]:
    """Return a maker of chat requests; its argument is what comes before the model's name."""
    return lambda prefix: load.post(
        "/v1/chat/completions", json.dumps({"model": prefix + model, "messages": QUESTION, **more}).encode()
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
    """Most that is accepted: times the bare proxy's CPU, or absolute when `absolute`."""
    goal: float | None = None
    absolute: bool = False


ROWS = [
    Load(name="chat", request=chat(), requests=4000, must=2.0, goal=1.4),
    Load(name="chat, stored (SQLite)", request=chat(store=True), base=chat(), requests=3000, must=3.0, goal=2.0),
    Load(
        name="chat, stored (Postgres)",
        request=chat(store=True),
        base=chat(),
        on="postgres",
        requests=3000,
        must=3.0,
        goal=2.0,
    ),
    Load(name="chat stream, a chunk", request=chat(stream=True), requests=150, parts=EVENTS, must=1.8, goal=1.3),
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
        absolute=True,
    ),
    Load(name="embeddings, 64 × 384, floats", request=embeddings("float"), requests=400, unit="ms"),
]
