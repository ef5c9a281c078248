"""Responses in the background: durable, cancelled from anywhere, their streams read again from any place."""

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from stackwright.areas.responses.types import RetrieveQuery
from stackwright.errors import StackwrightError
from stackwright.http.call import Json, Stream
from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream, answer, completion, delta, stream
from tests.areas.responses.asking import Asking, Body, checked, checked_events, said, served
from tests.servers import free_port
from tests.storage.sql.databases import eventually

SLOW = [play.STREAM_HEAD, *[play.chunk(play.event(delta("word "))), play.pause(0.02)] * 500]

JOBS = "SELECT state, payload FROM responses_jobs ORDER BY seq"


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
    made_id = (await _told(ask))[0]["response"]["id"]
    for _ in range(2):
        cancelled = checked(json.loads(await ask.responses.cancel("t", made_id)))
        assert cancelled["status"] == "cancelled"
    assert await ask.vendor.closed(3.0)
    events = await _rest(ask, made_id)
    stored = await ask.kept(made_id)
    assert (stored["status"], stored["output"][0]["status"]) == ("cancelled", "incomplete")
    _check_end(events, stored, "response.incomplete")


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


async def test_one_whose_model_says_nothing_fails_in_time(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [[play.silence]]
    async with served(vendor, tmp_path, more="responses: {background: {seconds: 0.3}}") as ask:
        failed = await _until(ask, (await _begun(ask))["id"], "failed")
        assert "longer than the server allows" in failed["error"]["message"]
        assert await vendor.closed(3.0)


async def test_one_that_waits_is_cancelled_before_it_is_begun(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [[play.silence]]
    async with served(vendor, tmp_path, more="responses: {background: {workers: 1}}") as ask:
        await _begun(ask)
        await vendor.asked()
        made_id = (await _accepted(ask, stream=True))["id"]
        cancelled = checked(json.loads(await ask.responses.cancel("t", made_id)))
        events = await _rest(ask, made_id)
        assert [event["type"] for event in events] == ["response.created", "response.queued", "response.incomplete"]
        assert [event["response"]["status"] for event in events] == ["queued", "queued", "cancelled"]
        assert events[-1]["response"] == cancelled
        assert len(vendor.requests) == 1


async def test_a_full_queue_is_told(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [SLOW]
    async with served(vendor, tmp_path, more="responses: {background: {workers: 1, queue: 1}}") as ask:
        running = await _begun(ask, stream=False)
        await _until(ask, running["id"], "in_progress")
        with pytest.raises(StackwrightError, match="is still being made"):
            await ask.create(previous_response_id=running["id"])
        await _begun(ask)
        with pytest.raises(StackwrightError) as refused:
            await ask.create(background=True, stream=True)
        assert (refused.value.status, refused.value.code) == (429, "queue_full")
        assert refused.value.headers == {"retry-after": "5"}
        assert len((await ask.page())["data"]) == 2
        assert _rows(tmp_path, "SELECT 1 FROM responses_events") == []


async def test_one_that_told_something_before_its_process_ended_fails(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [SLOW]
    async with served(vendor, tmp_path) as ask:
        told = await _told(ask, input="Go.", text={"format": {"type": "text"}})
        made_id = told[0]["response"]["id"]
    async with served(vendor, tmp_path) as ask:
        failed = await _until(ask, made_id, "failed")
        events = await _rest(ask, made_id)
    assert failed["error"]["code"] == "server_restart"
    assert events[: len(told)] == told
    _check_end(events, failed, "response.failed")


@pytest.mark.parametrize("streamed", [True, False])
async def test_one_that_told_nothing_before_its_process_ended_starts_over(
    vendor: Upstream, tmp_path: Path, streamed: bool
) -> None:
    vendor.scripts = [[play.silence]]
    async with served(vendor, tmp_path) as ask:
        made_id = (await _accepted(ask, stream=streamed))["id"]
        await vendor.asked()
    vendor.scripts = [stream(said("Again."))] if streamed else [answer(completion("Again."))]
    async with served(vendor, tmp_path) as ask:
        done = await _until(ask, made_id, "completed", "failed")
        assert done["output"][0]["content"][0]["text"] == "Again."
        if streamed:
            _check_end(await _rest(ask, made_id), done, "response.completed")


async def test_what_was_asked_is_kept_no_longer_than_it_takes(ask: Asking, tmp_path: Path) -> None:
    ask.vendor.scripts = [answer(completion("Done."))]
    await _until(ask, (await _accepted(ask, input="Go.", user="planted-user"))["id"], "completed")
    assert _rows(tmp_path, JOBS) == [("done", b"")]


async def test_the_secrets_of_tools_are_not_kept_with_what_was_asked(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [[play.silence]]
    settings = "responses: {mcp: {allow_private: [127.0.0.1], connect_seconds: 0.5}, background: {workers: 1}}"
    async with served(vendor, tmp_path, more=settings) as ask:
        await _begun(ask)
        await vendor.asked()
        url = f"http://127.0.0.1:{free_port()}/mcp"
        for secret in ({"authorization": "planted-secret"}, {"headers": {"x-key": "planted-secret"}}):
            await _begun(ask, tools=[{"type": "mcp", "server_label": "docs", "server_url": url, **secret}])
        await _begun(ask, tools=[{"type": "mcp", "server_label": "docs", "server_url": url}])
        kept = [(state, len(payload) > 0) for state, payload in _rows(tmp_path, JOBS)]
        assert kept == [("running", True), ("queued", False), ("queued", False), ("queued", True)]
    assert _found_in_files(tmp_path, b"planted-secret") == []


async def test_one_that_a_newer_release_took_on_fails_and_says_so(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [[play.silence]]
    async with served(vendor, tmp_path, more="responses: {background: {workers: 1}}") as ask:
        blocking = await _begun(ask)
        await vendor.asked()
        queued = await _begun(ask, reasoning={"effort": "low"})
        with closing(apsw.Connection(str(tmp_path / "sql.db"))) as connection:
            connection.execute(
                "UPDATE responses_jobs SET payload = CAST(replace(payload, '\"effort\"', '\"fervour\"') AS BLOB) "
                "WHERE state = 'queued'"
            )
        await ask.responses.cancel("t", blocking["id"])
        failed = checked(await _until(ask, queued["id"], "failed"))
    assert failed["error"] == {
        "code": "server_error",
        "message": "Another release of the server took this request on; this one cannot read it: "
        "Unknown parameter: 'reasoning.fervour'.",
    }


async def test_a_stream_that_ended_long_ago_is_forgotten_and_the_response_is_not(
    vendor: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackwright.jobs.worker.SWEEP", 0.05)
    more = "responses: {background: {events_seconds: 0.3}}"
    async with served(vendor, tmp_path, more=more) as ask:
        [first, *_] = await ask.events(background=True)
        made_id = first["response"]["id"]
        assert len(await _rest(ask, made_id)) > 3

        async def forgotten() -> bool:
            return not _rows(tmp_path, "SELECT 1 FROM responses_events")

        await eventually(forgotten, seconds=5)
        with pytest.raises(StackwrightError, match="ended too long ago"):
            await _rest(ask, made_id)
        assert (await ask.kept(made_id))["status"] == "completed"


async def test_deleting_one_stops_it_and_leaves_nothing(ask: Asking, tmp_path: Path) -> None:
    ask.vendor.scripts = [SLOW]
    told = await _told(ask)
    await ask.responses.delete("t", told[0]["response"]["id"])
    assert await ask.vendor.closed(3.0)
    assert _rows(tmp_path, "SELECT 1 FROM responses_events") == []


async def test_one_without_a_stream_has_none_to_be_read(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion("Done."))]
    made_id = (await _accepted(ask))["id"]
    await _until(ask, made_id, "completed")
    foreground = await ask.whole()
    for one in (made_id, foreground["id"]):
        with pytest.raises(StackwrightError, match="no stream of this response"):
            await _rest(ask, one)


async def test_deltas_are_padded_for_who_asks(ask: Asking) -> None:
    events = await ask.events(background=True, stream_options={"include_obfuscation": True})
    padded = [event["obfuscation"] for event in events if event["type"].endswith(".delta")]
    assert padded
    assert all(padded)
    again = await _rest(ask, events[0]["response"]["id"])
    assert not any("obfuscation" in event for event in again)


async def _accepted(ask: Asking, **body: Any) -> Body:
    """Ask for a response and go away."""
    made = await ask.create(background=True, **body)
    if isinstance(made, Json):
        return dict(json.loads(made))
    first = checked_events(await anext(made.blocks))[0]
    await made.blocks.aclose()
    return dict(first["response"])


async def _told(ask: Asking, **body: Any) -> list[Body]:
    """Ask for a stream, and return what it tells until the model has said something."""
    made = await ask.create(background=True, stream=True, **body)
    assert isinstance(made, Stream)
    raw = b""
    while b"output_text.delta" not in raw:
        raw += await anext(made.blocks)
    await made.blocks.aclose()
    return checked_events(raw)


def _rows(folder: Path, sql: str) -> list[Any]:
    # By the library that the server uses: another one in the same process would undo its locks.
    with closing(apsw.Connection(str(folder / "sql.db"))) as connection:
        return connection.execute(sql).fetchall()


def _found_in_files(folder: Path, text: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if text in file.read_bytes()]


def _check_end(events: list[Body], stored: Body, last: str) -> None:
    """Check that a stream closes what it opened, ends once, and tells what is stored."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    opened = [event["item"]["id"] for event in events if event["type"] == "response.output_item.added"]
    closed = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [item["id"] for item in closed] == opened
    assert events[-1]["type"] == last
    assert events[-1]["response"] == stored
    assert stored["output"] == closed
    words = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert [part["text"] for item in closed for part in item["content"]] == [words]


async def test_it_must_be_stored(ask: Asking) -> None:
    with pytest.raises(StackwrightError, match="must be stored"):
        await ask.create(background=True, store=False)
