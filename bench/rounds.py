"""One server under one load, and for how long."""

from dataclasses import dataclass

from bench import load
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


def one_round(server: Server, request: bytes, requests: int) -> Round:
    """Warm the server up, then measure."""
    load.run(server.port, request, requests=max(16, requests // 20))
    before = server.cpu()
    result = load.run(server.port, request, requests=requests)
    return Round((server.cpu() - before) / requests, result)
