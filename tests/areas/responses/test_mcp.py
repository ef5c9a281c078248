"""Tools of MCP servers in responses: real servers, a scripted model, every body held against OpenAI's document."""

import asyncio
import json
import re
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from stackwright.areas.responses.messages import messages_of
from stackwright.areas.responses.offering import mcp_name
from stackwright.areas.responses.tooling import FailedDependency, allowed, needs_approval
from stackwright.config.responses import Mcp
from stackwright.errors import InvalidRequest
from stackwright.http.call import Stream
from stackwright.ports.tools import ToolAddress
from stackwright.providers.tool_runtime.reach import Reach
from stackwright.testing.upstream import Upstream, answer, completion, stream
from stackwright.wire.given import parse_input
from stackwright.wire.server_tools import MCPTool
from stackwright.wire.tools import McpApproval, McpFilter, McpTool
from tests.areas.responses.asking import Asking, Body, called, said, served
from tests.servers_mcp import McpToolServer

MORE = """
responses: {mcp: {allow_private: [localhost], connect_seconds: 5, call_seconds: 5, max_output_bytes: 1000}}
registered_resources:
  connectors:
    - {connector_id: connector_gmail, url: "http://127.0.0.1:{port}/mcp", headers: {authorization: "Bearer ours"}}
"""
ADD, BURN = "shop__add", mcp_name("shop", "files.burn")
SUM = (ADD, '{"a":2,"b":3}')
FIRE = (BURN, '{"path":"notes"}')
LISTED = ["output_item.added", "mcp_list_tools.in_progress", "mcp_list_tools.completed", "output_item.done"]
SPOKEN = ["output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
CALLED = [
    *("output_item.added", "mcp_call.in_progress", "mcp_call_arguments.delta", "mcp_call_arguments.delta"),
    "mcp_call_arguments.done",
]


@pytest.fixture
async def ask(vendor: Upstream, tmp_path: Path, mcp_server: McpToolServer) -> AsyncIterator[Asking]:
    async with served(vendor, tmp_path, more=MORE.replace("{port}", str(mcp_server.port))) as asking:
        yield asking


@pytest.fixture
def shop(mcp_server: McpToolServer) -> Body:
    """The server as a request names it."""
    return {"type": "mcp", "server_label": "shop", "server_url": mcp_server.url, "require_approval": "never"}


def script(ask: Asking, *calls: tuple[str, str], says: str = "Done.") -> None:
    """Have the model call each of these, one answer after the other, and then say something."""
    ask.vendor.scripts = [*(stream(called(one)) for one in calls), stream(said(says))]


def kinds(events: list[Body]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def offered(ask: Asking) -> list[str]:
    return [tool["function"]["name"] for tool in ask.asked.get("tools", [])]


def types(response: Body) -> list[str]:
    return [item["type"] for item in response["output"]]


async def streamed(ask: Asking, **body: Any) -> Body:
    """Return the response that a whole stream ends with."""
    events = await ask.events(**body)
    response: Body = events[-1]["response"]
    return response


async def test_a_tool_is_listed_and_called_with_openais_events_in_openais_order(ask: Asking, shop: Body) -> None:
    script(ask, SUM)
    events = await ask.events(tools=[shop])
    assert kinds(events) == [
        *("created", "in_progress"),
        *LISTED,
        *CALLED,
        *("mcp_call.completed", "output_item.done"),
        *SPOKEN,
        *("output_item.done", "completed"),
    ]
    response = events[-1]["response"]
    listed, call, message = response["output"]
    assert (call["name"], call["arguments"], call["output"], call["status"]) == ("add", SUM[1], "5", "completed")
    assert listed["tools"][0]["annotations"] == {"readOnlyHint": True}
    assert message["content"][0]["text"] == "Done."
    assert await ask.kept(response["id"]) == response
    assert [message["role"] for message in ask.asked["messages"]] == ["user", "assistant", "tool"]
    assert ask.asked["messages"][-1]["content"] == "5"


async def test_two_calls_of_one_answer_run_together(ask: Asking, shop: Body, mcp_server: McpToolServer) -> None:
    waiting = ("shop__wait", '{"seconds":0.4}')
    ask.vendor.scripts = [stream(called(waiting, waiting, SUM)), stream(said("Done."))]
    async with asyncio.timeout(5):
        response = await streamed(ask, tools=[shop])
    assert [item["output"] for item in response["output"][1:4]] == ["Waited.", "Waited.", "5"]


async def test_tools_are_not_listed_anew_in_a_chain_or_a_conversation(
    ask: Asking, shop: Body, mcp_server: McpToolServer
) -> None:
    script(ask)
    before = mcp_server.seen["listed"]
    first = await streamed(ask, tools=[shop])
    assert types(first) == ["mcp_list_tools", "message"]
    script(ask, SUM)
    second = await streamed(ask, tools=[shop], previous_response_id=first["id"])
    assert types(second) == ["mcp_call", "message"]
    script(ask, SUM)
    third = await streamed(ask, tools=[shop], input=[{"role": "user", "content": "And?"}, *first["output"]])
    assert types(third) == ["mcp_call", "message"]
    assert mcp_server.seen["listed"] == before + 1
    script(ask)
    assert types(await streamed(ask, tools=[{**shop, "server_label": "other"}], previous_response_id=first["id"])) == [
        "mcp_list_tools",
        "message",
    ]


async def test_a_call_that_the_caller_must_allow_waits_and_runs_when_it_is_allowed(
    ask: Asking, shop: Body, mcp_server: McpToolServer
) -> None:
    careful = {**shop, "require_approval": "always"}
    script(ask, FIRE)
    events = await ask.events(tools=[careful])
    assert kinds(events)[-3:] == ["output_item.added", "output_item.done", "completed"]
    first = events[-1]["response"]
    request = first["output"][-1]
    assert (request["type"], request["name"], request["arguments"]) == ("mcp_approval_request", "files.burn", FIRE[1])
    assert "burn notes" not in mcp_server.seen["called"]
    script(ask)
    decision = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    events = await ask.events(tools=[careful], input=[decision], previous_response_id=first["id"])
    assert kinds(events)[2:7] == [
        *("output_item.added", "mcp_call.in_progress", "mcp_call_arguments.done"),
        *("mcp_call.completed", "output_item.done"),
    ]
    call = events[-1]["response"]["output"][0]
    assert (call["approval_request_id"], call["output"]) == (request["id"], "notes is ashes.")
    assert mcp_server.seen["called"].count("burn notes") == 1
    again = {"tools": [careful], "input": [decision], "previous_response_id": events[-1]["response"]["id"]}
    with pytest.raises(InvalidRequest, match="answered before"):
        await ask.create(**again)


async def test_a_call_that_the_caller_forbids_is_not_run_and_the_model_hears_why(
    ask: Asking, shop: Body, mcp_server: McpToolServer
) -> None:
    script(ask, (BURN, '{"path":"forbidden"}'))
    careful = {**shop, "require_approval": {"never": {"read_only": True}}}
    first = await streamed(ask, tools=[careful])
    script(ask, says="Then not.")
    decision = {
        "type": "mcp_approval_response",
        "approval_request_id": first["output"][-1]["id"],
        "approve": False,
        "reason": "We need them.",
    }
    second = await streamed(ask, tools=[careful], input=[decision], previous_response_id=first["id"])
    assert types(second) == ["message"]
    assert ask.asked["messages"][-1]["content"] == "The user refused this call. We need them."
    assert "burn forbidden" not in mcp_server.seen["called"]


async def test_decisions_about_nothing_are_refused(ask: Asking, shop: Body) -> None:
    decision = {"type": "mcp_approval_response", "approval_request_id": "mcpr_nothing", "approve": True}
    with pytest.raises(InvalidRequest, match="mcpr_nothing") as refused:
        await ask.create(tools=[shop], input=[decision])
    assert refused.value.param == "input[0].approval_request_id"
    request = {
        "type": "mcp_approval_request",
        "id": "mcpr_nothing",
        "server_label": "gone",
        "name": "add",
        "arguments": "{}",
    }
    with pytest.raises(InvalidRequest, match="'gone', which is not among 'tools'"):
        await ask.create(tools=[shop], input=[request, decision])


async def test_an_approval_does_not_reach_beyond_the_allowed_tools(
    ask: Asking, shop: Body, mcp_server: McpToolServer
) -> None:
    request = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "shop",
        "name": "files.burn",
        "arguments": '{"path":"beyond"}',
    }
    decision = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    script(ask)
    response = await streamed(
        ask, tools=[{**shop, "allowed_tools": ["add"]}], input=[{"role": "user", "content": "Go."}, request, decision]
    )
    assert response["output"][1]["error"]["message"] == "'files.burn' is not among the allowed tools."
    assert "burn beyond" not in mcp_server.seen["called"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (["add", "files.burn"], {ADD, BURN}),
        ({"tool_names": ["add", "files.burn"], "read_only": True}, {ADD}),
        ({"read_only": False}, {BURN}),
        ([], set()),
    ],
)
async def test_only_allowed_tools_are_offered_and_listed(
    ask: Asking, shop: Body, chosen: Any, expected: set[str]
) -> None:
    script(ask)
    response = await streamed(ask, tools=[{**shop, "allowed_tools": chosen}])
    assert set(offered(ask)) == expected
    assert {mcp_name("shop", tool["name"]) for tool in response["output"][0]["tools"]} == expected


