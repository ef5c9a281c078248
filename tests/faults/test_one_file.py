"""Two server processes on one SQLite file: they take turns, and nothing acknowledged is missing."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import openai
import pytest
from openai import AsyncOpenAI

from tests.faults.test_kill import RUN_FILE, stored
from tests.running import RunningServer

CLIENTS = 8
ASKS = 25


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[RunningServer]]:
    run_file = RUN_FILE % json.dumps({"type": "sql_sqlite", "db_path": str(tmp_path / "shared.db")})
    with ExitStack() as stack:
        started = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            started.append(stack.enter_context(RunningServer(tmp_path / name, run_file)))
        for server in started:
            server.wait_for("/ready")
            server.wait_for("/v1/models/demo/echo")
        yield started


async def _keep(client: AsyncOpenAI, refused: list[openai.APIStatusError]) -> set[str]:
    kept = set()
    for ask in range(ASKS):
        try:
            made = await client.chat.completions.create(
                model="demo/echo", messages=[{"role": "user", "content": str(ask)}], store=True, metadata={"a": "b"}
            )
            kept.add(made.id)
        except openai.APIStatusError as error:
            refused.append(error)
    return kept


async def test_two_processes_keep_everything_in_one_file(servers: list[RunningServer]) -> None:
    refused: list[openai.APIStatusError] = []
    async with servers[0].async_client() as one, servers[1].async_client() as two:
        kept = await asyncio.gather(*(_keep(client, refused) for client in (one, two) for _ in range(CLIENTS)))
    acknowledged = set().union(*kept)
    assert {error.status_code for error in refused} <= {503}
    assert len(acknowledged) + len(refused) == 2 * CLIENTS * ASKS
    assert len(acknowledged) > CLIENTS * ASKS
    for server in servers:
        assert await asyncio.to_thread(stored, server) == acknowledged
