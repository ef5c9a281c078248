"""The call that started it all, on the embedded model: a prompt that carries its model, asked as it stands."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.running import RunningServer

MODEL = "llama-cpp/SmolLM2-135M-Instruct"
PROMPT = "pmpt_68b0c29740048196bd3a6e6ac3c4d0e20ed9a13f0d15bf5e"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("starter"), None) as running:
        running.wait_for("/ready")
        running.wait_for(f"/v1/models/{MODEL}")
        yield running


def test_a_prompt_with_its_model_answers_as_it_stands(starter: RunningServer) -> None:
    variables = {"city": {"type": "string"}, "age": {"type": "integer"}}
    spec = {
        "model": MODEL,
        "instructions": "You are a travel guide for {{city}}. Your guest is {{age}} years old.",
        "messages": [{"role": "user", "content": "Say hello."}],
        "variables": variables,
        "temperature": 0,
        "max_output_tokens": 24,
    }
    assert starter.post("/v1/prompts", {"id": PROMPT, "spec": {**spec, "instructions": "Old."}}).status == 200
    assert starter.post(f"/v1/prompts/{PROMPT}/versions", {"spec": spec}).status == 200
    prompt: Any = {"id": PROMPT, "version": "2", "variables": {"city": "San Francisco", "age": 30}}
    with starter.client() as client:
        answer = client.responses.create(prompt=prompt)
        assert answer.output_text
        assert answer.model == MODEL
        assert answer.instructions == "You are a travel guide for San Francisco. Your guest is 30 years old."
        assert answer.usage is not None
        assert 1 <= answer.usage.output_tokens <= 24

        events = list(client.responses.create(prompt=prompt, stream=True))
        said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert said == answer.output_text


def test_structured_output_follows_its_schema(starter: RunningServer) -> None:
    with starter.client() as client:
        answer = client.responses.create(
            model=MODEL,
            input="Name a city in Norway.",
            max_output_tokens=40,
            text={"format": {"type": "json_schema", "name": "city", "schema": SCHEMA, "strict": True}},
        )
        assert json.loads(answer.output_text)["city"] in ("Oslo", "Rome")


def test_tokens_are_counted_as_they_are_spent(starter: RunningServer) -> None:
    tool: Any = {"type": "function", "name": "city", "description": "Tells.", "parameters": SCHEMA, "strict": True}
    asked: dict[str, Any] = {"model": MODEL, "input": "Where is it?", "instructions": "Be brief.", "tools": [tool]}
    with starter.client() as client:
        counted = client.responses.input_tokens.count(**asked)
        said = client.responses.create(**asked, max_output_tokens=16)
        assert said.usage is not None
        assert counted.input_tokens == said.usage.input_tokens > 50


def test_a_chain_is_read_as_one_talk(starter: RunningServer) -> None:
    with starter.client() as client:
        first = client.responses.create(model=MODEL, input="My name is Ada.", temperature=0, max_output_tokens=20)
        second = client.responses.create(
            model=MODEL, input="What is my name?", previous_response_id=first.id, temperature=0, max_output_tokens=20
        )
        assert first.usage is not None
        assert second.usage is not None
        assert second.usage.input_tokens > first.usage.total_tokens
