"""Responses with the official client."""

import threading
import uuid
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import ResponseFunctionToolCall, ResponseInputParam
from pydantic import BaseModel

from tests.running import RunningServer

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


class Weather(BaseModel):
    """What the scripted model says, as a schema."""

    city: str
    rain: bool


def _text(item: Any) -> str:
    text: str = item.content[0].text
    return text


def test_a_model_answers(client: OpenAI) -> None:
    answer = client.responses.create(model="demo/echo", input="Hello there, server.")
    assert answer.output_text == "Hello there, server."
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert client.responses.retrieve(answer.id) == answer


def test_a_stream_spells_the_same_answer(client: OpenAI) -> None:
    with client.responses.stream(model="poet", input="Go on.") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text == "Roses are red, violets are blue."
    assert client.responses.retrieve(final.id).output_text == text


def test_the_low_level_stream_is_numbered_without_a_gap(client: OpenAI) -> None:
    events = list(client.responses.create(model="poet", input="Go on.", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]


def test_a_tool_loop_comes_to_its_end(client: OpenAI) -> None:
    first = client.responses.create(model="caller", input="Weather in Oslo?", tools=[WEATHER])
    [call] = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.name, call.arguments) == ("weather", '{"city":"Oslo"}')
    output: ResponseInputParam = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
    second = client.responses.create(model="caller", input=output, previous_response_id=first.id, tools=[WEATHER])
    assert second.output_text == "It rains."


def test_a_tool_loop_without_storage_sends_everything_back(client: OpenAI) -> None:
    talk: list[Any] = [{"role": "user", "content": "Weather in Oslo?"}]
    first = client.responses.create(model="caller", input=talk, tools=[WEATHER], store=False)
    talk += [item.to_dict() for item in first.output]
    talk.append({"type": "function_call_output", "call_id": talk[-1]["call_id"], "output": "rain"})
    second = client.responses.create(model="caller", input=talk, tools=[WEATHER], store=False)
    assert second.output_text == "It rains."
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_an_answer_is_parsed_into_a_model(client: OpenAI) -> None:
    said = '{"city": "Oslo", "rain": true}'
    answer = client.responses.parse(model="echo", input=said, text_format=Weather)
    assert answer.output_parsed == Weather(city="Oslo", rain=True)
    with client.responses.stream(model="echo", input=said, text_format=Weather) as stream:
        assert stream.get_final_response().output_parsed == Weather(city="Oslo", rain=True)


def test_a_prompt_is_used_as_it_stands(client: OpenAI, server: RunningServer) -> None:
    mine = f"pmpt_{uuid.uuid4().hex}"
    first = {"id": mine, "instructions": "You know {{city}}.", "model": "demo/echo"}
    assert server.post("/v1/prompts", first).status == 200
    variables = {"city": {"type": "string"}, "age": {"type": "integer"}}
    message = {"role": "user", "content": "I am {{age}} and live in {{city}}."}
    second = {"instructions": "You know {{city}}.", "messages": [message], "variables": variables, "model": "demo/echo"}
    assert server.post(f"/v1/prompts/{mine}/versions", second).status == 200

    prompt: Any = {"id": mine, "version": "2", "variables": {"city": "San Francisco", "age": 30}}
    answer = client.responses.create(prompt=prompt)
    assert answer.output_text == "I am 30 and live in San Francisco."
    assert answer.prompt is not None
    assert (answer.prompt.id, answer.prompt.version) == (mine, "2")
    assert (answer.instructions, answer.model) == ("You know San Francisco.", "demo/echo")
    assert client.responses.retrieve(answer.id).prompt == answer.prompt
    assert list(client.responses.input_items.list(answer.id)) == []

    streamed = list(client.responses.create(prompt=prompt, input="Hi.", stream=True))
    assert streamed[-1].type == "response.completed"
    assert streamed[-1].response.output_text == "Hi."


def test_a_conversation_grows_by_what_was_said(client: OpenAI) -> None:
    talk = client.conversations.create(items=[{"type": "message", "role": "user", "content": "One."}])
    answer = client.responses.create(model="echo", input="Two.", conversation=talk.id)
    assert answer.conversation is not None
    assert answer.conversation.id == talk.id
    with client.responses.stream(model="poet", input="Three.", conversation=talk.id) as stream:
        stream.until_done()
    said = [_text(item) for item in client.conversations.items.list(talk.id, order="asc")]
    assert said == ["One.", "Two.", "Two.", "Three.", "Roses are red, violets are blue."]

    [first, *_] = client.conversations.items.list(talk.id, order="asc")
    assert first.id is not None
    client.conversations.items.delete(first.id, conversation_id=talk.id)
    after = client.responses.create(model="echo", input="Four.", conversation={"id": talk.id}, store=False)
    assert after.usage is not None
    assert after.usage.input_tokens == 10
    assert len(list(client.conversations.items.list(talk.id))) == 6


