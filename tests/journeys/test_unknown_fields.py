"""A misspelt field of an object that this server acts on is refused by its place, on every route that takes a body."""

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.running import RunningServer

SCHEMA = {"type": "object", "properties": {}}
ASK: dict[str, Any] = {"model": "echo", "input": "Hello."}
FUNCTION = {"type": "function", "name": "f"}
MCP = {"type": "mcp", "server_label": "s", "server_url": "https://mcp.example"}
CUSTOM = {"type": "custom", "name": "c"}


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/input_tokens"])
@pytest.mark.parametrize(
    ("body", "param", "meant"),
    [
        ({"text": {"formt": {"type": "json_object"}}}, "text.formt", "text.format"),
        ({"text": {"format": {"type": "text", "schma": {}}}}, "text.format.schma", "text.format.schema"),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strickt": True}}},
            "text.format.strickt",
            "text.format.strict",
        ),
        ({"reasoning": {"efort": "low"}}, "reasoning.efort", "reasoning.effort"),
        ({"stream": True, "stream_options": {"obfuscate": True}}, "stream_options.obfuscate", None),
        ({"conversation": {"id": "conv_1", "branch": 2}}, "conversation.branch", None),
        ({"prompt": {"id": "pmpt_1", "verison": 2}}, "prompt.verison", "prompt.version"),
        ({"tools": [{**FUNCTION, "paramters": SCHEMA}]}, "tools[0].paramters", "tools[0].parameters"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].function", None),
        ({"tools": [{**CUSTOM, "format": {"type": "text", "syntax": "lark"}}]}, "tools[0].format.syntax", None),
        ({"tools": [{"type": "shell", "enviroment": {}}]}, "tools[0].enviroment", "tools[0].environment"),
        (
            {"tools": [{"type": "shell", "environment": {"type": "local", "cwd": "/"}}]},
            "tools[0].environment.cwd",
            None,
        ),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{**FUNCTION, "strct": True}]}]},
            "tools[0].tools[0].strct",
            "tools[0].tools[0].strict",
        ),
        ({"tools": [{**MCP, "alowed_tools": ["a"]}]}, "tools[0].alowed_tools", "tools[0].allowed_tools"),
        (
            {"tools": [{**MCP, "allowed_tools": {"tool_name": ["a"]}}]},
            "tools[0].allowed_tools.tool_name",
            "tools[0].allowed_tools.tool_names",
        ),
        (
            {"tools": [{**MCP, "require_approval": {"never": {"readonly": True}}}]},
            "tools[0].require_approval.never.readonly",
            "tools[0].require_approval.never.read_only",
        ),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "function", "nane": "f"}},
            "tool_choice.nane",
            "tool_choice.name",
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "server_lable": "s"}]}},
            "tool_choice.tools[0].server_lable",
            "tool_choice.tools[0].server_label",
        ),
    ],
)
def test_of_a_response_within_its_objects(
    server: RunningServer, path: str, body: dict[str, Any], param: str, meant: str | None
) -> None:
    _refused(server, "POST", path, ASK | body, param, meant)


@pytest.fixture(scope="module")
def prompt_id(server: RunningServer) -> str:
    return str(server.post("/v1/prompts", {"instructions": "Hello."}).json["id"])


