"""Embeddings, text completions and moderations with the official client."""

from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.running import RunningServer
from tests.schemas import needs_schemas, validate


def test_near_texts_are_near(client: OpenAI) -> None:
    texts = ["A dog sleeps.", "A puppy is asleep.", "Interest rates rose."]
    dog, puppy, rates = (one.embedding for one in client.embeddings.create(model="words/wordllama", input=texts).data)
    assert _dot(dog, puppy) > _dot(dog, rates)


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_floats_and_base64_say_the_same(client: OpenAI) -> None:
    as_base64 = client.embeddings.create(model="wordllama", input="Hello.").data[0].embedding
    as_floats = client.embeddings.create(model="wordllama", input="Hello.", encoding_format="float").data[0].embedding
    assert as_base64 == pytest.approx(as_floats)


def test_fewer_dimensions_are_given_when_asked_for(client: OpenAI) -> None:
    [one] = client.embeddings.create(model="wordllama", input="Hello.", dimensions=64).data
    assert len(one.embedding) == 64


def test_2048_inputs_are_taken_and_one_more_is_not(client: OpenAI) -> None:
    assert len(client.embeddings.create(model="vectors", input=["x"] * 2048).data) == 2048
    with pytest.raises(openai.BadRequestError, match="the most is 2048"):
        client.embeddings.create(model="vectors", input=["x"] * 2049)


@pytest.mark.parametrize("nothing", ["", [], [""], ["a", ""]])
def test_nothing_cannot_be_embedded(client: OpenAI, nothing: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="vectors", input=nothing)
    assert str(refused.value.param).startswith("input")


def test_a_model_that_cannot_says_so(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="has no chat completions"):
        client.chat.completions.create(model="words/wordllama", messages=[{"role": "user", "content": "?"}])


def test_a_text_completion_comes_whole_and_streamed(client: OpenAI) -> None:
    whole = client.completions.create(model="demo/poet", prompt="Once upon a time")
    parts = client.completions.create(model="demo/poet", prompt="Once upon a time", stream=True)
    assert whole.choices[0].text == "".join(part.choices[0].text for part in parts if part.choices)


def test_a_provider_that_judges_is_asked(client: OpenAI) -> None:
    answer = client.moderations.create(model="demo/judge", input="Nice weather.")
    assert answer.results[0].flagged is False


@needs_schemas
def test_bodies_are_what_openai_publishes(server: RunningServer) -> None:
    embedded = server.post("/v1/embeddings", {"model": "wordllama", "input": ["a", "b"]}).json
    validate(embedded, "CreateEmbeddingResponse")
    validate(server.post("/v1/completions", {"model": "poet", "prompt": "a"}).json, "CreateCompletionResponse")
    validate(server.post("/v1/moderations", {"model": "judge", "input": "a"}).json, "CreateModerationResponse")
