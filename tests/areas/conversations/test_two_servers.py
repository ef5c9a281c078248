"""A thousand clients of two servers add to one conversation."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from bench import load

from tests.databases import backend_at
from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference: [{provider_id: demo, provider_type: inline::scripted, config: {}}]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: %s
"""


@pytest.fixture
def servers(where: str, tmp_path: Path) -> Iterator[list[RunningServer]]:
    with ExitStack() as stack:
        started = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            started.append(stack.enter_context(RunningServer(tmp_path / name, RUN_FILE % backend_at(where))))
        yield started


def test_a_thousand_at_once_from_two_servers_lose_nothing(servers: list[RunningServer]) -> None:
    talk = servers[0].post("/v1/conversations", {}).json["id"]
    path = f"/v1/conversations/{talk}/items"
    request = load.post(path, json.dumps({"items": [{"role": "user", "content": "Me too."}]}).encode())
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(load.run, server.port, request, requests=500, clients=500) for server in servers]
        assert [len(run.result().latencies) for run in runs] == [500, 500]

    items: list[str] = []
    more = True
    while more:
        after = f"&after={items[-1]}" if items else ""
        page = servers[1].get(f"{path}?order=asc&limit=100{after}").json
        items += [item["id"] for item in page["data"]]
        more = page["has_more"]
    assert len(items) == len(set(items)) == 1000
