"""Counting tokens without running the model: the embedded model, a real llama-server, and vendors that play scripts."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from xllamacpp import CommonParams, Server  # type: ignore[import-untyped]

from stackwright.errors import InvalidRequest, UpstreamError
from stackwright.ports.inference import ModelCall
from stackwright.providers.inference import presets
from stackwright.providers.inference.config import Config, Quirks
from stackwright.providers.inference.inline_llama_cpp import SMOLLM2, default_weights
from stackwright.providers.inference.inline_llama_cpp import Config as LlamaConfig
from stackwright.providers.inference.inline_llama_cpp import connect as open_llama
from stackwright.providers.inference.openai_compatible import connect
from stackwright.testing.upstream import Upstream, answer
from tests.servers import free_port

NAME = "SmolLM2-135M-Instruct"
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
TALKS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "Hi."}]},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Look — 🦙! " * 3}]},
    {"messages": [{"role": "user", "content": "Weather in Oslo?"}], "tools": [WEATHER]},
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "rain"},
        ],
        "tools": [WEATHER],
    },
]


def call(params: dict[str, Any], model: str = NAME) -> ModelCall:
    return ModelCall(model, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in params.items()})


async def test_the_embedded_model_counts_what_its_answers_count() -> None:
    async with open_llama(LlamaConfig(context_length=512, max_tokens=1, threads=1), None) as model:  # type: ignore[arg-type]
        for talk in TALKS:
            said = msgspec.json.decode(await model.chat.complete(call(talk)))
            assert await model.counting.count(call(talk)) == said["usage"]["prompt_tokens"]
        long = {"messages": [{"role": "user", "content": "word " * 600}]}
        assert await model.counting.count(call(long)) > 600
        with pytest.raises(InvalidRequest, match="more than the 512 of this model's context"):
            await model.chat.complete(call(long))


@pytest.fixture(scope="module")
def llama_server() -> Iterator[str]:
    """A real one, on loopback."""
    params = CommonParams()
    params.model.path, params.chat_template = str(default_weights()), SMOLLM2
    params.n_ctx, params.n_parallel, params.port = 512, 1, free_port()
    params.hostnames = ["127.0.0.1"]
    params.fit_params = params.warmup = False
    params.verbosity = -1
    server = Server(params)
    yield f"http://127.0.0.1:{params.port}/v1"
    del server


async def test_a_llama_server_counts_as_the_embedded_model_does(llama_server: str) -> None:
    provider = presets.provider("remote::llama-cpp-server")
    async with (
        provider.open(provider.config(base_url=llama_server), None) as remote,  # type: ignore[arg-type]
        open_llama(LlamaConfig(context_length=512, threads=1), None) as embedded,  # type: ignore[arg-type]
    ):
        for talk in TALKS:
            assert await remote.counting.count(call(talk)) == await embedded.counting.count(call(talk))


async def _asked(type: str, said: Any, talk: dict[str, Any]) -> tuple[int, str, Any]:
    """Return a vendor's count, and what it was asked where."""
    provider = presets.provider(type)
    async with (
        Upstream([answer(said)]) as vendor,
        provider.open(provider.config(base_url=vendor.base_url), None) as opened,  # type: ignore[arg-type]
    ):
        counted = await opened.counting.count(call(talk, "m"))
        [asked] = vendor.requests
        return counted, asked.path, asked.json


async def test_vllm_is_asked_beside_its_api() -> None:
    talk = {**TALKS[2], "temperature": 0, "chat_template_kwargs": {"enable_thinking": False}}
    counted, path, body = await _asked("remote::vllm", {"count": 41, "max_model_len": 4096, "tokens": [1]}, talk)
    assert (counted, path) == (41, "/tokenize")
    kwargs = {"enable_thinking": False}
    assert body == {"model": "m", **TALKS[2], "chat_template_kwargs": kwargs}


async def test_openai_is_asked_in_the_words_of_responses() -> None:
    talk = {
        **TALKS[3],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        "temperature": 1,
    }
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}
    file = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,AA=="}}
    talk["messages"] = [*talk["messages"], {"role": "user", "content": [image, file]}]
    counted, path, body = await _asked("remote::openai", {"object": "response.input_tokens", "input_tokens": 12}, talk)
    assert (counted, path) == (12, "/v1/responses/input_tokens")
    assert body == {
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "rain"},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
                    {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,AA=="},
                ],
            },
        ],
        "tools": [{"type": "function", **WEATHER["function"]}],  # type: ignore[dict-item]
        "tool_choice": {"type": "function", "name": "weather"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
    }


@pytest.mark.parametrize("said", [{}, {"count": None}, {"input_tokens": "many"}, []])
async def test_a_count_that_is_none_is_the_vendors_failure(said: Any) -> None:
    with pytest.raises(UpstreamError, match="did not say a count"):
        await _asked("remote::openai", said, TALKS[0])


async def test_a_vendor_without_a_counter_has_none() -> None:
    quirks = Quirks(type="remote::test")
    async with connect(Config(base_url="http://127.0.0.1:9/v1"), quirks) as opened:
        assert opened.counting is None
