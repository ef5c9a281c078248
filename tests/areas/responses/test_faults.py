"""A vendor that breaks off, a caller who leaves, a database that refuses: never a success that is none."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stackwright.areas.responses.store import ResponseStore
from stackwright.errors import StackwrightError, Unavailable
from stackwright.http.call import Stream
from stackwright.testing import upstream as play
from stackwright.testing.upstream import Step, Upstream, answer, completion, delta, stream
from tests.areas.responses.asking import Asking, Body, called, served

ENDINGS: dict[str, Step] = {"reset": play.reset, "clean end": play.hang_up, "chunk error": b"zz\r\n"}


async def _last(ask: Asking) -> Body | None:
    """Return the last event of a stream; None when it was refused before it began."""
    made = await ask.create(stream=True)
    assert isinstance(made, Stream)
    try:
        raw = b"".join([block async for block in made.blocks])
    except StackwrightError:
        return None
    event: Body = json.loads(raw.rpartition(b"data: ")[2])
    return event


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_stream_cut_after_any_byte_is_never_completed(ask: Asking, ending: str) -> None:
    whole = b"".join(step for step in play.stream([delta("one"), delta(finish="stop")]) if isinstance(step, bytes))
    sure = whole.index(b"[DONE]") + len(b"[DONE]")
    failed = 0
    for cut in range(sure + 1):
        ask.vendor.scripts = [[whole[:cut], ENDINGS[ending], play.hang_up]]
        last = await _last(ask)
        if last is not None:
            failed += 1
            assert (last["type"], last["response"]["status"]) == ("response.failed", "failed"), cut
    stored = await ask.page(limit=100)
    assert {one["status"] for one in stored["data"]} == {"failed"}
    assert failed > sure / 3


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_whole_answer_cut_after_any_byte_is_refused(ask: Asking, ending: str) -> None:
    whole = b"".join(step for step in answer(completion("Hi!")) if isinstance(step, bytes))
    for cut in range(len(whole)):
        # A length is known here, so what is wrong with a chunk is only that the rest is missing.
        ask.vendor.scripts = [[whole[:cut], play.hang_up if ending == "chunk error" else ENDINGS[ending], play.hang_up]]
        with pytest.raises(StackwrightError):
            await ask.create()
    assert (await ask.page())["data"] == []


async def test_what_was_said_before_a_stream_broke_is_kept(ask: Asking) -> None:
    head = [play.STREAM_HEAD, play.chunk(play.event(delta("one "))), play.pause(0.05)]
    ask.vendor.scripts = [[*head, play.chunk(play.event(delta("two"))), play.reset]]
    [*_, last] = await ask.events()
    assert last["type"] == "response.failed"
    assert last["response"]["output"][0]["status"] == "incomplete"
    assert last["response"]["output"][0]["content"][0]["text"] == "one two"
    assert last["response"]["error"]["code"] == "server_error"
    assert await ask.kept(last["response"]["id"]) == last["response"]


async def test_a_refusal_of_the_vendors_before_anything_was_said_is_the_callers(ask: Asking) -> None:
    limit = answer({"error": {"message": "slow down", "code": "rate"}}, status=429, headers={"retry-after": "7"})
    ask.vendor.scripts = [limit]
    for streamed in (True, False):
        with pytest.raises(StackwrightError, match="slow down") as refused:
            await _begun(ask, streamed)
        assert refused.value.status == 429
    assert (await ask.page())["data"] == []


async def test_a_caller_who_leaves_a_stream_leaves_a_cancelled_response(ask: Asking) -> None:
    slow = [play.chunk(play.event(delta("word "))), play.pause(0.02)]
    ask.vendor.scripts = [[play.STREAM_HEAD, *slow * 500]]
    made = await ask.create(stream=True)
    assert isinstance(made, Stream)
    first = json.loads((await anext(made.blocks)).split(b"\n")[1].removeprefix(b"data: "))
    await anext(made.blocks)
    await made.blocks.aclose()
    assert await ask.vendor.closed(2.0)
    kept = await _kept(ask, first["response"]["id"])
    assert kept["status"] == "cancelled"
    assert kept["output"][0]["status"] == "incomplete"
    assert kept["output"][0]["content"][0]["text"].startswith("word ")


async def test_a_caller_who_is_cut_off_while_waiting_leaves_a_cancelled_response(ask: Asking) -> None:
    ask.vendor.scripts = [[play.STREAM_HEAD, play.chunk(play.event(delta("word "))), play.silence]]
    made = await ask.create(stream=True)
    assert isinstance(made, Stream)
    first = json.loads((await anext(made.blocks)).split(b"\n")[1].removeprefix(b"data: "))

    async def read_on() -> None:
        async for _ in made.blocks:
            pass

    reading = asyncio.create_task(read_on())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert (await _kept(ask, first["response"]["id"]))["status"] == "cancelled"
    assert await ask.vendor.closed(2.0)


async def test_what_a_caller_leaves_behind_waits_for_a_database_that_is_away(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask.vendor.scripts = [[play.STREAM_HEAD, play.chunk(play.event(delta("word "))), play.silence]]
    made = await ask.create(stream=True)
    assert isinstance(made, Stream)
    first = json.loads((await anext(made.blocks)).split(b"\n")[1].removeprefix(b"data: "))
    add, away = ResponseStore.add, iter([True, True])

    async def added(*args: Any) -> None:
        if next(away, False):
            raise Unavailable("The database is away.")
        await add(*args)

    monkeypatch.setattr(ResponseStore, "add", added)
    await made.blocks.aclose()
    assert (await _kept(ask, first["response"]["id"]))["status"] == "cancelled"
    assert next(away, None) is None


async def test_a_caller_who_leaves_a_call_that_waits_ends_the_vendors_work(ask: Asking) -> None:
    ask.vendor.scripts = [[play.silence]]
    asking = asyncio.create_task(ask.create())
    await ask.vendor.asked()
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    assert await ask.vendor.closed(2.0)
    assert (await ask.page())["data"] == []


async def test_calls_that_interleave_fail_and_are_not_mixed_up(ask: Asking) -> None:
    first, second = called(("a", '{"x":1}')), called(("b", "{}"), ("b", '{"y":2}'))
    ask.vendor.scripts = [stream([first[0], second[2], first[1], delta(finish="tool_calls")])]
    [*_, last] = await ask.events()
    assert last["type"] == "response.failed"


async def test_a_full_queue_of_writes_is_told_before_the_model_is_asked(
    vendor: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(vendor, tmp_path) as ask:
        monkeypatch.setattr(ask.responses._store._queue, "_max_waiting", 0)
        with pytest.raises(StackwrightError) as refused:
            await ask.create()
        assert (refused.value.status, refused.value.code) == (503, "write_queue_full")
        assert vendor.requests == []


async def _begun(ask: Asking, streamed: bool) -> None:
    made = await ask.create(stream=streamed)
    assert isinstance(made, Stream)
    await anext(made.blocks)


async def _kept(ask: Asking, id: str, within: float = 5.0) -> Body:
    """Return a response as soon as it is kept."""
    async with asyncio.timeout(within):
        while True:
            try:
                return await ask.kept(id)
            except StackwrightError:
                await asyncio.sleep(0.01)
