"""A full write queue refuses a stored completion before its model is called."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream
from tests.faults.conftest import RUN_FILE
from tests.running import RunningServer

STORES = "  stores: {inference: {backend: sql_default, max_write_queue_size: 1}}\n"


@pytest.fixture
def server(tmp_path: Path, vendor: Upstream) -> Iterator[RunningServer]:
    run_file = RUN_FILE.replace("{base_url}", vendor.base_url).replace("{settings}", "connect_timeout: 2") + STORES
    with RunningServer(tmp_path, run_file) as running:
        yield running


async def ask(server: RunningServer, **options: Any) -> str:
    async with server.async_client() as client:
        messages: Any = [{"role": "user", "content": "Hello."}]
        answer = await client.chat.completions.create(model="up/m", messages=messages, **options)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in answer]) if "stream" in options else ""


@pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["whole", "streamed"])
async def test_a_second_stored_chat_is_refused_before_its_model_is_called(
    vendor: Upstream, server: RunningServer, options: dict[str, Any]
) -> None:
    release = asyncio.Event()
    slow = play.stream([play.delta("Hello!", finish="stop")]) if options else play.answer(play.completion())
    vendor.scripts = [[lambda _, __: release.wait(), *slow], slow]
    asked = len(vendor.requests)
    first = asyncio.create_task(ask(server, store=True, **options))
    await vendor.asked(asked + 1)
    for more in ({}, {"stream": True}):
        with pytest.raises(openai.InternalServerError) as refused:
            await ask(server, store=True, **more)
        assert (refused.value.status_code, refused.value.code) == (503, "write_queue_full")
        assert refused.value.response.headers["retry-after"] == "1"
    assert len(vendor.requests) == asked + 1
    release.set()
    await first
    await ask(server, store=True, **options)


async def test_a_caller_who_leaves_gives_the_place_back(vendor: Upstream, server: RunningServer) -> None:
    vendor.scripts = [[play.STREAM_HEAD, play.chunk(play.event(play.delta("one "))), play.silence]]
    async with server.async_client() as client:
        messages: Any = [{"role": "user", "content": "Hello."}]
        stream = await client.chat.completions.create(model="up/m", messages=messages, stream=True, store=True)
        async for _ in stream:
            break
        await stream.close()
    vendor.scripts = [play.answer(play.completion())]
    refusals: list[str | None] = []
    async with asyncio.timeout(10):
        while await refused(server, refusals):
            pass
    assert set(refusals) <= {"write_queue_full"}
    assert server.get("/v1/chat/completions").json["data"][0]["status"] == "incomplete"


async def refused(server: RunningServer, refusals: list[str | None]) -> bool:
    try:
        await ask(server, store=True)
    except openai.InternalServerError as refusal:
        refusals.append(refusal.code)
        return True
    return False
