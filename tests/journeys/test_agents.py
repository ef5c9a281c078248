"""The `openai-agents` SDK runs agents with tools of theirs, of ours, and of MCP servers, end to end."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, HostedMCPTool, ModelSettings, Runner, function_tool, set_tracing_disabled
from agents.mcp import MCPServerStreamableHttp
from agents.models.openai_responses import OpenAIResponsesModel

from stackwright.testing.upstream import Upstream, answer, stream
from tests.areas.responses.asking import called, said
from tests.running import RunningServer
from tests.servers_mcp import McpToolServer

RUN_FILE = """
version: 2
providers:
  inference:
    - {provider_id: up, provider_type: remote::openai-compatible, config: {base_url: "%s", models: [m], max_retries: 0}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
responses: {mcp: {allow_private: [localhost], connect_seconds: 20}}
"""
pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture
def untraced() -> None:
    # Traces go to OpenAI.
    set_tracing_disabled(True)


@pytest.fixture
async def vendor() -> AsyncIterator[Upstream]:
    """A model that plays a script."""
    async with Upstream([answer({})]) as upstream:
        yield upstream


@pytest.fixture
async def model(vendor: Upstream, tmp_path: Path) -> AsyncIterator[OpenAIResponsesModel]:
    """That model, through our Responses API."""
    with RunningServer(tmp_path, RUN_FILE % vendor.base_url) as running:
        running.wait_for("/v1/models/up/m")
        async with running.async_client() as client:
            yield OpenAIResponsesModel(model="up/m", openai_client=client)


@function_tool
def weather(city: str) -> str:
    """Say how the weather is."""
    return f"It rains in {city}."


async def _run(agent: Agent[Any]) -> tuple[Any, list[str]]:
    """Run an agent, streaming, and return its result and what it told of its items on the way."""
    result = Runner.run_streamed(agent, "Is it wet in Oslo, and what is 2 + 3?")
    told = [str(event.name) async for event in result.stream_events() if event.type == "run_item_stream_event"]
    return result, told


async def test_an_agent_with_a_function_and_a_hosted_mcp_server(
    model: OpenAIResponsesModel, vendor: Upstream, mcp_server: McpToolServer
) -> None:
    vendor.scripts = [
        stream(called(("weather", '{"city":"Oslo"}'))),
        stream(called(("shop__add", '{"a":2,"b":3}'))),
        stream(said("Wet, ", "and five.")),
    ]
    config: Any = {
        "type": "mcp",
        "server_label": "shop",
        "server_url": mcp_server.url,
        "require_approval": "never",
    }
    agent = Agent(name="a", instructions="Be brief.", model=model, tools=[weather, HostedMCPTool(tool_config=config)])
    result, told = await _run(agent)
    assert result.final_output == "Wet, and five."
    assert {"tool_called", "tool_output", "mcp_list_tools", "message_output_created"} <= set(told)
    roles = [message["role"] for message in json.loads(vendor.requests[-1].body)["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert [item.raw_item.type for item in result.new_items if getattr(item.raw_item, "type", "") == "mcp_call"]


async def test_an_agent_that_asks_before_a_hosted_tool_is_called(
    model: OpenAIResponsesModel, vendor: Upstream, mcp_server: McpToolServer
) -> None:
    vendor.scripts = [stream(called(("shop__add", '{"a":2,"b":3}'))), stream(said("Five."))]
    config: Any = {"type": "mcp", "server_label": "shop", "server_url": mcp_server.url, "require_approval": "always"}
    asked = []

    def approve(request: Any) -> Any:
        asked.append(request.data.name)
        return {"approve": True}

    agent = Agent(name="a", model=model, tools=[HostedMCPTool(tool_config=config, on_approval_request=approve)])
    before = mcp_server.seen["called"].count("add")
    result, told = await _run(agent)
    assert (result.final_output, asked) == ("Five.", ["add"])
    assert {"mcp_approval_requested", "mcp_approval_response"} <= set(told)
    assert mcp_server.seen["called"].count("add") == before + 1


async def test_an_agent_with_an_mcp_server_of_its_own(
    model: OpenAIResponsesModel, vendor: Upstream, mcp_server: McpToolServer
) -> None:
    vendor.scripts = [
        stream(called(("add", '{"a":2,"b":3}'), ("weather", '{"city":"Oslo"}'))),
        stream(said("Wet, ", "and five.")),
    ]
    async with MCPServerStreamableHttp({"url": mcp_server.url}) as shop:
        agent = Agent(
            name="a",
            model=model,
            tools=[weather],
            mcp_servers=[shop],
            model_settings=ModelSettings(parallel_tool_calls=True),
        )
        result, told = await _run(agent)
    assert result.final_output == "Wet, and five."
    assert told.count("tool_called") == told.count("tool_output") == 2
    outputs = [message["content"] for message in vendor.requests[-1].json["messages"] if message["role"] == "tool"]
    assert "5" in str(outputs[0])
    assert outputs[1] == "It rains in Oslo."
