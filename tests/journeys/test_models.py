"""The Models API."""

import openai
import pytest
from openai import OpenAI

from tests.running import RunningServer
from tests.schemas import needs_schemas, validate


def test_the_list_merges_what_providers_offer_with_what_is_registered(client: OpenAI) -> None:
    ids = {model.id for model in client.models.list()}
    assert {"demo/echo", "demo/vectors", "words/wordllama", "house-model"} <= ids


def test_a_model_is_retrieved_by_its_id_or_its_bare_name(client: OpenAI) -> None:
    model = client.models.retrieve("demo/poet")
    assert (model.id, model.object) == ("demo/poet", "model")
    assert client.models.retrieve("poet").id == "demo/poet"


def test_a_registration_is_used_and_taken_back(client: OpenAI, server: RunningServer) -> None:
    made = server.post(
        "/v1/models",
        {"model_id": "team/bard", "provider_id": "demo", "provider_model_id": "poet", "metadata": {"n": 1}},
    )
    assert made.json["metadata"] == {"n": 1}
    answer = client.chat.completions.create(model="team/bard", messages=[{"role": "user", "content": "Sing."}])
    assert answer.choices[0].message.content == "Roses are red, violets are blue."
    assert client.models.delete("team/bard").deleted
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("team/bard")


def test_what_a_provider_offers_cannot_be_deleted(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="registered model"):
        client.models.delete("demo/echo")


def test_a_registration_needs_a_provider_that_exists(server: RunningServer) -> None:
    answer = server.post("/v1/models", {"model_id": "x", "provider_id": "nobody"})
    assert (answer.status, answer.error["param"]) == (400, "provider_id")
    assert "demo" in answer.error["message"]


def test_an_unknown_model_is_not_found_and_the_others_are_named(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="gpt-17", messages=[{"role": "user", "content": "?"}])
    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"
    assert "demo/echo" in refused.value.message
    assert "Did you mean" not in refused.value.message


@pytest.mark.parametrize(("wrong", "meant"), [("demo/ecco", "demo/echo"), ("house-modle", "house-model")])
def test_a_model_that_is_nearly_right_gets_the_nearest_name(server: RunningServer, wrong: str, meant: str) -> None:
    answer = server.post("/v1/chat/completions", {"model": wrong, "messages": [{"role": "user", "content": "?"}]})
    assert answer.status == 404
    assert f"Did you mean '{meant}'?" in answer.error["message"]


@needs_schemas
def test_the_list_is_what_openai_publishes(server: RunningServer) -> None:
    validate(server.get("/v1/models").json, "ListModelsResponse")
    validate(server.get("/v1/models/demo/echo").json, "Model")
