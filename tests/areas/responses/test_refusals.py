"""Requests that cannot be done, in OpenAI's words and order."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from stackwright.areas.responses import orders
from stackwright.errors import StackwrightError
from stackwright.http.call import Json
from stackwright.testing.upstream import Upstream, answer, completion
from stackwright.wire.responses import ResponseRequest
from tests.areas.responses.asking import Asking, served

CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    ("body", "message", "param", "code"),
    [
        ({"model": None}, "Missing required parameter: 'model'.", "model", "missing_required_parameter"),
        (
            {"input": None},
            "One of 'input', 'previous_response_id', 'prompt' or 'conversation' must be provided.",
            "input",
            "missing_required_parameter",
        ),
        ({"input": []}, "There is nothing to answer: 'input' and the history are empty.", "input", None),
        ({"model": "none"}, None, "model", "model_not_found"),
        (
            {"previous_response_id": "resp_x", "conversation": "conv_x"},
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. A conversation has its own "
            "history.",
            "previous_response_id",
            "mutually_exclusive_parameters",
        ),
        ({"conversation": "conv_x"}, "Conversation with id 'conv_x' not found.", "conversation", None),
        ({"prompt": {"id": "pmpt_x"}}, "Prompt with id 'pmpt_x' not found.", "prompt.id", "prompt_not_found"),
        ({"input": [CALL]}, "No tool output found for function call call_1.", "input", None),
        (
            {"input": [{"type": "function_call_output", "call_id": "call_2", "output": ""}]},
            "No tool call found for function call output with call_id call_2.",
            "input",
            None,
        ),
        (
            {"input": [{"type": "item_reference", "id": "msg_x"}]},
            "Item with id 'msg_x' not found.",
            "input[0].id",
            None,
        ),
        (
            {"tools": [{"type": "web_search"}]},
            "The tool 'web_search' cannot be used: no provider for web search is configured. Leave it out, or list it "
            "under responses.ignore_tools in the run file to have it dropped.",
            "tools[0].type",
            "unsupported_tool",
        ),
        (
            {"tools": [{"type": "shell"}, {"type": "function", "name": "shell"}]},
            "Two tools are called 'shell'. Give each a name of its own.",
            "tools[1].name",
            None,
        ),
        (
            {"tool_choice": {"type": "function", "name": "f"}},
            "Tool choice function 'f' not found in 'tools' parameter.",
            "tool_choice",
            None,
        ),
        (
            {"moderation": {"model": "m"}},
            "Unsupported parameter: 'moderation' is not supported here.",
            "moderation",
            "unsupported_parameter",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]}]},
            "No file with id 'file_1'.",
            "input",
            None,
        ),
    ],
)
async def test_a_request_that_cannot_be_done_is_refused(
    ask: Asking, body: dict[str, Any], message: str | None, param: str | None, code: str | None
) -> None:
    with pytest.raises(StackwrightError) as refused:
        await ask.create(**body)
    error = refused.value
    assert error.type == "invalid_request_error"
    assert message in (None, error.message)
    assert (error.param, error.code) == (param, code)
    assert ask.vendor.requests == []


def test_an_order_over_a_websocket_is_read_as_strictly() -> None:
    with pytest.raises(StackwrightError, match=r"^Unknown parameter: 'text\.formt'\. Did you mean 'text\.format'\?$"):
        orders.read(b'{"type": "response.create", "model": "m", "input": "Hi.", "text": {"formt": {}}}')


async def test_tools_that_the_run_file_ignores_are_dropped(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [answer(completion())]
    async with served(vendor, tmp_path, more="responses: {ignore_tools: [web_search, code_interpreter]}") as ask:
        tools = [{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}}]
        made = await ask.create(tools=tools)
        assert isinstance(made, Json)
        assert "tools" not in ask.asked


async def test_a_response_that_was_not_made_in_the_background_cannot_be_cancelled(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion())]
    made = await ask.whole()
    with pytest.raises(StackwrightError, match=r"^Cannot cancel a synchronous response\.$") as refused:
        await ask.responses.cancel("t", made["id"])
    assert refused.value.status == 400
    with pytest.raises(StackwrightError, match="background: true"):
        await ask.kept(made["id"], stream=True)


async def test_a_count_that_nobody_can_make_is_refused_with_who_can(ask: Asking) -> None:
    raw = b'{"model": "up/m", "input": "Hi."}'
    with pytest.raises(StackwrightError, match=r"'up' has no counter\. OpenAI, vLLM, llama-server") as refused:
        await ask.responses.input_tokens("t", msgspec.json.decode(raw, type=ResponseRequest), raw)
    assert (refused.value.status, refused.value.code) == (400, "unsupported_by_model")