def test_input_items_can_be_listed_and_a_response_deleted(client: OpenAI) -> None:
    talk: ResponseInputParam = [{"role": "user", "content": str(number)} for number in range(3)]
    answer = client.responses.create(model="echo", input=talk, metadata={"a": "b"})
    found = client.responses.input_items.list(answer.id, order="asc", limit=2)
    assert [_text(item) for item in found] == ["0", "1", "2"]
    assert answer.metadata == {"a": "b"}
    client.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError, match=f"Response with id '{answer.id}' not found"):
        client.responses.retrieve(answer.id)


def test_the_raw_answer_carries_the_request_id(client: OpenAI) -> None:
    raw = client.responses.with_raw_response.create(model="echo", input="Hi.")
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.parse().output_text == "Hi."


def test_failures_have_the_clients_classes(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.responses.create(model="nobody/nothing", input="Hi.")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.responses.create(model="echo", input="Hi.", temperature=3)
    assert wrong.value.param == "temperature"
    with pytest.raises(openai.BadRequestError, match="Previous response with id 'resp_x' not found"):
        client.responses.create(model="echo", input="Hi.", previous_response_id="resp_x")
    with pytest.raises(openai.InternalServerError, match="out of order"):
        client.responses.create(model="down", input="Hi.")
    with pytest.raises(openai.InternalServerError, match="out of order"):
        client.responses.create(model="down", input="Hi.", stream=True)
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(client.responses.create(model="echo", input="Hi.").id)


def test_tokens_are_counted_before_they_are_spent(client: OpenAI) -> None:
    first = client.responses.create(model="echo", input="Hello there.")
    asked: list[dict[str, Any]] = [{}, {"instructions": "Be brief."}, {"previous_response_id": first.id}]
    for more in asked:
        counted = client.responses.input_tokens.count(model="echo", input="And now?", **more)
        said = client.responses.create(model="echo", input="And now?", **more)
        assert said.usage is not None
        assert (counted.object, counted.input_tokens) == ("response.input_tokens", said.usage.input_tokens)


def test_a_stream_that_breaks_off_fails_and_keeps_what_was_said(client: OpenAI) -> None:
    [*_, last] = client.responses.create(model="broken", input="Hi.", stream=True)
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "server_error"
    kept = client.responses.retrieve(last.response.id)
    assert kept.status == "failed"
    assert kept.output == last.response.output


async def test_the_async_client_reads_many_streams_at_once(server: RunningServer) -> None:
    async with server.async_client() as client:
        streams = [await client.responses.create(model="poet", input="Go on.", stream=True) for _ in range(10)]
        for stream in streams:
            texts = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            assert "".join(texts) == "Roses are red, violets are blue."


def test_many_callers_get_their_own_answers(client: OpenAI) -> None:
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = client.responses.create(model="echo", input=f"Number {number}.").output_text

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"Number {number}." for number in range(16)}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"temperature": "hot", "prompt": {"id": "pmpt_x"}, "previous_response_id": "resp_x"}, 400, "temperature"),
        ({"prompt": {"id": "pmpt_x"}, "previous_response_id": "resp_x"}, 404, "prompt.id"),
        ({"prompt": "pmpt_x", "previous_response_id": "resp_x"}, 400, "prompt"),
        ({"previous_response_id": "resp_x"}, 400, "model"),
        ({}, 400, "model"),
        ({"model": "nobodys"}, 400, "input"),
        ({"model": "nobodys", "previous_response_id": "resp_x"}, 400, "previous_response_id"),
        ({"model": "nobodys", "input": [{"type": "nonsense"}]}, 400, "input[0]"),
        ({"model": "nobodys", "input": "Hi.", "tools": [{"type": "web_search"}]}, 404, "model"),
        (
            {"model": "echo", "input": "Hi.", "tools": [{"type": "web_search"}], "tool_choice": "shell"},
            400,
            "tool_choice",
        ),
    ],
)
def test_of_several_faults_the_first_in_openais_order_is_told(
    server: RunningServer, body: dict[str, Any], status: int, param: str
) -> None:
    refused = server.post("/v1/responses", body)
    assert (refused.status, refused.error["param"]) == (status, param)
