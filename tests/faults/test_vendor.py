"""A vendor that fails, seen by a caller: never a hang, never a success that is none, never somebody's secret."""

import asyncio
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream
from tests.faults.conftest import ServerFor
from tests.running import RunningServer

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello."}]
TWO = [play.delta("one "), play.delta("two ")]
ENDED = [*TWO, play.delta(finish="stop")]


async def _ask(server: RunningServer, **options: Any) -> Any:
    async with server.async_client() as client:
        return await client.chat.completions.create(model="up/m", messages=HELLO, **options)


async def _read(server: RunningServer) -> None:
    async with server.async_client() as client:
        async for _ in await client.chat.completions.create(model="up/m", messages=HELLO, stream=True):
            pass


async def _drain(server: RunningServer, **options: Any) -> tuple[str | None, str]:
    """Read a stream to its end, well or badly; returns the id and the text."""
    async with server.async_client() as client:
        seen, text = None, ""
        stream = await client.chat.completions.create(model="up/m", messages=HELLO, stream=True, **options)
        try:
            async for chunk in stream:
                seen = chunk.id
                text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        except openai.APIError:
            return seen, text
    return seen, text + "<end>"


async def test_a_vendor_that_refuses_our_key_is_our_502(vendor: Upstream, server_for: ServerFor) -> None:
    said = {"error": {"message": "Incorrect API key provided: sk-planted-secret", "type": "x", "code": "y"}}
    server = server_for(vendor, play.answer(said, status=401))
    with pytest.raises(openai.InternalServerError) as refused:
        await _ask(server)
    assert (refused.value.status_code, refused.value.code) == (502, "upstream_auth")
    assert "api_key" in refused.value.message
    assert "sk-planted-secret" not in refused.value.message + server.log.read_text()


async def test_a_vendors_limit_is_passed_on_with_its_retry_after(vendor: Upstream, server_for: ServerFor) -> None:
    limit = play.answer({"error": {"message": "slow down", "code": "rate"}}, status=429, headers={"retry-after": "7"})
    server = server_for(vendor, limit)
    with pytest.raises(openai.RateLimitError) as refused:
        await _ask(server)
    assert refused.value.response.headers["retry-after"] == "7"
    assert len(vendor.requests) == 1


async def test_a_vendors_complaint_about_the_request_is_the_callers(vendor: Upstream, server_for: ServerFor) -> None:
    said = {"error": {"message": "max_tokens is too large", "param": "max_tokens", "code": "too_large"}}
    server = server_for(vendor, play.answer(said, status=400))
    with pytest.raises(openai.BadRequestError, match="max_tokens is too large") as refused:
        await _ask(server)
    assert (refused.value.param, refused.value.code) == ("max_tokens", "too_large")


async def test_a_short_outage_is_bridged_and_a_long_one_told(vendor: Upstream, server_for: ServerFor) -> None:
    down, up = play.answer({"error": {"message": "boom"}}, status=503), play.answer(play.completion("back"))
    server = server_for(vendor, down, up)
    assert (await _ask(server)).choices[0].message.content == "back"
    vendor.scripts = [down]
    before = len(vendor.requests)
    with pytest.raises(openai.InternalServerError) as refused:
        await _ask(server)
    assert refused.value.code == "upstream_error"
    assert len(vendor.requests) - before <= 3


@pytest.mark.parametrize(
    "ending",
    [[play.reset], [play.hang_up], [play.STREAM_END], [b"5\r\nda"], [play.chunk(b"data: {nonsense\n\n")]],
    ids=["reset", "hang up", "clean end", "half a chunk", "garbage"],
)
async def test_a_broken_stream_ends_in_an_error_and_is_stored_as_incomplete(
    vendor: Upstream, server_for: ServerFor, ending: list[Any]
) -> None:
    script = [play.STREAM_HEAD, *(play.chunk(play.event(body)) for body in TWO), *ending, play.hang_up]
    server = server_for(vendor, script)
    seen, text = await _drain(server, store=True)
    assert text == "one two "
    kept = server.get(f"/v1/chat/completions/{seen}").json
    assert (kept["status"], kept["choices"][0]["finish_reason"]) == ("incomplete", None)
    assert kept["choices"][0]["message"]["content"] == "one two "


