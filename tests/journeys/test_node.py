"""OpenAI's client for Node and the AI SDK of Vercel do with this server what their users do."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys import npm
from tests.running import RunningServer
from tests.servers_mcp import McpToolServer

RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config:
        models:
          echo: {}
          poet: {reply: "Roses are red."}
          caller: {tool_call: {name: weather, arguments: {city: Oslo}}, reply: "It rains."}
          adder: {tool_call: {name: shop__add, arguments: {a: 2, b: 3}}, reply: "It is five."}
          person: {reply: '{"name": "Ada", "age": 36}'}
          broken: {cut_after: 2, reply: "one two three"}
          vectors: {kind: embedding, dimensions: 8}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
responses: {mcp: {allow_private: [localhost]}}
server: {auth: {mode: api_keys, api_keys: [{name: node, key: node-key}]}}
"""


@pytest.fixture(scope="module")
def packages() -> Path:
    return npm.installed(npm.CLIENTS)


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, mcp_server: McpToolServer) -> Iterator[dict[str, str]]:
    """Where a server and its tools are."""
    with RunningServer(tmp_path_factory.mktemp("node"), RUN_FILE) as running:
        running.wait_for("/v1/models/echo", authorization="Bearer node-key")
        yield {"PATH": os.environ["PATH"], "BASE_URL": f"{running.url}/v1", "MCP_URL": mcp_server.url}


@pytest.fixture(scope="module")
def openai(packages: Path, environ: dict[str, str]) -> Any:
    return json.loads(npm.node(npm.CLIENTS / "openai.mjs", packages, environ))


@pytest.fixture(scope="module")
def ai_sdk(packages: Path, environ: dict[str, str]) -> Any:
    return json.loads(npm.node(npm.CLIENTS / "ai_sdk.mjs", packages, environ))


def test_openai_for_node_chats_streams_and_runs_tools(openai: Any) -> None:
    names = ["adder", "broken", "caller", "echo", "person", "poet", "vectors"]
    assert openai["models"] == [f"demo/{name}" for name in names]
    assert openai["chat"] == {
        "whole": "Roses are red.",
        "streamed": "Roses are red.",
        "tokens": 5,
        "afterTools": "It rains.",
        "asked": ["rain in Oslo"],
    }


def test_openai_for_node_goes_on_from_responses_streams_parses_and_pages(openai: Any) -> None:
    assert openai["responses"] == {
        "texts": ["Roses are red.", "And?", "Roses are red.", "Roses are red."],
        "inputs": 2,
        "parsed": {"name": "Ada", "age": 36},
        "counted": 3,
    }
    assert openai["tools"] == {"arguments": {"city": "Oslo"}, "text": "It rains."}


def test_openai_for_node_reads_a_background_stream_again(openai: Any) -> None:
    events = openai["background"]["events"]
    assert (events[:2], events[-1]) == (["response.created", "response.queued"], "response.completed")
    assert openai["background"]["again"] == list(range(4, len(events)))


def test_openai_for_node_has_conversations_prompts_and_files(openai: Any) -> None:
    assert openai["conversation"] == ["user: one", "user: two", "assistant: two"]
    assert openai["prompt"] == "Greet Ada."
    assert openai["files"] == {
        "status": "processed",
        "text": "hello",
        "read": "completed",
        "listed": 1,
        "deleted": True,
    }


def test_openai_for_node_raises_its_own_classes(openai: Any) -> None:
    assert openai["failures"] == [
        ["NotFoundError", 404, None],
        ["BadRequestError", 400, "temperature"],
        ["AuthenticationError", 401, None],
        ["APIError", None, None],
    ]


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_the_ai_sdk_generates_streams_calls_tools_and_fills_a_schema(ai_sdk: Any, api: str) -> None:
    assert ai_sdk[api] == {
        "texts": ["Roses are red.", "Roses are red.", "It rains.", "It rains."],
        "tokens": [5, 5],
        "results": ["rain in Oslo"],
        "output": {"name": "Ada", "age": 36},
        "cut": ["error"],
        "unknown": ["AI_APICallError", 404],
    }
    assert ai_sdk["embeddings"] == [8, 8]


def test_the_ai_sdk_goes_on_by_id_by_reference_and_without_storage(ai_sdk: Any) -> None:
    assert ai_sdk["chained"] == ["And?", "More?", "Now?"]


def test_the_ai_sdk_calls_tools_of_an_mcp_server_approved_ones_too(ai_sdk: Any) -> None:
    assert ai_sdk["hosted"] == {"whole": "It is five.", "streamed": "It is five.", "approved": "It is five."}
