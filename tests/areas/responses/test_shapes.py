"""What comes out, in OpenAI's shapes. Every body and event is held against OpenAI's document on the way."""

import json
from typing import Any

import pytest

from stackwright.errors import StackwrightError
from stackwright.testing.upstream import answer, completion, delta, stream
from tests.areas.responses.asking import Asking, Body, called, piece, said

FUNCTION = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


def _kinds(events: list[Body]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


async def test_a_spoken_answer_comes_as_openais_events_in_openais_order(ask: Asking) -> None:
    events = await ask.events()
    assert _kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    response = events[-1]["response"]
    assert response["output"][0]["content"][0]["text"] == "Hello there."
    assert response["usage"]["total_tokens"] == 7
    assert response["completed_at"] >= response["created_at"]
    assert await ask.kept(response["id"]) == response


async def test_a_whole_answer_is_the_stored_response(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion("Hi!"))]
    response = await ask.whole(metadata={"a": "b"}, user="u", instructions="Be brief.")
    assert response["output"][0]["content"][0]["text"] == "Hi!"
    assert (response["status"], response["metadata"], response["instructions"]) == (
        "completed",
        {"a": "b"},
        "Be brief.",
    )
    assert await ask.kept(response["id"]) == response
    assert "stream" not in ask.asked


async def test_a_function_is_called_and_its_output_taken(ask: Asking) -> None:
    ask.vendor.scripts = [stream(called(("weather", '{"city":"Oslo"}'), ("weather", '{"city":"Rome"}')))]
    events = await ask.events(tools=[FUNCTION])
    assert _kinds(events)[2:7] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    response = events[-1]["response"]
    assert [item["arguments"] for item in response["output"]] == ['{"city":"Oslo"}', '{"city":"Rome"}']
    ask.vendor.scripts = [answer(completion("It rains."))]
    outputs = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "rain"} for item in response["output"]
    ]
    again = await ask.whole(input=outputs, previous_response_id=response["id"], tools=[FUNCTION])
    assert again["output"][0]["content"][0]["text"] == "It rains."
    assert [message["role"] for message in ask.asked["messages"]] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in ask.asked["messages"][1]["tool_calls"]] == ["call_0", "call_1"]


async def test_reasoning_and_refusals_have_items_and_events_of_their_own(ask: Asking) -> None:
    thoughts = [piece(reasoning_content="Hm, "), piece(reasoning="no.")]
    ask.vendor.scripts = [stream([*thoughts, piece(refusal="I "), piece(refusal="won't."), delta(finish="stop")])]
    events = await ask.events()
    reasoning, message = events[-1]["response"]["output"]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Hm, no."}]
    assert message["content"] == [{"type": "refusal", "refusal": "I won't."}]
    assert {"reasoning_text.delta", "reasoning_text.done", "refusal.delta", "refusal.done"} <= set(_kinds(events))


