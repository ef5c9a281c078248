"""SIGTERM when a vendor never answers: the grace runs out, and the server ends all the same."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream
from tests.faults.conftest import RUN_FILE
from tests.running import RunningServer

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello."}]


@pytest.fixture
def server(vendor: Upstream, tmp_path: Path) -> Iterator[RunningServer]:
    run_file = RUN_FILE.replace("{base_url}", vendor.base_url).replace("{settings}", "connect_timeout: 2")
    with RunningServer(tmp_path, run_file + "server: {grace_seconds: 1}\n") as running:
        yield running


async def _ask(client: AsyncOpenAI, seen: set[str]) -> None:
    stream = await client.chat.completions.create(model="up/m", messages=HELLO, stream=True, store=True)
    async for chunk in stream:
        seen.add(chunk.id)


@pytest.mark.parametrize(
    "script", [[play.silence], [play.STREAM_HEAD, play.chunk(play.event(play.delta("one "))), play.silence]]
)
async def test_a_vendor_that_hangs_does_not_keep_the_server(
    server: RunningServer, vendor: Upstream, script: play.Script
) -> None:
    vendor.scripts = [script]
    assert server.process is not None
    seen: set[str] = set()
    async with server.async_client() as client:
        asking = asyncio.create_task(_ask(client, seen))
        await vendor.asked()
        started = monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 10) == 0
        # A second of grace, a second for connections to close, and a busy machine.
        assert 1 <= monotonic() - started < 5
        with pytest.raises(openai.APIError) as cut:
            await asking
    assert isinstance(cut.value, openai.APIConnectionError) or cut.value.code == "stopping"
    log = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    assert [line for line in log if line["level"] in ("error", "critical")] == []
    assert "The grace of 1 s is over: cutting 1 request." in [line["message"] for line in log]
    await asyncio.to_thread(server.start)
    for completion in seen:
        kept = await asyncio.to_thread(server.get, f"/v1/chat/completions/{completion}")
        assert (kept.status, kept.json["status"]) == (200, "incomplete")


async def test_a_response_that_the_end_of_the_grace_cuts_is_kept_as_cancelled(
    server: RunningServer, vendor: Upstream
) -> None:
    vendor.scripts = [[play.STREAM_HEAD, play.chunk(play.event(play.delta("one "))), play.silence]]
    assert server.process is not None
    async with server.async_client() as client:
        events = await client.responses.create(model="up/m", input="Hello.", stream=True)
        begun = await anext(events)
        assert begun.type == "response.created"
        async for event in events:
            if event.type == "response.output_text.delta":
                break
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIError, match="stopping"):
            async for _ in events:
                pass
    assert await asyncio.to_thread(server.process.wait, 10) == 0
    await asyncio.to_thread(server.start)
    kept = (await asyncio.to_thread(server.get, f"/v1/responses/{begun.response.id}")).json
    assert (kept["status"], kept["output"][0]["content"][0]["text"]) == ("cancelled", "one ")
