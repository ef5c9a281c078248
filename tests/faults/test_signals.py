"""SIGTERM: not ready at once, what is in flight finishes, what was acknowledged is there."""

import asyncio
import json
import signal
import subprocess
from contextlib import suppress

import openai
import psutil
import pytest
from openai.types.chat import ChatCompletionMessageParam

from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream
from tests.faults.conftest import ServerFor

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello."}]
SLOW = [*[play.delta("word ")] * 20, play.delta(finish="stop")]


def _slowly() -> play.Script:
    steps = [step for body in SLOW for step in (play.chunk(play.event(body)), play.pause(0.05))]
    return [play.STREAM_HEAD, *steps, play.chunk(play.event(b"[DONE]")), play.STREAM_END]


async def test_a_stream_in_flight_finishes_and_is_kept(vendor: Upstream, server_for: ServerFor) -> None:
    server = server_for(vendor, _slowly())
    assert server.process is not None
    async with server.async_client() as client:
        stream = await client.chat.completions.create(model="up/m", messages=HELLO, stream=True, store=True)
        seen = (await anext(stream)).id
        server.process.send_signal(signal.SIGTERM)
        not_ready = await asyncio.to_thread(server.wait_for, "/ready", 503, 2.0)
        assert not_ready.error["code"] == "not_ready"
        finishes = [chunk.choices[0].finish_reason async for chunk in stream]
    assert finishes[-1] == "stop"
    assert await asyncio.to_thread(server.process.wait, 10) == 0
    await asyncio.to_thread(server.start)
    kept = (await asyncio.to_thread(server.get, f"/v1/chat/completions/{seen}")).json
    assert kept["choices"][0]["message"]["content"] == "word " * 20


async def test_an_idle_server_ends_at_once(vendor: Upstream, server_for: ServerFor) -> None:
    server = server_for(vendor)
    started = asyncio.get_running_loop().time()
    assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
    assert asyncio.get_running_loop().time() - started < 3


async def test_a_second_signal_does_not_wait_for_a_vendor_that_hangs(vendor: Upstream, server_for: ServerFor) -> None:
    server = server_for(vendor, [play.silence])
    assert server.process is not None
    async with server.async_client() as client:
        hanging = asyncio.create_task(client.chat.completions.create(model="up/m", messages=HELLO))
        await vendor.asked()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.wait_for, "/ready", 503, 2.0)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.process.wait, 5)
        with pytest.raises(openai.InternalServerError, match="The server is stopping"):
            await hanging
    log = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    assert [line["message"] for line in log if line["level"] != "info"] == ["A second signal: cutting 1 request."]


async def test_workers_that_are_told_beside_their_supervisor_keep_their_grace(
    vendor: Upstream, server_for: ServerFor
) -> None:
    server = server_for(vendor, _slowly(), more="server: {workers: 2}")
    assert server.process is not None
    supervisor = psutil.Process(server.process.pid)
    async with server.async_client() as client:
        stream = await client.chat.completions.create(model="up/m", messages=HELLO, stream=True)
        await anext(stream)
        # As systemd does it, and a terminal.
        for each in (*supervisor.children(), supervisor):
            each.send_signal(signal.SIGTERM)
        finishes = [chunk.choices[0].finish_reason async for chunk in stream]
    assert finishes[-1] == "stop"
    assert await asyncio.to_thread(server.process.wait, 10) == 0


async def test_a_supervisor_that_is_told_twice_has_its_workers_wait_no_longer(
    vendor: Upstream, server_for: ServerFor
) -> None:
    server = server_for(vendor, [play.silence], more="server: {workers: 2}")
    assert server.process is not None
    async with server.async_client() as client:
        hanging = asyncio.create_task(client.chat.completions.create(model="up/m", messages=HELLO))
        await vendor.asked()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.wait_for, "/ready", 503, 2.0)
        assert await asyncio.to_thread(_tell_until_it_ends, server.process) == 0
        with pytest.raises(openai.InternalServerError, match="The server is stopping"):
            await hanging


def _tell_until_it_ends(process: subprocess.Popen[bytes]) -> int:
    """A supervisor that has not passed the first signal on yet does not know of a second. Far sooner than its grace."""
    for _ in range(5):
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(2)
    raise AssertionError("it waits")


async def test_a_stream_cut_by_the_end_of_the_grace_is_kept_with_the_true_reason(
    vendor: Upstream, server_for: ServerFor
) -> None:
    endless = [play.STREAM_HEAD, *[play.chunk(play.event(SLOW[0])), play.pause(0.05)] * 1000]
    server = server_for(vendor, endless, more="server: {grace_seconds: 0.5}")
    assert server.process is not None
    async with server.async_client() as client:
        stream = await client.chat.completions.create(model="up/m", messages=HELLO, stream=True, store=True)
        seen = (await anext(stream)).id
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(Exception, match=r"peer closed|stopping|incomplete"):
            async for _ in stream:
                pass
    assert await asyncio.to_thread(server.process.wait, 10) == 0
    await asyncio.to_thread(server.start)
    kept = (await asyncio.to_thread(server.get, f"/v1/chat/completions/{seen}")).json
    assert kept["incomplete_details"] == {"reason": "server_stopped"}
