"""Responses that have a history, and responses that nobody waits for."""

import json
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

from bench import load
from bench.report import Line
from bench.rounds import Effort, one_round
from bench.rows import DATABASES
from bench.servers import Server

LENGTHS = (5, 50, 200)
QUESTION = "How is the weather in Oslo today, and will it be the same tomorrow?"
WITHIN = 60.0


def chains(servers: Mapping[str, Server], effort: Effort) -> Iterator[Line]:
    """Measure a response that goes on from a chain of so many, beside a bare proxy that is sent the same messages."""
    for name, database in DATABASES.items():
        previous, length = None, 0
        for wanted in LENGTHS:
            for _ in range(wanted - length):
                previous = servers[name].ask("/v1/responses", _request(previous))["id"]
            length = wanted
            target = {"must": 4.0, "goal": 2.0} if wanted == 50 else {}
            yield _chain(f"response on a chain of {wanted} ({database})", servers, name, previous, effort, target)


def _chain(
    row: str, servers: Mapping[str, Server], name: str, previous: str | None, effort: Effort, target: dict[str, float]
) -> Line:
    requests = max(16, round(300 * effort.share))
    chain = load.post("/v1/responses", json.dumps(_request(previous)).encode())
    messages = _messages(servers[name], previous)
    told = load.post("/v1/chat/completions", json.dumps({"model": "m", "messages": messages}).encode())
    pairs = [
        (one_round(servers["bare"], told, requests), one_round(servers[name], chain, requests))
        for _ in range(effort.rounds)
    ]
    floor, own = sorted(pairs, key=lambda pair: pair[1].cpu)[len(pairs) // 2]
    return Line(
        row,
        "ms",
        ours=own.cpu * 1e3,
        bare=floor.cpu * 1e3,
        ratio=own.cpu / floor.cpu if floor.cpu else None,
        p50=own.result.quantile(0.5),
        p99=own.result.quantile(0.99),
        rate=own.result.requests / own.result.seconds,
        **target,
    )


def _request(previous: str | None, **more: Any) -> dict[str, Any]:
    return {"model": "up/m", "input": QUESTION, "previous_response_id": previous, **more}


def _messages(server: Server, previous: str | None) -> list[dict[str, Any]]:
    """Return what the vendor is sent for the next question on a chain."""
    messages = [{"role": "user", "content": QUESTION}]
    while previous is not None:
        response = server.ask(f"/v1/responses/{previous}")
        answer = response["output"][0]["content"][0]["text"]
        messages[:0] = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": answer}]
        previous = response["previous_response_id"]
    return messages


def background(servers: Mapping[str, Server], effort: Effort) -> Iterator[Line]:
    """Measure responses of the background, from their requests to the end of the last."""
    for name, database in DATABASES.items():
        rounds = sorted(_handed_over(servers[name], max(16, round(500 * effort.share))) for _ in range(effort.rounds))
        cpu, rate = rounds[len(rounds) // 2]
        yield Line(f"response in the background ({database})", "µs", ours=cpu * 1e6, rate=rate)


def _handed_over(server: Server, requests: int) -> tuple[float, float]:
    """Return the CPU seconds of one response, and how many were made in a second."""
    request = load.post("/v1/responses", json.dumps(_request(None, background=True)).encode())
    before, begun = server.cpu(), time.perf_counter()
    load.run(server.port, request, requests=requests)
    while _unfinished(server):
        if time.perf_counter() - begun > WITHIN:
            raise RuntimeError(f"{server.name} did not end its background responses within {WITHIN:.0f} s")
        signal.sigtimedwait([], 0.05)
    seconds = time.perf_counter() - begun
    return (server.cpu() - before) / requests, requests / seconds


def _unfinished(server: Server) -> bool:
    """Jobs are begun in their order: when the newest are done, so are all."""
    newest = server.ask("/v1/responses?limit=20")["data"]
    return any(response["status"] in ("queued", "in_progress") for response in newest)
