"""`inline::scripted`: what the run file says is what the model says."""

import base64
import json
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from stackwright.errors import InvalidRequest, RateLimited, UnknownModel, UpstreamError
from stackwright.ports.inference import ModelCall, Usage
from stackwright.providers.inference.inline_scripted import Config, Scripted
from tests.schemas import needs_schemas, validate


def provider(**models: Any) -> Scripted:
    return Scripted(Config.model_validate({"models": models} if models else {}).models)


def call(model: str = "scripted", **params: Any) -> ModelCall:
    params = params or {"messages": [{"role": "user", "content": "Say it back, please"}]}
    return ModelCall(model, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in params.items()})


async def chat(models: Scripted, asked: ModelCall) -> Any:
    return json.loads(await models.chat.complete(asked))


async def stream(models: Scripted, asked: ModelCall) -> list[Any]:
    async with models.chat.stream(asked) as batches:
        return [json.loads(one.data) async for batch in batches for one in batch]


async def test_it_says_back_what_it_heard_last() -> None:
    messages = [
        {"role": "user", "content": "not this"},
        {"role": "user", "content": [{"type": "text", "text": "but this"}]},
    ]
    answer = await chat(provider(), call(messages=messages))
    assert answer["choices"][0]["message"]["content"] == "but this"
    assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}


async def test_a_stream_adds_up_to_the_answer() -> None:
    models = provider(greeter={"reply": "Good  morning\nto you. "})
    chunks = await stream(models, call("greeter"))
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == "Good  morning\nto you. "
    assert [c["choices"][0]["finish_reason"] for c in chunks][-1] == "stop"


async def test_usage_comes_last_and_only_when_asked_for() -> None:
    asked = call(messages=[], stream_options={"include_usage": True})
    async with provider(greeter={"reply": "a b"}).chat.stream(ModelCall("greeter", asked.params)) as batches:
        chunks = [one async for batch in batches for one in batch]
    assert [one.usage for one in chunks] == [None] * (len(chunks) - 1) + [Usage(0, 2, 2)]
    assert [one.finished for one in chunks] == [False, False, False, True, False]


async def test_every_choice_that_was_asked_for_finishes() -> None:
    chunks = await stream(provider(), call(messages=[], n=3))
    done = [c["choices"][0]["index"] for c in chunks if c["choices"][0]["finish_reason"]]
    assert done == [0, 1, 2]


async def test_a_limit_of_tokens_is_a_limit_of_words() -> None:
    answer = await chat(provider(greeter={"reply": "one two three"}), call("greeter", messages=[], max_tokens=2))
    assert answer["choices"][0]["message"]["content"] == "one two "
    assert answer["choices"][0]["finish_reason"] == "length"


async def test_a_tool_is_called_once_and_then_there_is_an_answer() -> None:
    models = provider(agent={"tool_call": {"name": "weather", "arguments": {"city": "Rome"}}, "reply": "Sunny"})
    asked = [{"role": "user", "content": "weather?"}]
    first = (await chat(models, call("agent", messages=asked)))["choices"][0]
    assert first["finish_reason"] == "tool_calls"
    assert first["message"]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Rome"}'}
    result = {"role": "tool", "tool_call_id": "x", "content": "sun"}
    second = (await chat(models, call("agent", messages=[*asked, result])))["choices"][0]
    assert second["message"]["content"] == "Sunny"


async def test_a_stream_breaks_off_where_the_script_says() -> None:
    with pytest.raises(UpstreamError, match="cut"):
        await stream(provider(broken={"cut_after": 2}), call("broken"))


@pytest.mark.parametrize(("status", "kind"), [(422, InvalidRequest), (429, RateLimited), (503, UpstreamError)])
async def test_it_fails_as_the_script_says(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="no luck"):
        await chat(provider(bad={"error": {"status": status, "message": "no luck"}}), call("bad"))


