"""The first minute: no run file, no key, no other server, and a real model answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.running import RunningServer
from tests.schemas import needs_schemas, validate

MODEL = "llama-cpp/SmolLM2-135M-Instruct"
QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The built-in starter, as `stackwright serve` runs it for somebody who has nothing."""
    with RunningServer(tmp_path_factory.mktemp("starter"), None) as running:
        running.wait_for("/ready")
        running.wait_for(f"/v1/models/{MODEL}")
        yield running


@pytest.fixture
def client(starter: RunningServer) -> Iterator[OpenAI]:
    with starter.client() as opened:
        yield opened


def test_it_answers_a_question_and_counts_what_it_cost(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=40)
    assert "hello" in (answer.choices[0].message.content or "").lower()
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert 1 <= answer.usage.completion_tokens <= 40
    assert answer.usage.prompt_tokens + answer.usage.completion_tokens == answer.usage.total_tokens


def test_a_seed_repeats(client: OpenAI) -> None:
    said = {
        client.chat.completions.create(model=MODEL, messages=QUESTION, seed=7, temperature=1.0, max_tokens=24)
        .choices[0]
        .message.content
        for _ in range(3)
    }
    assert len(said) == 1


def test_a_stream_tells_the_same_story(client: OpenAI) -> None:
    options: Any = {"model": MODEL, "messages": QUESTION, "seed": 7, "max_tokens": 24}
    whole = client.chat.completions.create(**options)
    parts = client.chat.completions.create(**options, stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in parts) == whole.choices[0].message.content


def test_a_schema_binds_its_answer(client: OpenAI) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        temperature=0,
        max_tokens=60,
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
    )
    assert json.loads(answer.choices[0].message.content or "") == {"city": "Paris"}


def test_what_it_said_is_kept_in_the_home_folder(client: OpenAI, starter: RunningServer) -> None:
    made = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=8, store=True)
    assert [one.id for one in client.chat.completions.list()] == [made.id]
    assert {path.name for path in (starter.folder / ".stackwright").iterdir()} >= {"kvstore.db", "sql_store.db"}


def test_the_start_table_says_what_to_try(starter: RunningServer) -> None:
    table = starter.log.read_text()
    for word in (starter.url, "kv_default", "sql_default", MODEL, "wordllama", "curl", "/docs"):
        assert word in table


@needs_schemas
def test_its_bodies_are_what_openai_publishes(client: OpenAI, starter: RunningServer) -> None:
    body: Any = {"model": MODEL, "messages": QUESTION, "max_tokens": 8, "logprobs": True, "top_logprobs": 2}
    validate(starter.post("/v1/chat/completions", body).json, "CreateChatCompletionResponse")
    stream = client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True})
    for chunk in stream:
        validate(chunk.to_dict(), "CreateChatCompletionStreamResponse")