async def test_a_stream_that_ends_well_is_stored_before_the_caller_hears_of_it(
    vendor: Upstream, server_for: ServerFor
) -> None:
    server = server_for(vendor, play.stream(ENDED))
    seen, text = await _drain(server, store=True)
    assert text == "one two <end>"
    assert server.get(f"/v1/chat/completions/{seen}").json["choices"][0]["finish_reason"] == "stop"


async def test_a_line_of_100_megabytes_is_cut_short(vendor: Upstream, server_for: ServerFor) -> None:
    flood = [play.chunk(b"x" * 2**20)] * 100
    server = server_for(vendor, [play.STREAM_HEAD, play.chunk(b'data: {"id": "'), *flood])
    with pytest.raises(openai.APIError, match="a line of more than 1048576 bytes"):
        await _read(server)
    assert await vendor.closed()
    assert _peak_megabytes(server) < 200


def _peak_megabytes(server: RunningServer) -> int:
    assert server.process is not None
    with open(f"/proc/{server.process.pid}/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


@pytest.mark.parametrize(
    ("settings", "script"),
    [
        ("first_byte_timeout: 0.3", [play.silence]),
        ("chunk_timeout: 0.3", [play.STREAM_HEAD, play.chunk(play.event(TWO[0])), play.silence]),
        ("total_timeout: 0.5", [play.STREAM_HEAD, *[play.chunk(play.event(TWO[0])), play.pause(0.1)] * 50]),
    ],
    ids=["first byte", "between chunks", "in total"],
)
async def test_a_vendor_that_hangs_is_given_up_in_time(
    vendor: Upstream, server_for: ServerFor, settings: str, script: Any
) -> None:
    server = server_for(vendor, script, settings=settings)
    async with asyncio.timeout(5):
        with pytest.raises(openai.APIError) as late:
            await _read(server)
    assert late.value.code == "upstream_timeout"
    assert await vendor.closed()


async def test_a_caller_who_hangs_up_ends_the_vendors_work(vendor: Upstream, server_for: ServerFor) -> None:
    slow = [play.STREAM_HEAD, *[play.chunk(play.event(TWO[0])), play.pause(0.05)] * 1000]
    server = server_for(vendor, slow)
    async with server.async_client() as client:
        stream = await client.chat.completions.create(model="up/m", messages=HELLO, stream=True, store=True)
        seen = (await anext(stream)).id
        await stream.close()
    assert await vendor.closed(2.0)
    kept = server.wait_for(f"/v1/chat/completions/{seen}", within=5).json
    assert (kept["status"], kept["incomplete_details"]) == ("incomplete", {"reason": "client_disconnected"})


async def test_a_caller_who_hangs_up_before_the_answer_ends_the_vendors_work(
    vendor: Upstream, server_for: ServerFor
) -> None:
    server = server_for(vendor, [play.silence])
    asking = asyncio.create_task(_ask(server))
    await vendor.asked()
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    assert await vendor.closed(2.0)


async def test_our_secrets_and_the_callers_key_stay_here(vendor: Upstream, server_for: ServerFor) -> None:
    server = server_for(vendor, play.answer(play.completion()))
    async with server.async_client(api_key="sk-callers-own") as client:
        await client.chat.completions.create(model="up/m", messages=HELLO, store=True, metadata={"a": "b"})
    [asked] = vendor.requests
    assert asked.headers["authorization"] == "Bearer sk-planted-secret"
    assert "sk-callers-own" not in str(asked.headers)
    assert set(asked.json) == {"model", "messages"}
    assert asked.json["model"] == "m"


async def test_what_nobody_here_knows_is_passed_on(vendor: Upstream, server_for: ServerFor) -> None:
    server = server_for(vendor, play.answer(play.completion("hi", odd_field={"kept": True})))
    extra = {"reasoning_effort": "low", "vendor_option": {"deep": [1, 2.50, "x"]}}
    answer = await _ask(server, extra_body=extra, temperature=0.5)
    assert {name: vendor.requests[0].json[name] for name in extra} == extra
    assert answer.to_dict()["odd_field"] == {"kept": True}