async def test_a_failing_tool_tells_the_model_how_and_the_response_goes_on(ask: Asking, shop: Body) -> None:
    script(ask, ("shop__fail", "{}"), ("shop__add", '{"a":"x"}'), ("shop__add", "[]"))
    events = await ask.events(tools=[shop])
    assert kinds(events).count("mcp_call.failed") == 3
    calls = events[-1]["response"]["output"][1:4]
    assert [call["error"]["type"] for call in calls] == ["mcp_tool_execution_error"] * 2 + ["mcp_protocol_error"]
    assert {call["status"] for call in calls} == {"failed"}
    assert events[-1]["response"]["status"] == "completed"


async def test_what_a_tool_says_is_cut_off_at_the_limit(ask: Asking, shop: Body) -> None:
    script(ask, ("shop__say_much", '{"size":5000}'))
    response = await streamed(ask, tools=[shop])
    assert response["output"][1]["output"] == "x" * 1000 + "\n[cut off here: 5000 bytes, 1000 are shown]"


async def test_calls_beyond_the_limit_are_not_run_and_not_offered(
    ask: Asking, shop: Body, mcp_server: McpToolServer
) -> None:
    ask.vendor.scripts = [stream(called(SUM)), stream(called(SUM, SUM)), stream(said("Enough."))]
    before = len(mcp_server.seen["called"])
    response = await streamed(ask, tools=[shop], max_tool_calls=2)
    assert [item["status"] for item in response["output"][1:4]] == ["completed", "completed", "failed"]
    assert len(mcp_server.seen["called"]) == before + 2
    assert "tools" not in ask.asked


