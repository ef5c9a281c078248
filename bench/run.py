"""Measure Stackwright against a bare proxy of the same libraries, in one run, and print the table."""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers import PostgresServer

from bench import installed, kept, load, prompts, report, responses, streams
from bench.report import Line
from bench.rounds import FULL, QUICK, Effort, one_round
from bench.rows import ROWS, Load, chat
from bench.servers import Server, Upstream, bare, ours


@contextmanager
def everything(folder: Path) -> Iterator[tuple[Upstream, Mapping[str, Server]]]:
    """Start the upstream, the bare proxy, and Stackwright on each database, with one process and with two."""
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream())
        postgres = PostgresServer()
        stack.callback(postgres.remove)
        sql: dict[str, object] = {"type": "sql_postgres", "password": postgres.password}
        sql |= {"host": postgres.host, "port": postgres.port, "user": postgres.user}
        servers = {"bare": bare(upstream, folder)}
        for workers, suffix in ((1, ""), (2, "-2")):
            one, other = f"sqlite{suffix}", f"postgres{suffix}"
            servers[one] = ours(one, upstream, folder / one, workers=workers)
            database = {**sql, "db": postgres.create_database()}
            servers[other] = ours(other, upstream, folder / other, database, workers=workers)
        yield upstream, {name: stack.enter_context(server) for name, server in servers.items()}


def measure(row: Load, servers: Mapping[str, Server], effort: Effort) -> Line:
    """Measure a row on the bare proxy and on ours, by turns, and return the medians."""
    requests = max(16, round(row.requests * effort.share))
    floor, own = [], []
    for _ in range(effort.rounds):
        floor.append(one_round(servers["bare"], (row.base or row.request)(""), requests))
        own.append(one_round(servers[row.on], row.request("up/"), requests))
    scale = {"µs": 1e6, "ms": 1e3}[row.unit] / row.parts
    results = [each.result for each in own]
    return Line(
        row.name,
        row.unit,
        ours=statistics.median(each.cpu for each in own) * scale,
        bare=statistics.median(each.cpu for each in floor) * scale,
        # A neighbour slows both of a pair, so the pair's ratio stands firmer than either figure.
        ratio=statistics.median(a.cpu / b.cpu if b.cpu else 0.0 for a, b in zip(own, floor, strict=True)),
        p50=statistics.median(result.quantile(0.5) for result in results),
        p99=statistics.median(result.quantile(0.99) for result in results),
        rate=statistics.median(result.requests / result.seconds for result in results),
        must=row.must,
        goal=row.goal,
    )


def first_chunk(upstream: Upstream, servers: Mapping[str, Server], effort: Effort) -> Iterator[Line]:
    """Measure what a server adds to the time until the first chunk, with one client."""
    ports = {"direct": upstream.port, "bare": servers["bare"].port, "ours": servers["sqlite"].port}
    request = chat("brief", stream=True)
    waits: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(effort.rounds):
        for name, port in ports.items():
            prefix = "up/" if name == "ours" else ""
            waits[name] += load.run(
                port, request(prefix), requests=max(5, round(20 * effort.share)), clients=1
            ).first_bytes
    direct, floor, own = (statistics.median(times) * 1e3 for times in waits.values())
    yield Line("first chunk, over direct", "ms", ours=own - direct, bare=floor - direct, must=2, goal=1)


def at_rest(upstream: Upstream, folder: Path, effort: Effort) -> Iterator[Line]:
    """Measure starting and idling, each time with new databases."""
    starts: dict[str, list[float]] = {"bare": [], "ours": []}
    memory: dict[str, list[float]] = {"bare": [], "ours": []}
    for turn in range(effort.rounds):
        for name, server in (("bare", bare(upstream, folder)), ("ours", ours("rest", upstream, folder / f"{turn}"))):
            with server:
                starts[name].append(server.start_seconds)
                memory[name].append(server.memory())
    for name, unit, figures, must, goal in (
        ("cold start to first 200", "s", starts, 1.5, 0.8),
        ("idle memory", "MB", memory, 120, 80),
    ):
        floor, own = statistics.median(figures["bare"]), statistics.median(figures["ours"])
        yield Line(name, unit, ours=own, bare=floor, ratio=own / floor, must=must, goal=goal)


def weight() -> Iterator[Line]:
    """Weigh an installation without extras."""
    packages = installed.core()
    yield Line("installed, core", "MB", ours=sum(packages.values()), must=90, goal=60)
    yield Line("packages, core", "", ours=len(packages), must=40, goal=40)


def main() -> None:
    """Run the rows and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only prove that every row can be measured")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--only", default="", help="measure only the loads and groups whose name contains this")
    chosen = parser.parse_args()
    lines = list(figures(QUICK if chosen.quick else FULL, chosen.only))
    print(report.table(lines))
    if chosen.write:
        report.write(lines)


def figures(effort: Effort, only: str) -> Iterator[Line]:
    """Yield the rows as they are measured; with `only`, the loads and groups whose name contains it."""
    with TemporaryDirectory(prefix="stackwright-bench-") as home, everything(Path(home)) as (upstream, servers):
        for row in ROWS:
            if only in row.name:
                print(row.name, file=sys.stderr)
                yield measure(row, servers, effort)
        groups: Mapping[str, Callable[[], Iterator[Line]]] = {
            "first chunk": lambda: first_chunk(upstream, servers, effort),
            "stored": lambda: kept.stored(servers, effort),
            "open streams": lambda: streams.held(servers, effort),
            "chains": lambda: responses.chains(servers, effort),
            "background": lambda: responses.background(servers, effort),
            "conversations": lambda: kept.conversations(servers, effort),
            "prompts": lambda: prompts.kept(servers, effort),
            "rendering": lambda: prompts.used(Path(home), effort),
            "at rest": lambda: at_rest(upstream, Path(home), effort),
            "weight": weight,
        }
        for name, group in groups.items():
            if only in name:
                print(name, file=sys.stderr)
                yield from group()


if __name__ == "__main__":
    main()
