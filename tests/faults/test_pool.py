"""A Postgres whose connections are all at work: 503 in time, nothing else affected, and well again by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import asyncpg  # type: ignore[import-untyped]
import pytest

from tests.running import RunningServer
from tests.servers import PostgresServer

RUN_FILE = """
version: 2
providers:
  inference: [{{provider_id: demo, provider_type: inline::scripted, config: {{}}}}]
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: "${{env.HOME}}/kv.db"}}
    sql_default:
      {{type: sql_postgres, connection_string: "{url}", pool_size: 1, max_overflow: 0, pool_timeout: 0.5}}
"""
CHAT = "/v1/chat/completions"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
KEEP = {"model": "demo/scripted", "messages": [{"role": "user", "content": "x"}], "store": True}


@pytest.fixture
def url(postgres_server: PostgresServer, postgres_db: str) -> str:
    return postgres_server.url(postgres_db)


@pytest.fixture
def server(tmp_path: Path, url: str) -> Iterator[RunningServer]:
    with RunningServer(tmp_path, RUN_FILE.format(url=url)) as running:
        running.wait_for("/ready")
        assert running.post(CHAT, KEEP).status == 200
        yield running


@asynccontextmanager
async def _locked(url: str) -> AsyncIterator[None]:
    """Hold a lock that nobody can read or write the stored completions under."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE inference_store IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def _stuck(url: str) -> None:
    """Return when somebody waits for a lock."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(5):
            while not await connection.fetchval(WAITING):  # noqa: ASYNC110 - nobody tells of a lock
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def test_a_full_pool_is_a_503_in_time_and_for_those_only_who_need_it(server: RunningServer, url: str) -> None:
    async with _locked(url):
        holder = asyncio.create_task(asyncio.to_thread(server.get, CHAT))
        await _stuck(url)
        started = monotonic()
        refused = await asyncio.gather(*(asyncio.to_thread(server.get, CHAT) for _ in range(8)))
        assert 0.4 < monotonic() - started < 10
        for answer in refused:
            assert (answer.status, answer.error["code"]) == (503, "pool_full")
            assert answer.headers["retry-after"] == "1"
            assert "sql_default" in answer.error["message"]
        for path in ("/health", "/ready", "/v1/models", "/metrics"):
            assert (await asyncio.to_thread(server.get, path)).status == 200, path
            assert not holder.done()
        unstored = {name: value for name, value in KEEP.items() if name != "store"}
        assert (await asyncio.to_thread(server.post, CHAT, unstored)).status == 200
    assert (await holder).status == 200
    assert (await asyncio.to_thread(server.get, CHAT)).status == 200
    assert (await asyncio.to_thread(server.post, CHAT, KEEP)).status == 200