async def test_a_server_that_is_down_is_openais_failed_dependency(ask: Asking, shop: Body) -> None:
    gone = {**shop, "server_url": f"http://localhost:{McpToolServer().port}/mcp"}
    message = "Error retrieving tool list from MCP server: 'shop'. Http status code: 424 (Failed Dependency)."
    with pytest.raises(FailedDependency) as failed:
        await ask.create(tools=[gone])
    assert (failed.value.status, failed.value.param) == (424, "tools")
    assert failed.value.message == f"{message} It cannot be reached."
    events = await ask.events(tools=[gone])
    assert kinds(events)[3:] == ["mcp_list_tools.in_progress", "mcp_list_tools.failed", "output_item.done", "failed"]
    response = events[-1]["response"]
    assert response["error"] == {"code": "server_error", "message": failed.value.message}
    assert response["output"][0]["error"] == failed.value.message
    assert ask.vendor.requests == []


async def test_the_stream_opens_before_a_slow_server_answers(ask: Asking, shop: Body) -> None:
    async with Upstream([[_never]]) as slow:
        answered = await ask.create(stream=True, tools=[{**shop, "server_url": f"http://localhost:{slow.port}/mcp"}])
        assert isinstance(answered, Stream)
        assert b"response.created" in await anext(answered.blocks)
        more = asyncio.create_task(anext(answered.blocks))
        await slow.asked()
        more.cancel()
        assert await slow.closed()