@pytest.mark.parametrize(
    ("method", "path", "body", "param", "meant"),
    [
        ("POST", "/conversations", {"metdata": {}}, "metdata", "metadata"),
        ("POST", "/conversations/conv_1", {"metadata": {}, "itms": []}, "itms", None),
        ("POST", "/conversations/conv_1/items", {"items": [], "itens": []}, "itens", "items"),
        ("POST", "/chat/completions/chatcmpl-1", {"metadata": {}, "meta": {}}, "meta", None),
        ("POST", "/models", {"model_id": "m", "provider": "demo"}, "provider", "provider_id"),
        ("POST", "/prompts", {"prompt": "x", "max_tokens": 20}, "max_tokens", "max_output_tokens"),
        ("POST", "/prompts", {"prompt": "x", "text": {"formt": {}}}, "text.formt", "text.format"),
        ("POST", "/prompts", {"prompt": "x", "reasoning": {"efort": "low"}}, "reasoning.efort", "reasoning.effort"),
        ("POST", "/prompts", {"prompt": "x", "tools": [{**FUNCTION, "strct": 1}]}, "tools[0].strct", "tools[0].strict"),
        ("POST", "/prompts", {"spec": {"instruction": "x"}}, "spec.instruction", "spec.instructions"),
        (
            "POST",
            "/prompts",
            {"messages": [{"role": "user", "content": [{"type": "input_text", "txt": "x"}]}]},
            "messages[0].content[0].txt",
            "messages[0].content[0].text",
        ),
        (
            "POST",
            "/prompts",
            {"prompt": "{{ a }}", "variables": {"a": {"requird": False}}},
            "variables[...].requird",
            "variables[...].required",
        ),
        ("POST", "/prompts/import", {"data": [], "dryrun": True}, "dryrun", "dry_run"),
        ("POST", "/prompts/{id}", {"nme": "n"}, "nme", "name"),
        ("POST", "/prompts/{id}/versions", {"prompt": "y", "set_defualt": False}, "set_defualt", "set_default"),
        ("POST", "/prompts/{id}/versions/1/yank", {"reasn": "r"}, "reasn", "reason"),
        ("POST", "/prompts/{id}/render", {"variabels": {}}, "variabels", "variables"),
        (
            "PUT",
            "/prompts/{id}",
            {"prompt": "y", "version": 1, "set_as_defualt": False},
            "set_as_defualt",
            "set_as_default",
        ),
        ("PUT", "/prompts/{id}/default", {"version": 1, "expected": 1}, "expected", None),
        ("PUT", "/prompts/{id}/set-default-version", {"version": 1, "etag": "e"}, "etag", None),
        (
            "PUT",
            "/prompts/{id}/labels/prod",
            {"version": 1, "expected_verison": 1},
            "expected_verison",
            "expected_version",
        ),
        ("PUT", "/prompts/{id}/draft", {"prompt": "y", "revison": 1}, "revison", "revision"),
        ("DELETE", "/prompts/{id}/labels/prod?expected_verison=1", {}, "expected_verison", "expected_version"),
    ],
)
def test_of_other_bodies(
    server: RunningServer, prompt_id: str, method: str, path: str, body: Any, param: str, meant: str | None
) -> None:
    _refused(server, method, "/v1" + path.replace("{id}", prompt_id), body, param, meant)


def _refused(
    server: RunningServer, method: str, path: str, body: dict[str, Any], param: str, meant: str | None
) -> None:
    answer = server.request(method, path, json.dumps(body).encode())
    hint = f" Did you mean '{meant}'?" if meant else ""
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "unknown_parameter", param)
    assert answer.error["message"] == f"Unknown parameter: '{param}'.{hint}"


NEWER: dict[str, Any] = {"field_of_2030": {"deep": [1]}}


def test_what_a_newer_api_answered_may_be_sent_back(client: OpenAI) -> None:
    """Clients append what was answered to their next input: with fields that we do not know, they go on."""
    said = {"type": "output_text", "text": "Yes.", "annotations": [], **NEWER}
    items: list[Any] = [
        {"role": "user", "content": [{"type": "input_text", "text": "Is it raining?", **NEWER}], **NEWER},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm.", **NEWER}], **NEWER},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", **NEWER},
        {"type": "function_call_output", "call_id": "c", "output": "rain", **NEWER},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [said], **NEWER},
        {"role": "user", "content": "Still?"},
    ]
    assert client.responses.create(model="echo", input=items).output_text == "Still?"
    talk = client.conversations.create(items=items)
    kept = client.conversations.items.list(talk.id, order="asc", limit=20)
    assert [item.type for item in kept] == [item.get("type", "message") for item in items]
    assert "2030" not in kept.to_json()


def test_a_tool_that_nobody_runs_is_refused_as_one_whatever_it_says(server: RunningServer) -> None:
    answer = server.post("/v1/responses", ASK | {"tools": [{"type": "web_search", **NEWER}]})
    assert (answer.status, answer.error["code"]) == (400, "unsupported_tool")


@pytest.mark.parametrize("grouped", [False, True])
def test_a_function_that_shall_be_loaded_late_is_refused(server: RunningServer, grouped: bool) -> None:
    function = FUNCTION | {"defer_loading": True}
    tool = {"type": "namespace", "name": "n", "tools": [function]} if grouped else function
    answer = server.post("/v1/responses", ASK | {"tools": [tool]})
    place = "tools[0].tools[0]" if grouped else "tools[0]"
    assert (answer.status, answer.error["code"]) == (400, "unsupported_parameter")
    assert answer.error["param"] == f"{place}.defer_loading"


def test_a_shell_in_a_container_of_openais_is_refused(server: RunningServer) -> None:
    answer = server.post(
        "/v1/responses", ASK | {"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}
    )
    assert (answer.status, answer.error["param"]) == (400, "tools[0].environment.type")
    assert answer.error["message"].endswith("'container_auto'. The only supported value is: 'local'.")
