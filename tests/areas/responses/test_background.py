"""Responses in the background: durable, cancelled from anywhere, their streams read again from any place."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stackwright.areas.responses.types import RetrieveQuery
from stackwright.errors import StackwrightError
from stackwright.http.call import Json, Stream
from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream, answer, completion, delta
from tests.areas.responses.asking import Asking, Body, checked, checked_events, said, served

SLOW = [play.STREAM_HEAD, *[play.chunk(play.event(delta("word "))), play.pause(0.02)] * 500]


async def _begun(ask: Asking, **body: Any) -> Body:
    made = await ask.create(background=True, **body)
    assert isinstance(made, Json)
    found: Body = checked(json.loads(made))
    return found


async def _until(ask: Asking, id: str, *statuses: str, within: float = 10.0) -> Body:
    async with asyncio.timeout(within):
        while True:
            found = await ask.found(id)
            if found["status"] in statuses:
                return found
            await asyncio.sleep(0.02)


async def _rest(ask: Asking, id: str, after: int | None = None) -> list[Body]:
    made = await ask.responses.get("t", id, _query(after))
    assert isinstance(made, Stream)
    raw = b"".join([block async for block in made.blocks])
    return [json.loads(block.partition("data: ")[2]) for block in raw.decode().split("\n\n")[:-1]]


def _query(after: int | None) -> Any:
    return RetrieveQuery(stream=True, starting_after=after)


async def test_a_response_is_queued_made_and_kept(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion("Done."))]
    begun = await _begun(ask, input="Go.")
    assert (begun["status"], begun["output"]) == ("queued", [])
    done = await _until(ask, begun["id"], "completed")
    assert done["output"][0]["content"][0]["text"] == "Done."
    assert done["background"] is True
    assert (done["id"], done["created_at"]) == (begun["id"], begun["created_at"])
    after = await ask.whole(input="More.", previous_response_id=done["id"])
    assert after["status"] == "completed"
    assert [message["content"] for message in ask.asked["messages"]] == ["Go.", "Done.", "More."]


async def test_a_stream_is_read_along_and_again_from_any_place(ask: Asking) -> None:
    events = await ask.events(background=True)
    assert [event["type"].removeprefix("response.") for event in events[:3]] == ["created", "queued", "in_progress"]
    assert events[-1]["type"] == "response.completed"
    made_id = events[0]["response"]["id"]
    assert await ask.kept(made_id) == events[-1]["response"]
    for after in (None, *range(len(events) + 1)):
        assert await _rest(ask, made_id, after) == events[0 if after is None else after + 1 :]


async def test_a_caller_who_leaves_does_not_stop_it(ask: Asking) -> None:
    chunks = [part for word in said("one ", "two.") for part in (play.chunk(play.event(word)), play.pause(0.1))]
    ask.vendor.scripts = [[play.STREAM_HEAD, *chunks, play.chunk(play.event(b"[DONE]")), play.STREAM_END]]
    made = await ask.create(background=True, stream=True)
    assert isinstance(made, Stream)
    first = checked_events(await anext(made.blocks))
    await made.blocks.aclose()
    done = await _until(ask, first[0]["response"]["id"], "completed")
    assert done["output"][0]["content"][0]["text"] == "one two."


async def test_it_can_be_cancelled_and_that_twice(ask: Asking) -> None:
    ask.vendor.scripts = [SLOW]
    made = await ask.create(background=True, stream=True)
    assert isinstance(made, Stream)
    first = checked_events(await anext(made.blocks))
    made_id = first[0]["response"]["id"]
    for _ in range(2):
        cancelled = checked(json.loads(await ask.responses.cancel("t", made_id)))
        assert cancelled["status"] == "cancelled"
    assert await ask.vendor.closed(3.0)
    events = await _rest(ask, made_id)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["status"] == "cancelled"
    assert (await ask.kept(made_id))["status"] == "cancelled"


async def test_what_the_model_refuses_fails_it(ask: Asking) -> None:
    ask.vendor.scripts = [answer({"error": {"message": "slow down"}}, status=429)]
    begun = await _begun(ask)
    failed = await _until(ask, begun["id"], "failed")
    assert failed["error"] == {"code": "rate_limit_exceeded", "message": "slow down"}
    [*_, last] = await ask.events(background=True)
    assert (last["type"], last["response"]["error"]["code"]) == ("response.failed", "rate_limit_exceeded")


async def test_one_that_takes_too_long_fails(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [SLOW]
    async with served(vendor, tmp_path, more="responses: {background: {seconds: 0.3}}") as ask:
        [*_, last] = await ask.events(background=True)
        assert last["type"] == "response.failed"
        assert "longer than the server allows" in last["response"]["error"]["message"]
        assert last["response"]["output"][0]["status"] == "incomplete"


async def test_a_full_queue_is_told(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [SLOW]
    async with served(vendor, tmp_path, more="responses: {background: {workers: 1, queue: 1}}") as ask:
        running = await _begun(ask, stream=False)
        await _until(ask, running["id"], "in_progress")
        with pytest.raises(StackwrightError, match="is still being made"):
            await ask.create(previous_response_id=running["id"])
        await _begun(ask)
        with pytest.raises(StackwrightError) as refused:
            await ask.create(background=True)
        assert (refused.value.status, refused.value.code) == (429, "queue_full")


@pytest.mark.parametrize("streamed", [True, False])
async def test_one_whose_process_ended_starts_over_or_says_so(vendor: Upstream, tmp_path: Path, streamed: bool) -> None:
    vendor.scripts = [SLOW if streamed else [play.silence]]
    async with served(vendor, tmp_path) as ask:
        made = await ask.create(background=True, stream=streamed)
        if isinstance(made, Stream):
            made_id = checked_events(await anext(made.blocks))[0]["response"]["id"]
            await made.blocks.aclose()
        else:
            made_id = json.loads(made)["id"]
            await _until(ask, made_id, "in_progress")
            await vendor.asked()
    vendor.scripts = [answer(completion("Again."))]
    async with served(vendor, tmp_path) as ask:
        ended = await _until(ask, made_id, "completed", "failed")
        if streamed:
            assert ended["error"]["code"] == "server_restart"
            assert (await _rest(ask, made_id))[-1]["type"] == "response.failed"
        else:
            assert ended["output"][0]["content"][0]["text"] == "Again."


async def test_it_must_be_stored(ask: Asking) -> None:
    with pytest.raises(StackwrightError, match="must be stored"):
        await ask.create(background=True, store=False)
