"""Items as callers send them, as they are stored, and as OpenAI's document has them."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.errors import InvalidRequest
from stackwright.wire.given import parse_input
from stackwright.wire.include import hide, may_hide
from stackwright.wire.items import (
    FunctionCall,
    InputText,
    Item,
    ItemReference,
    LocalShellCallOutput,
    Message,
    OutputText,
    Refusal,
    decode,
    decode_many,
    encode,
)
from tests.schemas import document, needs_schemas, validate

SHELL = {"commands": ["ls"]}
LEAST: list[dict[str, Any]] = [
    {"type": "message", "role": "user", "content": "hi"},
    {"type": "message", "role": "assistant", "content": "hello"},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "42"},
    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "42"}]},
    {"type": "reasoning"},
    {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}], "encrypted_content": "xyz"},
    {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "c", "output": "42"},
    {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"]}},
    {"type": "local_shell_call_output", "call_id": "c", "output": "{}"},
    {"type": "shell_call", "call_id": "c", "action": SHELL},
    {
        "type": "shell_call_output",
        "call_id": "c",
        "output": [{"stdout": "", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
    },
    {
        "type": "shell_call_output",
        "call_id": "c",
        "output": [{"stdout": "", "stderr": "", "outcome": {"type": "timeout"}}],
    },
    {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "create_file", "path": "a", "diff": "+x"}},
    {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "update_file", "path": "a", "diff": "+x"}},
    {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
    {"type": "apply_patch_call_output", "call_id": "c", "status": "failed"},
    {"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "t", "input_schema": {}}]},
    {"type": "mcp_call", "server_label": "s", "name": "t", "arguments": "{}"},
    {"type": "mcp_approval_request", "server_label": "s", "name": "t", "arguments": "{}"},
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    {"type": "file_search_call", "queries": ["q"], "results": [{"file_id": "f", "score": 0.5, "text": "t"}]},
    {"type": "web_search_call", "action": {"type": "search", "query": "q"}},
    {"type": "code_interpreter_call", "container_id": "c"},
    {"type": "image_generation_call"},
    {"type": "computer_call", "call_id": "c", "action": {"type": "screenshot"}},
    {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "file_id": "f"}},
    {"type": "tool_search_call", "arguments": {}},
    {"type": "tool_search_output", "tools": []},
    {"type": "additional_tools", "tools": []},
    {"type": "program", "call_id": "c", "code": "f()", "fingerprint": "x"},
    {"type": "program_output", "call_id": "c", "result": "42", "status": "completed"},
    {"type": "compaction", "encrypted_content": "xyz"},
]
"""Every type, as little of it as is allowed."""

PARTS: list[dict[str, Any]] = [
    {"type": "input_text", "text": "a"},
    {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
    {"type": "input_image", "file_id": "file-1", "detail": "low"},
    {"type": "input_file", "file_id": "file-1"},
    {"type": "input_file", "file_data": "data:text/plain;base64,AA==", "filename": "a.txt"},
    {"type": "input_file", "file_url": "https://example.org/a.pdf"},
]

SAID: list[dict[str, Any]] = [
    {"type": "refusal", "refusal": "No."},
    {
        "type": "output_text",
        "text": "a",
        "annotations": [
            {"type": "file_citation", "file_id": "f", "index": 0, "filename": "a.txt"},
            {"type": "url_citation", "url": "https://example.org", "start_index": 0, "end_index": 1, "title": "A"},
            {"type": "file_path", "file_id": "f", "index": 0},
        ],
        "logprobs": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}],
    },
]


def parse_one(given: dict[str, Any]) -> Item:
    (item,) = parse_input([given])
    return item


def refusal_of(given: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        parse_input(given)
    return refused.value


def _published(item: Item) -> Any:
    body = json.loads(encode(item))
    if body["type"] == "mcp_approval_response":
        # The document requires a field that it does not describe and OpenAI does not send.
        body["request_id"] = body["approval_request_id"]
    return body


@needs_schemas
@pytest.mark.parametrize("least", LEAST, ids=lambda least: least["type"])
def test_every_item_is_answered_as_openai_describes_it(least: dict[str, Any]) -> None:
    item = parse_one(least)
    validate(_published(item), "ConversationItem")
    validate(_published(item), "ItemResource")


def test_what_an_mcp_server_does_not_say_of_its_tools_is_left_out() -> None:
    """OpenAI describes it as null or absent; the AI SDK of Vercel takes no null."""
    given = {
        "type": "mcp_list_tools",
        "id": "mcpl_1",
        "server_label": "s",
        "tools": [{"name": "t", "input_schema": {}}],
    }
    assert json.loads(encode(parse_one(given))) == given


@needs_schemas
def test_every_part_is_answered_as_openai_describes_it() -> None:
    user, assistant = parse_input([{"role": "user", "content": PARTS}, {"role": "assistant", "content": SAID}])
    validate(_published(user), "ItemResource")
    validate(_published(assistant), "OutputMessage")


@needs_schemas
def test_no_type_of_the_document_is_forgotten() -> None:
    def types(name: str) -> set[str]:
        schemas = document()["components"]["schemas"]
        return {_type_of(schemas, each["$ref"].rpartition("/")[2]) for each in schemas[name]["oneOf"]}

    ours = {each.__struct_config__.tag for each in get_args(Item)}
    assert ours - {"item_reference"} == types("ConversationItem") | types("Item")
    assert {each["type"] for each in LEAST} == ours - {"item_reference"}


def _type_of(schemas: Any, name: str) -> str:
    schema = schemas[name]
    for part in [
        schema,
        *(schemas[one["$ref"].rpartition("/")[2]] for one in schema.get("allOf", []) if "$ref" in one),
    ]:
        if "properties" in part and "type" in part["properties"]:
            return str(part["properties"]["type"]["enum"][0])
    raise AssertionError(f"{name} has no type")


@given(st.lists(st.sampled_from([*LEAST, *({"role": "user", "content": [part]} for part in PARTS)])))
def test_what_is_stored_is_what_was_parsed(given: list[dict[str, Any]]) -> None:
    items = parse_input(given)
    raws = [encode(item) for item in items]
    assert decode_many(raws) == items
    assert [decode(raw) for raw in raws] == items
    assert parse_input(json.loads(b"[" + b",".join(raws) + b"]")) == items


def test_a_string_is_a_message_from_the_user() -> None:
    (message,) = parse_input("Hello")
    assert isinstance(message, Message)
    assert (message.role, message.content, message.status) == ("user", [InputText(text="Hello")], "completed")
    assert message.id.startswith("msg_")


def test_a_message_needs_no_type_and_a_string_becomes_a_part() -> None:
    user, assistant = parse_input([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])
    assert isinstance(user, Message)
    assert isinstance(assistant, Message)
    assert user.content == [InputText(text="Hi")]
    assert assistant.content == [OutputText(text="Hello")]
    assert Message(role="assistant", content=[OutputText(text="A"), Refusal(refusal="B")]).text == "AB"


def test_a_reference_needs_no_type_either() -> None:
    assert parse_input([{"id": "msg_1"}, {"id": "msg_2", "type": None}]) == [
        ItemReference(id="msg_1"),
        ItemReference(id="msg_2"),
    ]


def test_the_callers_id_stays_and_a_null_counts_as_absent() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    kept, minted = parse_input([{**call, "id": "fc_1"}, {**call, "id": None, "status": None}])
    assert isinstance(kept, FunctionCall)
    assert isinstance(minted, FunctionCall)
    assert kept.id == "fc_1"
    assert minted.id.startswith("fc_")
    assert minted.status == "completed"


def test_a_local_shell_output_may_name_its_call_in_its_id() -> None:
    output = parse_one({"type": "local_shell_call_output", "id": "call_1", "output": "{}"})
    assert isinstance(output, LocalShellCallOutput)
    assert output.call_id == "call_1"
    assert refusal_of([{"type": "local_shell_call_output", "output": "{}"}]).param == "input[0]"


@pytest.mark.parametrize(
    ("given", "param", "code", "said"),
    [
        ([{"role": "user", "content": "a"}, {"type": "zebra"}], "input[1]", "invalid_value", "'zebra'"),
        ([{"type": "zebra"}], "input[0]", "invalid_value", "'message', 'function_call',"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
            "input[0].content[0]",
            "invalid_value",
            "'input_text', 'input_image', 'input_file', 'output_text' and 'refusal'",
        ),
        ([{"role": "user"}], "input[0].content", "missing_required_parameter", "'input[0].content'"),
        ([{"role": "ghost", "content": "a"}], "input[0].role", "invalid_value", "'ghost'"),
        ([{"role": "user", "content": 3}], "input[0].content", "invalid_type", "an array"),
        (
            [{"role": "user", "content": [{"type": "input_image"}]}],
            "input[0].content[0]",
            "invalid_value",
            "'image_url' or 'file_id'",
        ),
        (
            [{"role": "user", "content": [{"type": "input_file"}]}],
            "input[0].content[0]",
            "invalid_value",
            "'file_data'",
        ),
        ([{"type": "function_call", "call_id": "c", "name": "f"}], "input[0].arguments", None, "arguments"),
        ([{"type": "function_call_output", "call_id": "", "output": ""}], "input[0].call_id", None, "length >= 1"),
        (
            [{"type": "function_call_output", "call_id": "c", "output": [{"type": "zebra"}]}],
            "input[0].output[0]",
            "invalid_value",
            "'input_text', 'input_image' and 'input_file'",
        ),
        ([{}], "input[0].id", "missing_required_parameter", "'input[0].id'"),
    ],
)
def test_a_refusal_says_where_and_what_instead(given: Any, param: str, code: str | None, said: str) -> None:
    refused = refusal_of(given)
    assert refused.param == param
    assert code is None or refused.code == code
    assert said in refused.message


def test_what_is_not_included_is_hidden() -> None:
    shown: dict[str, dict[str, Any]] = {
        "message.output_text.logprobs": {"role": "assistant", "content": SAID},
        "message.input_image.image_url": {"role": "user", "content": PARTS},
        "reasoning.encrypted_content": {"type": "reasoning", "encrypted_content": "xyz"},
        "file_search_call.results": {"type": "file_search_call", "queries": ["q"], "results": [{"text": "found"}]},
        "code_interpreter_call.outputs": {
            "type": "code_interpreter_call",
            "container_id": "c",
            "outputs": [{"type": "logs", "logs": "1"}],
        },
        "computer_call_output.output.image_url": {
            "type": "computer_call_output",
            "call_id": "c",
            "output": {"type": "computer_screenshot", "image_url": "data:"},
        },
        "web_search_call.action.sources": {
            "type": "web_search_call",
            "action": {"type": "search", "query": "q", "sources": [{"type": "url", "url": "u"}]},
        },
    }
    for include, example in shown.items():
        raw = encode(parse_one(example))
        assert may_hide(raw)
        assert encode(hide(decode(raw), {include})) == raw
        hidden = encode(hide(decode(raw), set()))
        assert len(hidden) < len(raw)


def test_most_items_have_nothing_to_hide() -> None:
    for example in LEAST:
        raw = encode(parse_one(example))
        if not may_hide(raw):
            assert encode(hide(decode(raw), ())) == raw
    assert not may_hide(encode(parse_one(LEAST[0])))
