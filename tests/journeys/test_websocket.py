"""Responses over WebSockets, with the official client's own connections."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from tests.areas.responses.asking import checked_event
from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config:
        models:
          echo: {}
          poet: {reply: "Roses are red, violets are blue."}
          slow: {reply: "one two three four five six seven eight nine ten", chunk_delay: 0.05}
          endless: {reply: "one two three four five six seven eight nine ten", chunk_delay: 5}
          caller: {tool_call: {name: weather, arguments: {city: Oslo}}, reply: "It rains."}
          down: {error: {status: 503, message: "out of order"}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
server:
  max_body_bytes: 100000
  auth: {mode: api_keys, api_keys: [{name: a, key: key-a, tenant: a}, {name: b, key: key-b, tenant: b}]}
"""
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
Event = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("websocket"), RUN_FILE) as running:
        running.wait_for("/ready")
        yield running


class Talk:
    """A connection, spoken to in JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def order(self, **body: Any) -> None:
        await self.socket.send(json.dumps({"type": "response.create", "model": "demo/echo", "input": "Hi.", **body}))

    async def hear(self) -> Event:
        async with asyncio.timeout(20):
            event: Event = json.loads(await self.socket.recv())
        return event

    async def answer(self, **body: Any) -> list[Event]:
        """Return the events of one response."""
        await self.order(**body)
        events = [await self.hear()]
        while events[-1]["type"] not in ENDS:
            events.append(await self.hear())
        return events


ENDS = {"response.completed", "response.failed", "response.incomplete", "error"}


@asynccontextmanager
async def talking(server: RunningServer, key: str = "key-a") -> AsyncIterator[Talk]:
    url = server.url.replace("http:", "ws:") + "/v1/responses"
    async with connect(url, additional_headers={"authorization": f"Bearer {key}"}) as socket:
        yield Talk(socket)


async def _kept(server: RunningServer, id: str, key: str = "key-a") -> Event:
    answer = await asyncio.to_thread(server.get, f"/v1/responses/{id}", authorization=f"Bearer {key}")
    found: Event = answer.json
    return found


async def test_the_official_client_talks_over_its_own_connection(server: RunningServer) -> None:
    async with server.async_client("key-a") as client, client.responses.connect() as connection:
        await connection.response.create(model="poet", input="Go on.")
        events: list[Any] = []
        async for event in connection:
            events.append(event)
            if event.type == "response.completed":
                break
        made = events[-1].response
        said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert said == made.output_text == "Roses are red, violets are blue."
        stream = await client.responses.create(model="poet", input="Go on.", stream=True)
        assert [event.type for event in events] == [told.type async for told in stream]
        assert (await client.responses.retrieve(made.id)).output_text == said


async def test_events_are_those_of_the_document_and_numbered_anew_for_each_response(server: RunningServer) -> None:
    async with talking(server) as talk:
        for _ in range(2):
            events = await talk.answer(model="caller", tools=[WEATHER])
            assert [event["sequence_number"] for event in events] == list(range(len(events)))
            for event in events:
                checked_event(event)


async def test_a_talk_goes_on_from_what_only_the_connection_knows(server: RunningServer) -> None:
    async with talking(server) as talk:
        *_, last = await talk.answer(model="caller", tools=[WEATHER], store=False)
        [call] = last["response"]["output"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
        first = last["response"]["id"]
        *_, last = await talk.answer(
            model="caller", tools=[WEATHER], store=False, input=[output], previous_response_id=first
        )
        assert last["response"]["output"][0]["content"][0]["text"] == "It rains."
        assert last["response"]["previous_response_id"] == first
        assert "error" in await _kept(server, first)

        [stored] = await talk.answer(previous_response_id=last["response"]["id"])
        assert "send 'store: false'" in stored["error"]["message"]
    async with talking(server) as talk:
        [unknown] = await talk.answer(store=False, previous_response_id=last["response"]["id"])
        assert unknown["error"]["code"] == "previous_response_not_found"


async def test_a_stored_talk_goes_on_from_any_connection_of_its_tenant(server: RunningServer) -> None:
    async with talking(server) as talk:
        *_, last = await talk.answer()
    first = last["response"]["id"]
    async with talking(server) as talk:
        *_, last = await talk.answer(previous_response_id=first)
        assert last["type"] == "response.completed"
    async with talking(server, "key-b") as talk:
        [refused] = await talk.answer(previous_response_id=first)
        assert refused["error"]["code"] == "previous_response_not_found"


async def test_a_failed_turn_forgets_what_it_went_on_from(server: RunningServer) -> None:
    async with talking(server) as talk:
        *_, last = await talk.answer(store=False)
        first = last["response"]["id"]
        [failed] = await talk.answer(model="down", store=False, previous_response_id=first)
        assert (failed["status"], failed["error"]["message"]) == (502, "out of order")
        assert failed["error"]["type"] == "upstream_error"
        [gone] = await talk.answer(store=False, previous_response_id=first)
        assert gone["error"]["code"] == "previous_response_not_found"


async def test_orders_are_done_one_after_the_other(server: RunningServer) -> None:
    async with talking(server) as talk:
        for model in ("slow", "poet", "echo"):
            await talk.order(model=model)
        models, ended = [], 0
        while ended < 3:
            event = await talk.hear()
            models += [event["response"]["model"]] if "response" in event else []
            ended += event["type"] in ENDS
    assert models == [name for name in ("slow", "poet", "echo") for _ in range(3)]


async def test_lanes_are_done_side_by_side(server: RunningServer) -> None:
    async with talking(server) as talk:
        await talk.order(model="slow", stream_id="left", store=False)
        await talk.order(model="poet", stream_id="right", store=False)
        ended: dict[str, Event] = {}
        while len(ended) < 2:
            event = await talk.hear()
            if event["type"] in ENDS:
                ended[event["stream_id"]] = event["response"]
        assert list(ended) == ["right", "left"]
        # A lane can go on from another's response, which that can go on from too.
        for lane in ("third", "left"):
            *_, last = await talk.answer(stream_id=lane, store=False, previous_response_id=ended["left"]["id"])
            assert (last["type"], last["stream_id"]) == ("response.completed", lane)


async def test_a_request_can_be_made_ready_before_it_is_asked(server: RunningServer) -> None:
    async with talking(server) as talk:
        events = await talk.answer(model="down", input="The name is Ada.", generate=False, store=False)
        assert [event["type"] for event in events] == [
            "response.created",
            "response.in_progress",
            "response.completed",
        ]
        warm = events[-1]["response"]
        assert warm["output"] == []
        *_, last = await talk.answer(input="Who?", store=False, previous_response_id=warm["id"])
        # The scripted model counts a token a word.
        assert last["response"]["usage"]["input_tokens"] == 5


@pytest.mark.parametrize(
    ("message", "status", "param", "code"),
    [
        (b"{nonsense", 400, None, "invalid_json"),
        (b"[]", 400, None, "invalid_type"),
        (b"{}", 400, "type", "missing_required_parameter"),
        (b'{"type": "session.update"}', 400, "type", "invalid_value"),
        (b'{"type": "response.steer"}', 400, "type", "steering_not_supported"),
        (b'{"type": "response.create", "background": true}', 400, "background", "unsupported_parameter"),
        (b'{"type": "response.create", "stream": false}', 400, "stream", None),
        (b'{"type": "response.create", "input": "x"}', 400, "model", "missing_required_parameter"),
        (b'{"type": "response.create", "model": "nix", "input": "x"}', 404, "model", "model_not_found"),
        (b'{"type": "response.create", "temperature": 3}', 400, "temperature", None),
        (b'{"type": "response.create", "input": ' + b"[" * 50_000, 400, None, "invalid_json"),
    ],
)
async def test_what_cannot_be_done_is_an_event_and_the_talk_goes_on(
    server: RunningServer, message: bytes, status: int, param: str | None, code: str | None
) -> None:
    async with talking(server) as talk:
        await talk.socket.send(message.decode())
        refused = await talk.hear()
        assert refused["type"] == "error"
        assert (refused["status"], refused["error"]["param"]) == (status, param)
        assert code in (None, refused["error"]["code"])
        *_, last = await talk.answer()
        assert last["type"] == "response.completed"


async def test_nobody_talks_without_a_key(server: RunningServer) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with talking(server, "key-x"):
            pass
    response = refused.value.response
    assert response.status_code == 401
    assert json.loads(response.body)["error"]["code"] == "invalid_api_key"
    assert response.headers["x-request-id"].startswith("req_")


async def test_a_page_of_another_site_gets_no_connection(server: RunningServer) -> None:
    url, headers = server.url.replace("http:", "ws:") + "/v1/responses", {"authorization": "Bearer key-a"}
    for origin in ("http://evil.example", "https://127.0.0.1", "null"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with connect(url, additional_headers=headers, origin=Origin(origin)):
                pass
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body)["error"]["code"] == "origin_not_allowed"
    async with connect(url, additional_headers=headers, origin=Origin(server.url)) as socket:
        assert (await Talk(socket).answer())[-1]["type"] == "response.completed"


async def test_there_are_no_websockets_elsewhere(server: RunningServer) -> None:
    headers = {"authorization": "Bearer key-a"}
    for path, status in (("/v1/chat/completions", 405), ("/v1/nothing", 404)):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with connect(server.url.replace("http:", "ws:") + path, additional_headers=headers):
                pass
        assert refused.value.response.status_code == status
    assert server.request("PUT", "/v1/responses", b"", **headers).headers["allow"] == "GET, POST"


async def test_a_message_too_large_closes_the_connection(server: RunningServer) -> None:
    async with talking(server) as talk:
        await talk.order(input="x" * 100_001)
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await talk.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_too_many_orders_are_refused_and_those_taken_are_done(server: RunningServer) -> None:
    async with talking(server) as talk:
        for _ in range(30):
            await talk.order(model="poet")
        ended: list[Event] = []
        while len(ended) < 30:
            event = await talk.hear()
            ended += [event] if event["type"] in ENDS else []
    refused = [event for event in ended if event["type"] == "error"]
    assert {event["error"]["code"] for event in refused} <= {"too_many_messages"}
    assert sum(event["type"] == "response.completed" for event in ended) >= 17


async def test_a_caller_who_hangs_up_leaves_a_cancelled_response(server: RunningServer) -> None:
    async with talking(server) as talk:
        await talk.order(model="endless")
        made = (await talk.hear())["response"]["id"]
    kept = await asyncio.to_thread(server.wait_for, f"/v1/responses/{made}", within=5, authorization="Bearer key-a")
    assert kept.json["status"] == "cancelled"


async def test_connections_end_in_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    more = "responses: {websockets: {connections: 1, idle_seconds: 0.5, seconds: 1}}"
    with RunningServer(tmp_path_factory.mktemp("limits"), RUN_FILE + more) as running:
        async with talking(running) as busy:
            # What is ordered before the time is over is made to its end.
            for _ in range(3):
                await busy.order(model="slow")
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with talking(running):
                    pass
            assert refused.value.response.status_code == 503
            assert json.loads(refused.value.response.body)["error"]["code"] == "too_many_websockets"
            ended = [event async for event in _ends(busy)]
        assert [event["type"] for event in ended] == ["response.completed"] * 3 + ["error"]
        assert ended[-1]["error"]["code"] == "websocket_connection_limit_reached"
        async with talking(running) as idle:
            with pytest.raises(websockets.ConnectionClosedOK, match=r"Nothing was sent for 0\.5 seconds"):
                await idle.hear()


async def _ends(talk: Talk) -> AsyncIterator[Event]:
    while True:
        try:
            event = await talk.hear()
        except websockets.ConnectionClosedOK:
            return
        if event["type"] in ENDS:
            yield event


async def test_a_server_that_stops_ends_what_it_began(tmp_path_factory: pytest.TempPathFactory) -> None:
    with RunningServer(tmp_path_factory.mktemp("stopping"), RUN_FILE) as running:
        async with talking(running) as quiet, talking(running) as busy:
            await busy.order(model="slow")
            assert (await busy.hear())["type"] == "response.created"
            stopping = asyncio.create_task(asyncio.to_thread(running.stop))
            assert (await quiet.hear())["error"]["code"] == "stopping"
            with pytest.raises(websockets.ConnectionClosedOK) as closed:
                await quiet.hear()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
            [ended, stopped] = [event async for event in _ends(busy)]
        assert (ended["type"], stopped["error"]["code"]) == ("response.completed", "stopping")
        assert await stopping == 0
        assert "Traceback" not in running.log.read_text()
