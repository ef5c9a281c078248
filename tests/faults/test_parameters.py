"""Every parameter that OpenAI publishes for a chat completion reaches the vendor as it was sent."""

import asyncio
from typing import Any

import pytest

from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream
from tests.faults.conftest import ServerFor
from tests.schemas import needs_schemas, properties, validate

OURS = {"model", "store", "metadata", "stream"}
WEATHER = {"name": "weather", "description": "Tells.", "parameters": {"type": "object", "properties": {}}}
PARAMETERS: dict[str, Any] = {
    "messages": [
        {"role": "developer", "content": "Be brief.", "name": "us"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look — 🦙!"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "audio": {"id": "audio-1"},
            "tool_calls": [
                {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                {"id": "call-2", "type": "custom", "custom": {"name": "poem", "input": "ode"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call-1", "content": [{"type": "text", "text": "rain"}]},
        {"role": "tool", "tool_call_id": "call-2", "content": "done"},
        {"role": "function", "name": "weather", "content": None},
    ],
    "audio": {"voice": "alloy", "format": "mp3"},
    "frequency_penalty": -1.5,
    "function_call": {"name": "weather"},
    "functions": [WEATHER],
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 17,
    "max_tokens": 18,
    "modalities": ["text", "audio"],
    "moderation": {"model": "omni-moderation-latest", "policy": None},
    "n": 1,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": [{"type": "text", "text": "guess"}]},
    "presence_penalty": 2,
    "prompt_cache_key": "key",
    "prompt_cache_options": {},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "xhigh",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    "safety_identifier": "somebody",
    "seed": -(2**53),
    "service_tier": "flex",
    "stop": ["\n", "END"],
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "temperature": 0,
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}},
    "tools": [
        {"type": "function", "function": {**WEATHER, "strict": True}},
        {"type": "custom", "custom": {"name": "poem", "format": {"type": "text"}}},
    ],
    "top_logprobs": 20,
    "top_p": 0.1,
    "user": "somebody-else",
    "verbosity": "low",
    "web_search_options": {
        "search_context_size": "high",
        "user_location": {"type": "approximate", "approximate": {"city": "Oslo"}},
    },
}


STREAM = play.stream([play.delta("hi"), play.delta(finish="stop")])


@needs_schemas
@pytest.mark.parametrize("stream", [False, True])
async def test_every_published_parameter_is_passed_on_unchanged(
    vendor: Upstream, server_for: ServerFor, stream: bool
) -> None:
    assert set(PARAMETERS) | OURS == properties("CreateChatCompletionRequest")
    body = {**PARAMETERS, "model": "up/m", "store": True, "metadata": {"a": "b"}, "stream": stream}
    validate(body, "CreateChatCompletionRequest")
    server = server_for(vendor, STREAM if stream else play.answer(play.completion()))
    answer = await asyncio.to_thread(server.post, "/v1/chat/completions", body)
    assert answer.status == 200, answer.body
    streamed = {"stream": True} if stream else {}
    assert vendor.requests[-1].json == {**PARAMETERS, "model": "m", **streamed}


def with_more(value: Any) -> Any:
    """Return JSON with a field in each of its objects that nobody has heard of."""
    if isinstance(value, list):
        return [with_more(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {**{name: with_more(one) for name, one in value.items()}, "field_of_2030": {"deep": [1, None]}}


async def test_what_nobody_knows_is_passed_on_at_any_depth(vendor: Upstream, server_for: ServerFor) -> None:
    sent = with_more({name: value for name, value in PARAMETERS.items() if name != "logit_bias"})
    server = server_for(vendor, play.answer(play.completion()))
    answer = await asyncio.to_thread(server.post, "/v1/chat/completions", {**sent, "model": "up/m"})
    assert answer.status == 200, answer.body
    assert vendor.requests[-1].json == {**sent, "model": "m"}