@pytest.mark.parametrize(
    ("tool", "name", "arguments", "item"),
    [
        (
            {"type": "custom", "name": "note", "description": "Takes notes."},
            "note",
            {"input": "milk"},
            {"type": "custom_tool_call", "name": "note", "input": "milk", "call_id": "call_0", "status": "completed"},
        ),
        (
            {"type": "local_shell"},
            "local_shell",
            {"command": ["ls", "-l"]},
            {"type": "local_shell_call", "action": {"type": "exec", "command": ["ls", "-l"], "env": {}}},
        ),
        (
            {"type": "shell", "environment": {"type": "local"}},
            "shell",
            {"commands": ["ls"], "timeout_ms": 5},
            {"type": "shell_call", "action": {"commands": ["ls"], "timeout_ms": 5, "max_output_length": None}},
        ),
        (
            {"type": "apply_patch"},
            "apply_patch",
            {"operation": {"type": "create_file", "path": "a", "diff": "+b"}},
            {"type": "apply_patch_call", "operation": {"type": "create_file", "path": "a", "diff": "+b"}},
        ),
        (
            {"type": "namespace", "name": "crm", "description": "Customers.", "tools": [FUNCTION]},
            "crm__weather",
            {"city": "Oslo"},
            {"type": "function_call", "name": "weather", "namespace": "crm", "arguments": '{"city": "Oslo"}'},
        ),
    ],
    ids=lambda value: value.get("type") if isinstance(value, dict) else None,
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_tool_of_the_callers_is_a_function_to_the_model_and_an_item_of_its_kind(
    ask: Asking, tool: Body, name: str, arguments: Body, item: Body, streamed: bool
) -> None:
    text = json.dumps(arguments)
    if streamed:
        ask.vendor.scripts = [stream(called((name, text)))]
        response = (await ask.events(tools=[tool]))[-1]["response"]
    else:
        call = {"id": "call_0", "type": "function", "function": {"name": name, "arguments": text}}
        whole = completion()
        whole["choices"][0] |= {"finish_reason": "tool_calls"}
        whole["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
        ask.vendor.scripts = [answer(whole)]
        response = await ask.whole(tools=[tool])
    [made] = response["output"]
    assert made | item == made
    assert [one["function"]["name"] for one in ask.asked["tools"]] == [name]
    assert response["tools"][0]["type"] == tool["type"]


async def test_arguments_that_a_tool_cannot_have_fail_the_response(ask: Asking) -> None:
    ask.vendor.scripts = [stream(called(("shell", '{"commands": 3}')))]
    [*_, last] = await ask.events(tools=[{"type": "shell"}])
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["code"] == "server_error"
    assert "'shell'" in last["response"]["error"]["message"]


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
async def test_a_limit_makes_a_response_incomplete_and_says_which(ask: Asking, finish: str, reason: str) -> None:
    ask.vendor.scripts = [stream(said("Half ", finish=finish))]
    [*_, last] = await ask.events(max_output_tokens=16)
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": reason}
    assert last["response"]["output"][0]["status"] == "incomplete"
    assert ask.asked["max_completion_tokens"] == 16
    assert (await ask.kept(last["response"]["id"]))["status"] == "incomplete"


async def test_log_probabilities_are_shown_to_those_who_ask(ask: Asking) -> None:
    one = {"token": "Hi", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    chunk = delta("Hi")
    chunk["choices"][0]["logprobs"] = {"content": [one], "refusal": None}
    ask.vendor.scripts = [stream([chunk, delta(finish="stop")])]
    include = ["message.output_text.logprobs"]
    [*_, last] = await ask.events(include=include, top_logprobs=2)
    assert last["response"]["output"][0]["content"][0]["logprobs"] == [{**one, "bytes": []}]
    assert (ask.asked["logprobs"], ask.asked["top_logprobs"]) == (True, 2)
    assert (await ask.kept(last["response"]["id"], include=include))["output"] == last["response"]["output"]
    assert (await ask.kept(last["response"]["id"]))["output"][0]["content"][0]["logprobs"] == []


async def test_padding_hides_the_length_of_deltas_from_those_who_watch(ask: Asking) -> None:
    events = await ask.events(stream_options={"include_obfuscation": True})
    padded = [event for event in events if event["type"].endswith(".delta")]
    assert all((len(event["delta"]) + len(event["obfuscation"])) % 16 == 0 for event in padded)
    assert not any("obfuscation" in event for event in await ask.events())


async def test_tokens_are_counted_with_their_details(ask: Asking) -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    ask.vendor.scripts = [answer(completion(usage=usage, service_tier="flex"))]
    response = await ask.whole(service_tier="auto")
    assert response["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    assert response["service_tier"] == "flex"


async def test_what_is_not_to_be_stored_leaves_no_trace(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion("Hi!"))]
    response = await ask.whole(store=False)
    assert response["store"] is False
    assert (await ask.page())["data"] == []


async def test_fields_reach_the_model_in_chats_words(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion("{}"))]
    schema: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    await ask.whole(
        temperature=0.5,
        top_p=0.9,
        reasoning={"effort": "low"},
        text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}, "verbosity": "low"},
        tools=[FUNCTION],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
        prompt_cache_key="k",
        safety_identifier="s",
        top_k=7,
        instructions="Be brief.",
    )
    assert ask.asked == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}],
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}},
        "verbosity": "low",
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "top_k": 7,
    }


async def test_only_allowed_tools_are_offered(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion())]
    others = [FUNCTION, {"type": "custom", "name": "note"}, {"type": "shell"}]
    allowed = [{"type": "custom", "name": "note"}, {"type": "shell"}]
    await ask.whole(tools=others, tool_choice={"type": "allowed_tools", "mode": "required", "tools": allowed})
    assert [one["function"]["name"] for one in ask.asked["tools"]] == ["note", "shell"]
    assert ask.asked["tool_choice"] == "required"


async def test_images_and_files_reach_the_model(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion())]
    data = "data:image/png;base64,AAAA"
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": data, "detail": "low"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
    ]
    response = await ask.whole(input=[{"role": "user", "content": content}])
    assert ask.asked["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": data, "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
    ]
    [item] = (await ask.input_items(response["id"], include=["message.input_image.image_url"]))["data"]
    assert item["content"][1]["image_url"] == data


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("messages[1].content[1]", "input"), ("max_tokens", "max_output_tokens"), ("top_k", "top_k"), (None, None)],
)
async def test_what_a_vendor_refuses_is_named_as_the_caller_knows_it(
    ask: Asking, theirs: str | None, ours: str | None
) -> None:
    ask.vendor.scripts = [answer({"error": {"message": "no", "param": theirs}}, status=400)]
    with pytest.raises(StackwrightError, match="no") as refused:
        await ask.create()
    assert refused.value.param == ours


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_talk_that_is_too_long_loses_its_oldest_half_where_that_is_allowed(ask: Asking, streamed: bool) -> None:
    said_before = [{"role": role, "content": f"{role} {turn}"} for turn in range(4) for role in ("user", "assistant")]
    refused = answer({"error": {"message": "too long", "code": "context_length_exceeded"}}, status=400)
    talk = [*said_before, {"role": "user", "content": "last"}]
    for last in ("last", "user 3"):
        ask.vendor.scripts = [refused] * (1 if last == "user 3" else 2)
        ask.vendor.scripts += [stream(said("ok")) if streamed else answer(completion("ok"))]
        made: dict[str, Any] = {"input": talk, "truncation": "auto", "instructions": "Be brief."}
        response = (await ask.events(**made))[-1]["response"] if streamed else await ask.whole(**made)
        assert response["status"] == "completed"
        assert ask.asked["messages"][0] == {"role": "system", "content": "Be brief."}
        assert ask.asked["messages"][1]["content"] == last
        assert ask.asked["messages"][-1]["content"] == "last"
    ask.vendor.scripts = [refused]
    with pytest.raises(StackwrightError, match="too long"):
        await ask.create(input=talk)
    with pytest.raises(StackwrightError, match="too long"):
        await ask.create(input="one", truncation="auto")
