"""Chat completions with the official client."""

import uuid
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.running import RunningServer
from tests.schemas import needs_schemas, validate

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello there, server."}]
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def test_a_model_answers(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="demo/echo", messages=HELLO)
    assert answer.choices[0].message.content == "Hello there, server."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_bare_name_finds_its_only_provider(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="poet", messages=HELLO)
    assert answer.choices[0].message.content == "Roses are red, violets are blue."


def test_a_registered_name_leads_to_its_model(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="house-model", messages=HELLO)
    assert answer.choices[0].message.content == "Roses are red, violets are blue."


def test_a_stream_spells_the_same_answer(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="poet", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Roses are red, violets are blue."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None


def test_a_tool_loop_comes_to_its_end(client: OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Weather in Oslo?"}]
    first = client.chat.completions.create(model="caller", messages=messages, tools=[WEATHER]).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.tool_calls is not None
    call = first.message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "weather"
    messages += [first.message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "rain"}]  # type: ignore[list-item]
    second = client.chat.completions.create(model="caller", messages=messages, tools=[WEATHER]).choices[0]
    assert second.message.content == "It rains."


def test_what_is_not_asked_to_be_stored_leaves_no_trace(client: OpenAI) -> None:
    before = len(client.chat.completions.list(limit=100).data)
    client.chat.completions.create(model="echo", messages=HELLO)
    client.chat.completions.create(model="echo", messages=HELLO, store=False)
    assert len(client.chat.completions.list(limit=100).data) == before


def test_a_stored_completion_can_be_found_read_changed_and_deleted(client: OpenAI) -> None:
    batch = uuid.uuid4().hex
    made = client.chat.completions.create(
        model="echo", messages=HELLO, store=True, metadata={"batch": batch, "colour": "red"}
    )
    kept = client.chat.completions.retrieve(made.id)
    assert kept.choices == made.choices
    assert kept.to_dict()["metadata"] == {"batch": batch, "colour": "red"}
    assert [one.id for one in client.chat.completions.list(metadata={"batch": batch, "colour": "red"})] == [made.id]

    client.chat.completions.update(made.id, metadata={"batch": batch, "colour": "blue"})
    assert list(client.chat.completions.list(metadata={"batch": batch, "colour": "red"})) == []
    assert [one.id for one in client.chat.completions.list(metadata={"colour": "blue", "batch": batch})] == [made.id]

    [message] = client.chat.completions.messages.list(made.id)
    assert (message.role, message.content, message.id) == ("user", "Hello there, server.", f"{made.id}-0")

    assert client.chat.completions.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)
    assert list(client.chat.completions.list(metadata={"batch": batch})) == []


def test_a_stored_stream_is_the_answer_it_spelled(client: OpenAI) -> None:
    stream = client.chat.completions.create(model="caller", messages=HELLO, tools=[WEATHER], stream=True, store=True)
    chunks = list(stream)
    kept = client.chat.completions.retrieve(chunks[0].id)
    whole = client.chat.completions.create(model="caller", messages=HELLO, tools=[WEATHER])
    assert {chunk.id for chunk in chunks} == {kept.id}
    assert kept.choices[0].finish_reason == "tool_calls"
    assert kept.choices[0].message.tool_calls is not None
    assert whole.choices[0].message.tool_calls is not None
    functions = [choice.message.tool_calls[0] for choice in (kept.choices[0], whole.choices[0])]  # type: ignore[index]
    assert functions[0].function == functions[1].function  # type: ignore[union-attr]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_follow_each_other_without_gap_or_repeat(client: OpenAI, order: Any) -> None:
    batch = uuid.uuid4().hex
    made = [
        client.chat.completions.create(model=model, messages=HELLO, store=True, metadata={"batch": batch}).id
        for model in ("echo", "poet", "echo", "poet", "echo")
    ]
    expected = made if order == "asc" else made[::-1]
    by_pages = client.chat.completions.list(metadata={"batch": batch}, limit=2, order=order)
    assert [one.id for one in by_pages] == expected
    of_model = client.chat.completions.list(metadata={"batch": batch}, model="poet", limit=1, order=order)
    assert [one.id for one in of_model] == [one for one in expected if one in (made[1], made[3])]
    everything = [one.id for one in client.chat.completions.list(limit=3, order=order)]
    assert [one for one in everything if one in made] == expected


def test_paging_after_nobody_is_refused(server: RunningServer) -> None:
    for query in ("", "&metadata[a]=b"):
        answer = server.get(f"/v1/chat/completions?after=chatcmpl-none{query}")
        assert (answer.status, answer.error["param"]) == (400, "after")


def test_messages_of_a_stored_completion_come_in_pages(client: OpenAI) -> None:
    talk: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "One."}]},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three."},
    ]
    made = client.chat.completions.create(model="echo", messages=talk, store=True)
    found = list(client.chat.completions.messages.list(made.id, limit=2))
    assert [one.id for one in found] == [f"{made.id}-{place}" for place in range(4)]
    assert found[1].content is None
    assert found[1].to_dict()["content_parts"] == [{"type": "text", "text": "One."}]


def test_a_stream_that_breaks_off_is_an_error_and_never_a_success(client: OpenAI, server: RunningServer) -> None:
    stream = client.chat.completions.create(model="broken", messages=HELLO, stream=True, store=True)
    first = next(stream)
    with pytest.raises(openai.APIError):
        list(stream)
    kept = server.get(f"/v1/chat/completions/{first.id}").json
    assert kept["status"] == "incomplete"
    assert kept["choices"][0]["finish_reason"] is None
    assert kept["choices"][0]["message"]["content"]


def test_an_answer_has_a_request_id(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="echo", messages=HELLO)
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.parse().object == "chat.completion"


async def test_the_async_client_streams_too(server: RunningServer) -> None:
    async with server.async_client() as client:
        stream = await client.chat.completions.create(model="poet", messages=HELLO, stream=True)
        parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(parts) == "Roses are red, violets are blue."


@needs_schemas
def test_bodies_are_what_openai_publishes(server: RunningServer) -> None:
    body = {"model": "caller", "messages": HELLO, "tools": [WEATHER], "store": True, "metadata": {"schema": "yes"}}
    validate(server.post("/v1/chat/completions", body).json, "CreateChatCompletionResponse")
    listed = server.get("/v1/chat/completions?metadata[schema]=yes").json
    validate(listed, "ChatCompletionList")
    path = f"/v1/chat/completions/{listed['data'][0]['id']}"
    validate(server.get(path).json, "CreateChatCompletionResponse")
    validate(server.request("DELETE", path, None).json, "ChatCompletionDeleted")


@needs_schemas
@pytest.mark.parametrize("model", ["poet", "caller"])
@pytest.mark.parametrize("store", [True, False])
def test_chunks_are_what_openai_publishes(client: OpenAI, model: str, store: bool) -> None:
    stream = client.chat.completions.create(
        model=model,
        messages=HELLO,
        tools=[WEATHER],
        stream=True,
        store=store,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        validate(chunk.to_dict(), "CreateChatCompletionStreamResponse")
