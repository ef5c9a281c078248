"""Tools of MCP servers with the official client."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from stackwright.areas.responses.offering import mcp_name
from tests.running import RunningServer
from tests.servers_mcp import McpToolServer

RUN_FILE = f"""
version: 2
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config:
        models:
          adder: {{tool_call: {{name: shop__add, arguments: {{a: 2, b: 3}}}}, reply: "It is five."}}
          burner: {{tool_call: {{name: {mcp_name("shop", "files.burn")}, arguments: {{path: map}}}}, reply: "Burnt."}}
          sleeper: {{tool_call: {{name: shop__wait, arguments: {{seconds: 60}}}}}}
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: "${{env.HOME}}/kvstore.db"}}
    sql_default: {{type: sql_sqlite, db_path: "${{env.HOME}}/sql_store.db"}}
responses: {{mcp: {{allow_private: [localhost], connect_seconds: 20}}}}
"""
SECRET = "s3cret-t0ken"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("mcp"), RUN_FILE) as running:
        running.wait_for("/v1/models/demo/adder")
        yield running


def but(shop: Any, **changes: Any) -> Any:
    """Return the server as a request names it, with some of it changed."""
    return {**shop, **changes}


@pytest.fixture
def shop(mcp_server: McpToolServer) -> Any:
    return {"type": "mcp", "server_label": "shop", "server_url": mcp_server.url, "require_approval": "never"}


def _wait_for(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline


def test_a_tool_is_called_on_the_way_to_an_answer(client: OpenAI, shop: Any, server: RunningServer) -> None:
    answer = client.responses.create(model="adder", input="2 + 3?", tools=[but(shop, authorization=SECRET)])
    listed, call, _ = answer.output
    assert (listed.type, call.type, answer.output_text) == ("mcp_list_tools", "mcp_call", "It is five.")
    assert call.type == "mcp_call"
    assert (call.server_label, call.name, call.output, call.error) == ("shop", "add", "5", None)
    assert client.responses.retrieve(answer.id) == answer
    assert SECRET not in server.log.read_text()


def test_sse_is_spoken_where_a_server_speaks_nothing_else(client: OpenAI, shop: Any, mcp_server: McpToolServer) -> None:
    answer = client.responses.create(model="adder", input="?", tools=[but(shop, server_url=mcp_server.sse_url)])
    assert [item.type for item in answer.output] == ["mcp_list_tools", "mcp_call", "message"]


def test_a_stream_tells_of_every_step_and_helpers_understand_it(client: OpenAI, shop: Any) -> None:
    with client.responses.stream(model="adder", input="2 + 3?", tools=[shop]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    steps = [event.type for event in events if "mcp" in event.type]
    assert steps == [
        "response.mcp_list_tools.in_progress",
        "response.mcp_list_tools.completed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.completed",
    ]
    assert final.output_text == "It is five."


def test_a_call_is_approved_within_a_conversation(client: OpenAI, shop: Any, mcp_server: McpToolServer) -> None:
    careful, talk = but(shop, require_approval="always"), client.conversations.create()
    first = client.responses.create(model="burner", input="Burn it.", tools=[careful], conversation=talk.id)
    request = first.output[-1]
    assert request.type == "mcp_approval_request"
    assert "burn map" not in mcp_server.seen["called"]
    second = client.responses.create(
        model="burner",
        input=[{"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}],
        tools=[careful],
        conversation=talk.id,
    )
    assert [item.type for item in second.output] == ["mcp_call", "message"]
    assert mcp_server.seen["called"].count("burn map") == 1
    kinds = [item.type for item in client.conversations.items.list(talk.id, order="asc")]
    assert kinds == [
        "message",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "message",
    ]


def test_a_call_is_refused_and_the_talk_goes_on(client: OpenAI, shop: Any, mcp_server: McpToolServer) -> None:
    first = client.responses.create(model="burner", input="Burn it.", tools=[but(shop, require_approval="always")])
    before = mcp_server.seen["called"].count("burn map")
    second = client.responses.create(
        model="burner",
        input=[{"type": "mcp_approval_response", "approval_request_id": first.output[-1].id or "", "approve": False}],
        tools=[shop],
        previous_response_id=first.id,
    )
    assert second.output_text == "Burnt."
    assert mcp_server.seen["called"].count("burn map") == before


def test_a_background_response_calls_tools_and_its_stream_can_be_resumed(client: OpenAI, shop: Any) -> None:
    events = list(client.responses.create(model="adder", input="?", tools=[shop], background=True, stream=True))
    last = events[-1]
    assert last.type == "response.completed"
    assert [item.type for item in last.response.output] == ["mcp_list_tools", "mcp_call", "message"]
    rest = list(client.responses.retrieve(last.response.id, stream=True, starting_after=5))
    assert rest == events[6:]


def test_a_background_response_keeps_no_secret_and_uses_it(
    client: OpenAI, shop: Any, server: RunningServer, mcp_server: McpToolServer
) -> None:
    begun = client.responses.create(
        model="adder", input="?", tools=[but(shop, authorization=f"{SECRET}-behind")], background=True
    )
    _wait_for(lambda: client.responses.retrieve(begun.id).status == "completed")
    assert mcp_server.seen["headers"]["authorization"] == f"Bearer {SECRET}-behind"
    for database in server.folder.glob("sql_store.db*"):
        assert f"{SECRET}-behind".encode() not in database.read_bytes()


def test_cancelling_a_background_response_cancels_its_call(
    client: OpenAI, shop: Any, mcp_server: McpToolServer
) -> None:
    before = mcp_server.seen["cancelled"], mcp_server.seen["called"].count("wait")
    begun = client.responses.create(model="sleeper", input="?", tools=[shop], background=True)
    _wait_for(lambda: mcp_server.seen["called"].count("wait") == before[1] + 1)
    assert client.responses.cancel(begun.id).status == "cancelled"
    _wait_for(lambda: mcp_server.seen["cancelled"] == before[0] + 1)


def test_leaving_a_stream_cancels_the_call(client: OpenAI, shop: Any, mcp_server: McpToolServer) -> None:
    before = mcp_server.seen["cancelled"], mcp_server.seen["called"].count("wait")
    with client.responses.create(model="sleeper", input="?", tools=[shop], stream=True) as stream:
        for event in stream:
            if event.type == "response.mcp_call_arguments.done":
                break
        _wait_for(lambda: mcp_server.seen["called"].count("wait") == before[1] + 1)
    _wait_for(lambda: mcp_server.seen["cancelled"] == before[0] + 1)


def test_a_server_that_is_down_is_a_failed_dependency(client: OpenAI, shop: Any) -> None:
    gone = but(shop, server_url=f"http://localhost:{McpToolServer().port}/mcp")
    with pytest.raises(openai.APIStatusError) as failed:
        client.responses.create(model="adder", input="?", tools=[gone])
    error: Any = failed.value.body
    assert failed.value.status_code == 424
    assert (error["type"], error["param"], error["code"]) == ("external_connector_error", "tools", "http_error")
    events = list(client.responses.create(model="adder", input="?", tools=[gone], stream=True))
    assert [event.type for event in events][-3:] == [
        "response.mcp_list_tools.failed",
        "response.output_item.done",
        "response.failed",
    ]


def test_private_servers_are_refused_with_the_setting_that_allows_them(client: OpenAI, shop: Any) -> None:
    with pytest.raises(
        openai.BadRequestError, match=r"responses\.mcp\.allow_private: \[169\.254\.169\.254\]"
    ) as refused:
        client.responses.create(
            model="adder", input="?", tools=[but(shop, server_url="http://169.254.169.254/latest/meta-data")]
        )
    assert refused.value.param == "tools[0].server_url"
