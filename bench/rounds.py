"""One server under one load, and for how long."""

from dataclasses import dataclass

from bench import load
from bench.report import Line
from bench.servers import Server


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    share: float
    """Of a row's requests."""


FULL = Effort(rounds=5, share=1.0)
QUICK = Effort(rounds=1, share=0.02)


@dataclass(frozen=True)
class Round:
    """One server under one load."""

    cpu: float
    """Seconds a request."""
    result: load.Result


def one_round(server: Server, request: bytes | load.Maker, requests: int) -> Round:
    """Warm the server up, then measure."""
    load.run(server.port, request, requests=max(16, requests // 20))
    before = server.cpu()
    result = load.run(server.port, request, requests=requests)
    return Round((server.cpu() - before) / requests, result)


def repeated(
    name: str,
    server: Server,
    request: bytes | load.Maker,
    effort: Effort,
    *,
    requests: int = 1500,
    must: float | None = None,
    goal: float | None = None,
) -> Line:
    """Measure what one request costs that the bare proxy knows nothing of, in µs."""
    rounds = [one_round(server, request, max(16, round(requests * effort.share))) for _ in range(effort.rounds)]
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
