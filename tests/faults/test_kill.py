"""Acknowledged means committed: a server killed at any moment has lost nothing it has answered for."""

import asyncio
import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import RunningServer
from tests.servers import PostgresServer

CLIENTS = 16
ROUNDS = 20

RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config: {models: {echo: {}}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: %s
"""


def body(*, stream: bool) -> bytes:
    message = {"role": "user", "content": "one two three"}
    return json.dumps({"model": "demo/echo", "messages": [message], "store": True, "stream": stream}).encode()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[RunningServer]:
    backend = {"type": "sql_sqlite", "db_path": str(tmp_path / "sql.db")}
    with RunningServer(tmp_path, RUN_FILE % json.dumps(backend)) as server:
        yield server


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_server: PostgresServer, postgres_db: str) -> Iterator[RunningServer]:
    backend = {"type": "sql_postgres", "connection_string": postgres_server.url(postgres_db)}
    with RunningServer(tmp_path, RUN_FILE % json.dumps(backend)) as server:
        yield server


class Clients:
    """Sixteen that store completions until the server is gone. Every second one streams."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.acknowledged: set[str] = set()
        """Ids of completions whose whole answer arrived: for a stream, up to its `[DONE]`."""

    async def run(self) -> None:
        """Return when all have lost their connection."""
        await asyncio.gather(*(self._run(stream=bool(at % 2)) for at in range(CLIENTS)))

    async def _run(self, *, stream: bool) -> None:
        sent = body(stream=stream)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: {len(sent)}\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while True:
                writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + sent)
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 200 "), answer
                self.acknowledged.add(await (self._streamed(reader) if stream else self._whole(reader, answer)))
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()

    @staticmethod
    async def _whole(reader: asyncio.StreamReader, head: bytes) -> str:
        length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        return str(json.loads(await reader.readexactly(int(length)))["id"])

    @staticmethod
    async def _streamed(reader: asyncio.StreamReader) -> str:
        text = await reader.readuntil(b"0\r\n\r\n")
        events = text.split(b"data: ")
        assert events[-1].startswith(b"[DONE]"), events[-1]
        return str(json.loads(events[1].split(b"\n")[0])["id"])


async def kill_under_load(server: RunningServer, moment: float) -> set[str]:
    """Kill the server so many seconds after the first acknowledgement and return what it had acknowledged."""
    clients = Clients(server.port)
    running = asyncio.create_task(clients.run())
    while not clients.acknowledged:
        assert not running.done()
        await asyncio.sleep(0.001)
    await asyncio.sleep(moment)
    server.stop(signal.SIGKILL)
    await asyncio.wait_for(running, 10)
    return clients.acknowledged


def stored(server: RunningServer) -> set[str]:
    """Return the ids of all stored completions, page by page."""
    ids: list[str] = []
    more, after = True, ""
    while more:
        page = server.get(f"/v1/chat/completions?limit=100{after}").json
        ids += [completion["id"] for completion in page["data"]]
        more, after = page["has_more"], f"&after={page['last_id']}"
    assert len(ids) == len(set(ids))
    return set(ids)


async def rounds(server: RunningServer) -> None:
    acknowledged: set[str] = set()
    chance = random.Random()
    for _ in range(ROUNDS):
        server.wait_for("/ready")
        acknowledged |= await kill_under_load(server, chance.uniform(0.0, 0.4))
        server.start()

    server.wait_for("/ready")
    assert len(acknowledged) > ROUNDS * CLIENTS
    assert acknowledged - stored(server) == set()


async def test_sqlite_keeps_every_acknowledged_completion_through_twenty_kills(on_sqlite: RunningServer) -> None:
    await rounds(on_sqlite)


async def test_postgres_keeps_every_acknowledged_completion_through_twenty_kills(on_postgres: RunningServer) -> None:
    await rounds(on_postgres)