async def test_leaving_a_stream_cancels_the_call(ask: Asking, shop: Body, mcp_server: McpToolServer) -> None:
    ask.vendor.scripts = [stream(called(("shop__wait", '{"seconds":60}')))]
    before = mcp_server.seen["cancelled"]
    answered = await ask.create(stream=True, tools=[shop])
    assert isinstance(answered, Stream)
    async for block in answered.blocks:
        if b"mcp_call_arguments.done" in block:
            break
    asking = asyncio.create_task(anext(answered.blocks))
    await _until(lambda: mcp_server.seen["called"][-1:] == ["wait"])
    asking.cancel()
    await asyncio.wait({asking})
    await _until(lambda: mcp_server.seen["cancelled"] == before + 1)


async def test_secrets_are_sent_and_neither_shown_nor_stored(
    ask: Asking, shop: Body, mcp_server: McpToolServer, tmp_path: Path
) -> None:
    script(ask, ("shop__whoami", "{}"))
    secret = {
        **shop,
        "authorization": "s3cret-t0ken",
        "headers": {"x-tenant": "s3cret-header"},
        "allowed_tools": ["add"],
    }
    response = await streamed(ask, tools=[secret])
    assert mcp_server.seen["headers"]["authorization"] == "Bearer s3cret-t0ken"
    assert mcp_server.seen["headers"]["x-tenant"] == "s3cret-header"
    [shown] = response["tools"]
    assert shown["server_url"] == f"http://localhost:{mcp_server.port}/<redacted>"
    assert "s3cret" not in json.dumps(response)
    with sqlite3.connect(tmp_path / "sql.db") as database:
        assert "s3cret" not in "".join(database.iterdump())


async def test_a_connector_of_the_run_file_is_called_by_its_name(ask: Asking) -> None:
    script(ask, ("c__whoami", "{}"))
    tool = {"type": "mcp", "server_label": "c", "connector_id": "connector_gmail", "require_approval": "never"}
    response = await streamed(ask, tools=[tool])
    assert response["output"][1]["output"] == "Bearer ours"
    script(ask, ("c__whoami", "{}"))
    response = await streamed(ask, tools=[{**tool, "authorization": "mine"}])
    assert response["output"][1]["output"] == "Bearer mine"
    assert "ours" not in json.dumps(response["tools"])


@pytest.mark.parametrize(
    ("change", "param", "words"),
    [
        ({"server_url": "http://127.0.0.1:1/"}, "tools[0].server_url", "responses.mcp.allow_private: [127.0.0.1]"),
        ({"server_url": "https://u:p@localhost/"}, "tools[0].server_url", "header"),
        ({"server_url": "localhost/mcp"}, "tools[0].server_url", "https://"),
        ({"connector_id": "connector_gmail"}, "tools[0]", "either"),
        ({"tunnel_id": "tunnel_" + "0" * 32}, "tools[0].tunnel_id", "not supported"),
        ({"defer_loading": True}, "tools[0].defer_loading", "not supported"),
        ({"allowed_callers": ["programmatic"]}, "tools[0].allowed_callers", "['direct']"),
        ({"headers": {"a b": "c"}}, "tools[0].headers", "cannot be sent"),
        ({"headers": {"a": "b\r\nc: d"}}, "tools[0].headers", "cannot be sent"),
        ({"headers": {"Host": "elsewhere"}}, "tools[0].headers", "cannot be sent"),
        ({"authorization": "a\nb"}, "tools[0].authorization", "not a token"),
        ({"authorization": "a", "headers": {"authorization": "b"}}, "tools[0].authorization", "either"),
    ],
)
async def test_what_cannot_be_called_is_refused_with_its_place(
    ask: Asking, shop: Body, change: Body, param: str, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(words)) as refused:
        await ask.create(tools=[{**shop, **change}])
    assert refused.value.param == param


async def test_an_unknown_connector_is_refused_with_what_to_do(ask: Asking) -> None:
    with pytest.raises(InvalidRequest, match=r"registered_resources\.connectors"):
        await ask.create(tools=[{"type": "mcp", "server_label": "g", "connector_id": "connector_dropbox"}])


async def test_two_servers_have_two_labels(ask: Asking, shop: Body) -> None:
    with pytest.raises(InvalidRequest, match="Two MCP servers are called 'shop'"):
        await ask.create(tools=[shop, shop])