async def test_a_model_nobody_scripted_is_not_found() -> None:
    with pytest.raises(UnknownModel):
        await chat(provider(), call("other"))


async def test_equal_texts_have_equal_vectors_of_unit_length() -> None:
    asked = call("scripted-embedding", input=["a", "b", "a"], dimensions=10)
    one, other, again = (item["embedding"] for item in json.loads(await provider().embeddings.create(asked))["data"])
    assert one == again != other
    assert sum(x * x for x in one) == pytest.approx(1)
    packed = call("scripted-embedding", input="a", dimensions=10, encoding_format="base64")
    (item,) = json.loads(await provider().embeddings.create(packed))["data"]
    assert struct.unpack("<10f", base64.b64decode(item["embedding"])) == pytest.approx(one)


@needs_schemas
async def test_whatever_it_says_is_valid_by_openais_document() -> None:
    models = provider()
    tool = provider(scripted={"tool_call": {"name": "f"}})
    for said in (models, tool):
        validate(await chat(said, call()), "CreateChatCompletionResponse")
        for chunk in await stream(said, call(messages=[], n=2, stream_options={"include_usage": True})):
            validate(chunk, "CreateChatCompletionStreamResponse")
    text = json.loads(await models.completions.complete(call(prompt="Once upon a time")))
    validate(text, "CreateCompletionResponse")
    validate(json.loads(await models.embeddings.create(call(input=["a", "b"]))), "CreateEmbeddingResponse")
    flagged = json.loads(await models.moderations.create(call(input="no violence here")))
    validate(flagged, "CreateModerationResponse")
    assert flagged["results"][0]["flagged"]


@pytest.mark.parametrize("size", ["0", "-1", "4097", "1" + "0" * 30, '"64"', "1.5"])
async def test_vectors_have_1_to_4096_dimensions(size: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await provider().embeddings.create(raw("scripted-embedding", input='"a"', dimensions=size))
    assert refused.value.param == "dimensions"


def raw(model: str = "scripted", **params: str) -> ModelCall:
    return ModelCall(model, {name: msgspec.Raw(value.encode()) for name, value in params.items()})


HELLO = '[{"role":"user","content":"hi"}]'


@pytest.mark.parametrize("odd", ["1e400", "1" * 5001, "[" * 5000 + "]" * 5000, '"\\ud800"'])
async def test_what_nobody_looks_at_is_not_read(odd: str) -> None:
    answer = await chat(provider(), raw(messages=HELLO, zz=odd))
    assert answer["choices"][0]["message"]["content"] == "hi"
    text = json.loads(await provider().completions.complete(raw(prompt='"hi"', messages=odd)))
    assert text["choices"][0]["text"] == "hi"
    assert await provider().embeddings.create(raw("scripted-embedding", input='"a"', zz=odd))
    assert await provider().moderations.create(raw("scripted-moderation", input='"a"', zz=odd))


@pytest.mark.parametrize("odd", ["1e400", "1" * 5001, "[" * 5000 + "]" * 5000, '"\\ud800"', '{"a":{}}', "[[[5]]]"])
@pytest.mark.parametrize("name", ["messages", "n", "max_tokens", "stream_options", "prompt", "input"])
async def test_what_cannot_be_read_is_the_callers_fault(name: str, odd: str) -> None:
    if (name, odd) == ("stream_options", '{"a":{}}'):
        return
    model = provider()
    asked = raw(**({"messages": HELLO, "prompt": '"hi"'} | {name: odd}))
    with pytest.raises(InvalidRequest) as refused:
        await {"input": model.embeddings.create, "prompt": model.completions.complete}.get(name, opened(model))(asked)
    assert refused.value.param == name


def opened(model: Scripted) -> Callable[[ModelCall], Coroutine[Any, Any, bytes]]:
    async def enter(asked: ModelCall) -> bytes:
        async with model.chat.stream(asked):
            return b""

    return enter
