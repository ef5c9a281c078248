"""Two hundred streams that wait for their vendor: cheap, off the database's connections, and gone afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream
from tests.running import RunningServer
from tests.servers import PostgresServer

STREAMS = 200
WARM = 20
"""A first round, so that what is allocated once is not counted."""
RUN_FILE = """
version: 2
providers:
  inference:
    - {{provider_id: up, provider_type: remote::openai-compatible, config: {{base_url: "{vendor}", models: [m]}}}}
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: "${{env.HOME}}/kv.db"}}
    sql_default: {{type: sql_postgres, connection_string: "{url}", pool_size: 2, max_overflow: 0}}
"""
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "x"}]
HELD = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()"
)


@pytest.fixture
def server(
    vendor: Upstream, tmp_path: Path, postgres_server: PostgresServer, postgres_db: str
) -> Iterator[RunningServer]:
    run_file = RUN_FILE.format(vendor=vendor.base_url, url=postgres_server.url(postgres_db))
    with RunningServer(tmp_path, run_file) as running:
        running.wait_for("/ready")
        yield running


def _waiting(release: asyncio.Event) -> play.Script:
    """A stream that says one word, the next when it is told to, and then goodbye."""
    first, *rest = (play.chunk(play.event(one)) for one in (play.delta("one "), play.delta("two", finish="stop")))
    return [
        play.STREAM_HEAD,
        first,
        lambda *_: release.wait(),
        *rest,
        play.chunk(play.event(b"[DONE]")),
        play.STREAM_END,
        play.hang_up,
    ]


Opener = Callable[[AsyncOpenAI], Awaitable[AsyncIterator[object]]]


async def chat(client: AsyncOpenAI) -> AsyncIterator[object]:
    """Ask for a completion that is to be stored."""
    return await client.chat.completions.create(model="up/m", messages=HELLO, stream=True, store=True)


async def response(client: AsyncOpenAI) -> AsyncIterator[object]:
    """Ask for a response, which is stored unless it says otherwise."""
    return await client.responses.create(model="up/m", input="x", stream=True)


class Streams:
    """Streams that are to be stored, opened and read up to the vendor's pause."""

    def __init__(self, client: AsyncOpenAI, opener: Opener) -> None:
        self._client = client
        self._opener = opener
        self._opened: list[AsyncIterator[object]] = []

    async def open(self, count: int) -> None:
        """Return when the first chunk of each has come."""
        self._opened = await asyncio.gather(*(self._open() for _ in range(count)))

    async def _open(self) -> AsyncIterator[object]:
        stream = await self._opener(self._client)
        await anext(stream)
        return stream

    async def finish(self) -> None:
        """Read each to its end."""
        await asyncio.gather(*(self._rest(stream) for stream in self._opened))

    async def _rest(self, stream: AsyncIterator[object]) -> None:
        async for _ in stream:
            pass


async def _few_files(process: psutil.Process, most: int) -> None:
    async with asyncio.timeout(5):
        while process.num_fds() > most:  # noqa: ASYNC110 - another process's files
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("opener", "kept"),
    [(chat, "inference_store WHERE incomplete IS NULL"), (response, "responses WHERE status = 'completed'")],
    ids=["chat", "responses"],
)
async def test_streams_that_wait_are_cheap_and_leave_nothing(
    server: RunningServer,
    vendor: Upstream,
    postgres_server: PostgresServer,
    postgres_db: str,
    opener: Opener,
    kept: str,
) -> None:
    assert server.process is not None
    process = psutil.Process(server.process.pid)

    async def sql(statement: str) -> str:
        return await asyncio.to_thread(postgres_server.sql, statement, postgres_db)

    release = asyncio.Event()
    vendor.scripts = [_waiting(release)]
    at_rest = process.num_fds()

    async def grown_by(count: int) -> int:
        release.clear()
        before = process.memory_info().rss
        async with server.async_client() as client:
            streams = Streams(client, opener)
            await streams.open(count)
            grown = process.memory_info().rss - before
            assert await sql(HELD) == "0"
            assert (await asyncio.to_thread(server.get, "/v1/chat/completions?limit=1")).status == 200
            release.set()
            await streams.finish()
        await _few_files(process, at_rest)
        return grown

    await grown_by(WARM)
    assert await grown_by(STREAMS) <= STREAMS * 200_000
    assert await sql(f"SELECT count(*) FROM {kept}") == str(WARM + STREAMS)