async def test_a_function_of_the_same_name_is_a_failure_and_not_a_surprise(ask: Asking, shop: Body) -> None:
    with pytest.raises(FailedDependency, match=f"Two tools would be called '{ADD}'"):
        await ask.create(tools=[{"type": "function", "name": ADD}, shop])


async def test_a_chosen_tool_is_forced_once(ask: Asking, shop: Body) -> None:
    script(ask, SUM)
    choice = {"type": "mcp", "server_label": "shop", "name": "add"}
    await streamed(ask, tools=[shop], tool_choice=choice)
    first, second = (request.json for request in ask.vendor.requests)
    assert (first["tool_choice"], [tool["function"]["name"] for tool in first["tools"]]) == ("required", [ADD])
    assert second["tool_choice"] == "auto"


async def test_tools_of_a_server_are_chosen_among_others(ask: Asking, shop: Body) -> None:
    script(ask)
    some = [{"type": "mcp", "server_label": "shop"}, {"type": "function", "name": "f"}]
    both = [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}, shop]
    await streamed(ask, tools=both, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": some})
    assert {"f", ADD, BURN} <= set(offered(ask))
    assert "g" not in offered(ask)
    with pytest.raises(InvalidRequest, match="not found in 'tools'"):
        await ask.create(tools=[shop], tool_choice={"type": "mcp", "server_label": "nowhere"})
    with pytest.raises(InvalidRequest, match="not found in 'tools'"):
        await ask.create(tools=[shop], tool_choice={"type": "function", "name": "nowhere"})


async def test_functions_of_the_caller_end_the_turn_after_the_servers_own_calls(ask: Asking, shop: Body) -> None:
    ask.vendor.scripts = [stream(called(SUM, ("weather", "{}"))), answer(completion("Done."))]
    function = {"type": "function", "name": "weather"}
    first = await streamed(ask, tools=[shop, function])
    assert types(first) == ["mcp_list_tools", "mcp_call", "function_call"]
    assert first["output"][1]["output"] == "5"
    output = {"type": "function_call_output", "call_id": first["output"][2]["call_id"], "output": "rain"}
    second = await ask.whole(tools=[shop, function], input=[output], previous_response_id=first["id"])
    assert types(second) == ["message"]


async def test_without_the_sdk_the_request_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("mcp.", "stackwright.providers.tool_runtime.mcp"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(InvalidRequest, match=r"pip install 'stackwright\[mcp\]'") as refused:
        await Reach(Mcp()).check(ToolAddress(label="a", url="https://1.1.1.1/"))
    assert refused.value.status == 400


def test_names_of_functions_are_what_all_vendors_take() -> None:
    assert mcp_name("shop", "add") == "shop__add"
    names = [mcp_name("shop", "a.b"), mcp_name("shop", "a/b"), mcp_name("shop.a", "b"), mcp_name("s" * 90, "t" * 90)]
    assert len(set(names)) == 4
    assert all(len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() for name in names)


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("always", True),
        ("never", False),
        (None, True),
        (McpApproval(never=McpFilter(read_only=True)), False),
        (McpApproval(never=McpFilter(tool_names=["other"])), True),
        (McpApproval(always=McpFilter(tool_names=["look"]), never=McpFilter(read_only=True)), True),
        (McpApproval(always=McpFilter(tool_names=["other"])), True),
    ],
)
def test_what_is_not_spared_must_be_allowed(rule: Any, asked: bool) -> None:
    tool = MCPTool(name="look", input_schema={}, annotations={"readOnlyHint": True})
    assert needs_approval(McpTool(server_label="s", require_approval=rule), tool) is asked


def test_a_tool_without_annotations_does_not_count_as_one_that_only_reads() -> None:
    server = McpTool(server_label="s", allowed_tools=McpFilter(read_only=True))
    assert not allowed(server, MCPTool(name="x", input_schema={}))


def test_requests_that_wait_for_a_decision_are_not_shown_to_the_model() -> None:
    items = parse_input(
        [
            {"role": "user", "content": "Burn it."},
            {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "s", "name": "burn", "arguments": "{}"},
        ]
    )
    assert [message["role"] for message in messages_of(items)] == ["user"]


def _never(_: Upstream, __: asyncio.StreamWriter) -> Any:
    return asyncio.Event().wait()


async def _until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds that is looked up over HTTP."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline
