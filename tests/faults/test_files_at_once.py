"""Files and bodies of many requests at once: no more than there is room for, which is whole when they are over."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from starlette.types import Message

from stackwright.errors import Unavailable
from stackwright.http.body import LITTLE, Bodies
from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream, answer, completion
from tests.journeys.test_websocket import talking
from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference:
    - {provider_id: up, provider_type: remote::openai-compatible, config: {base_url: "%s", models: [m], max_retries: 0}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
responses:
  max_file_bytes: 4000000
  max_file_bytes_at_once: 9000000
  file_urls: {allow_private: [localhost]}
server:
  max_body_bytes_at_once: 11000000
  auth: {mode: api_keys, api_keys: [{name: a, key: key-a, tenant: a}, {name: b, key: key-b, tenant: b}]}
"""
SIZE = 4_000_000
"""Two have room."""
MANY = 16
WAITS = 2
COMMAND = f"""
import socket, time
from stackwright.areas.responses import attachments
from stackwright.cli import main

attachments.PATIENCE = {WAITS}
find = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **hints: time.sleep(60) if "example" in host else find(host, *more, **hints)
main()
"""
HELD = "stackwright_response_file_bytes "
OVER = {"completed", "failed"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Site:
    """A server in front of a vendor that says nothing before it is told to, and a file that was uploaded."""

    def __init__(self, server: RunningServer, vendor: Upstream, client: AsyncOpenAI, file_id: str) -> None:
        self.server = server
        self.vendor = vendor
        self.client = client
        self.file: Any = {"type": "input_file", "file_id": file_id}

    def begin(self) -> None:
        """Forget what was."""
        self.vendor.requests.clear()
        self.go = asyncio.Event()
        self.answers(answer(completion("Seen.")))

    def answers(self, script: play.Script) -> None:
        """Have the vendor say this when it is told to."""
        go = self.go
        self.vendor.scripts = [[lambda *_: go.wait(), *script]]

    def ask(self, *parts: Any, **more: Any) -> "asyncio.Task[Any]":
        return asyncio.create_task(self.client.responses.create(model="up/m", input=[user(*parts)], **more))

    async def held(self) -> int:
        found = await asyncio.to_thread(self.server.get, "/metrics", authorization="Bearer key-a")
        (line,) = [line for line in found.body.decode().splitlines() if line.startswith(HELD)]
        return int(float(line.removeprefix(HELD)))

    async def holding(self, size: int) -> None:
        """Wait until the files of requests have so much."""
        async with asyncio.timeout(20):
            while await self.held() != size:  # noqa: ASYNC110 - another process has them
                await asyncio.sleep(0.02)

    async def ended(self, id: str) -> str:
        """Return how a response ended."""
        async with asyncio.timeout(20):
            while (status := (await self.client.responses.retrieve(id)).status) not in OVER:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        assert status is not None
        return status

    def peak(self) -> int:
        """Return the most memory that the server ever had, in bytes."""
        assert self.server.process is not None
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    command = (sys.executable, "-c", COMMAND)
    async with Upstream([]) as vendor:
        with RunningServer(tmp_path_factory.mktemp("files"), RUN_FILE % vendor.base_url, command=command) as server:
            async with server.async_client("key-a") as client:
                file = await client.files.create(file=("a.bin", bytes(SIZE)), purpose="user_data")
                yield Site(server, vendor, client, file.id)


@pytest.fixture
def site(opened: Site) -> Site:
    opened.begin()
    return opened


def user(*parts: Any) -> Any:
    return {"role": "user", "content": list(parts)}


async def test_callers_beyond_the_room_are_told_to_come_again_and_cost_no_memory(site: Site) -> None:
    before = site.peak()
    asked = [site.ask(site.file) for _ in range(MANY)]
    await site.vendor.asked(2)
    made = await site.client.responses.create(model="up/m", input=[user(site.file)], background=True)
    waiting = set(asked)
    while len(waiting) > 2:
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    refusals = [task.exception() for task in asked if task.done()]
    assert len(refusals) == MANY - 2
    for refused in refusals:
        assert isinstance(refused, openai.InternalServerError)
        assert (refused.status_code, refused.code, refused.response.headers["retry-after"]) == (503, "overloaded", "5")
        assert "responses.max_file_bytes_at_once" in str(refused)
    assert (await site.held(), len(site.vendor.requests)) == (2 * SIZE, 2)
    site.go.set()
    assert [(await task).output_text for task in waiting] == ["Seen.", "Seen."]
    # A response in the background has no caller whom it keeps waiting.
    assert await site.ended(made.id) == "completed"
    # A file is text and JSON, and JSON in a request, at the same time; all sixteen would be some 350 MB.
    assert site.peak() - before < 100_000_000
    await site.holding(0)


async def test_who_waits_for_room_gets_it_when_others_are_done(site: Site) -> None:
    data = {"type": "input_file", "filename": "a.txt", "file_data": f"data:text/plain;base64,{'QUJD' * 1_000_000}"}
    asked = [site.ask(part) for part in (site.file, data)]
    await site.vendor.asked(2)
    asked.append(site.ask(site.file))
    # To wait with the bytes in hand would not be to wait without them.
    started = time.monotonic()
    with pytest.raises(openai.InternalServerError, match="too many requests"):
        await site.ask(data)
    assert time.monotonic() - started < WAITS
    assert len(site.vendor.requests) == 2
    site.go.set()
    assert [(await task).output_text for task in asked] == ["Seen."] * 3
    await site.holding(0)


async def test_whoever_leaves_or_fails_gives_back_what_was_held(site: Site) -> None:
    # Callers who hang up: while the model thinks, and while they wait.
    leaving = [site.ask(site.file, stream=bool(place % 2)) for place in range(4)]
    await site.vendor.asked(2)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    await site.holding(0)

    # A connection with lanes.
    async with talking(site.server) as talk:
        for lane in ("a", "b", "c"):
            await talk.order(model="up/m", input=[user(site.file)], stream_id=lane)
        await site.vendor.asked(4)
        await site.holding(2 * SIZE)
    await site.holding(0)

    # Refusals: of the vendor, of ours after the file was read, and of what has no place in a message.
    site.answers(answer({"error": {"message": "No."}}, 400))
    site.go.set()
    picture = {"type": "input_image", "file_id": site.file["file_id"]}
    output: Any = {"type": "function_call_output", "call_id": "c", "output": [site.file]}
    for refused in (site.ask(site.file), site.ask(site.file, stream=True), site.ask(picture)):
        with pytest.raises(openai.BadRequestError):
            await refused
    with pytest.raises(openai.BadRequestError, match="No tool call found"):
        await site.client.responses.create(model="up/m", input=[output])
    with pytest.raises(openai.APIStatusError):
        await site.client.responses.input_tokens.count(model="up/m", input=[user(site.file)])
    assert await site.held() == 0

    # More than there ever is room for is no matter of time.
    data = {"type": "input_file", "filename": "a.txt", "file_data": f"data:text/plain;base64,{'QUJD' * 1_700_000}"}
    with pytest.raises(openai.APIStatusError, match=r"9000000 bytes.*responses\.max_file_bytes_at_once") as large:
        await site.ask(site.file, data)
    assert large.value.status_code == 413
    assert await site.held() == 0


async def test_a_download_without_room_is_dropped_and_begun_again(site: Site) -> None:
    measured = [play.head(200, {"content-length": str(SIZE)}), bytes(SIZE)]
    chunks = [play.chunk(bytes(SIZE // 4))] * 4
    for script in (measured, [play.head(200, {"transfer-encoding": "chunked"}), *chunks, play.STREAM_END]):
        site.begin()
        async with Upstream([script]) as files:
            asked = [site.ask(site.file) for _ in range(2)]
            await site.vendor.asked(2)
            part = {"type": "input_file", "file_url": f"http://localhost:{files.port}/a.bin"}
            asked.append(site.ask(part))
            await files.asked(1)
            assert await files.closed()
            site.go.set()
            await asyncio.gather(*asked)
            assert len(files.requests) == 2
        assert len(json.dumps(site.vendor.requests[-1].json)) > SIZE
        await site.holding(0)


async def test_bodies_count_until_their_requests_are_over(site: Site) -> None:
    long = "x" * 5_000_000
    hello: Any = [{"role": "user", "content": long}]
    chat = site.client.chat.completions
    asked = [
        asyncio.create_task(chat.create(model="up/m", messages=hello)),
        site.ask({"type": "input_text", "text": long}, stream=True),
    ]
    await site.vendor.asked(2)
    with pytest.raises(openai.InternalServerError, match=r"server\.max_body_bytes_at_once") as refused:
        await chat.create(model="up/m", messages=hello)
    assert (refused.value.status_code, refused.value.code) == (503, "overloaded")
    async with talking(site.server) as talk:
        (event,) = await talk.answer(model="up/m", input=long)
        assert (event["status"], event["error"]["code"]) == (503, "overloaded")
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert await site.vendor.closed()
        # On a connection they count from when they come: one is being made, one waits, one is too many.
        for _ in range(2):
            await talk.order(model="up/m", input=long)
        (event,) = [event for event in await talk.answer(model="up/m", input=long) if event["type"] == "error"]
        assert event["error"]["code"] == "overloaded"
        await site.vendor.asked(3)
    assert await site.vendor.closed()
    site.go.set()
    for _ in range(5):
        await chat.create(model="up/m", messages=hello)


async def test_a_body_that_is_refused_leaves_its_room_to_others_at_once() -> None:
    bodies = Bodies(10 * LITTLE, 10 * LITTLE)
    first, second = (asyncio.Queue[Message]() for _ in range(2))

    def send(queue: asyncio.Queue[Message], size: int, *, more: bool) -> None:
        queue.put_nowait({"type": "http.request", "body": bytes(size * LITTLE), "more_body": more})

    send(first, 6, more=True)
    going_on = asyncio.create_task(bodies.read({"headers": []}, first.get))
    await asyncio.wait([going_on], timeout=0)
    send(second, 5, more=True)
    refused = asyncio.create_task(bodies.read({"headers": []}, second.get))
    await asyncio.wait([refused], timeout=0.05)
    # It is read to its end, so that its caller hears of it, and nothing of it is kept.
    assert not refused.done()
    send(first, 4, more=False)
    assert len(await going_on) == 10 * LITTLE
    send(second, 1, more=False)
    with pytest.raises(Unavailable):
        await refused
    bodies.over(await going_on)
    send(second, 10, more=False)
    assert len(await bodies.read({"headers": []}, second.get)) == 10 * LITTLE


async def test_a_tenant_whose_servers_are_never_found_keeps_no_other_tenant_from_theirs(site: Site) -> None:
    site.go.set()
    lost = [site.ask({"type": "input_file", "file_url": f"https://{number}.example/"}) for number in range(16)]
    await asyncio.wait(lost, timeout=0.3)
    async with Upstream([answer(b"found")]) as files, site.server.async_client("key-b") as other:
        part: Any = {"type": "input_file", "file_url": f"http://localhost:{files.port}/a.txt"}
        async with asyncio.timeout(10):
            made = await other.responses.create(model="up/m", input=[user(part)])
    assert made.output_text == "Seen."
    assert not any(task.done() for task in lost)
    for task in lost:
        task.cancel()
    await asyncio.gather(*lost, return_exceptions=True)
