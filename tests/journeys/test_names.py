"""Names of models: in two places, in the older place of the run file, and with anything in them."""

from collections.abc import Iterator
from urllib.parse import quote

import openai
import pytest
from openai import OpenAI

from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: one
      provider_type: inline::scripted
      config: {models: {same: {reply: "I am one."}, meta/llama-3:8b: {reply: "I have a slash."}}}
    - provider_id: two
      provider_type: inline::scripted
      config: {models: {same: {reply: "I am two."}, "мудрец/λ 🦙": {reply: "I have a llama."}}}
models:
  - {model_id: older, provider_id: two, provider_model_id: same}
  - {model_id: "equipo/año?", provider_id: one, provider_model_id: same}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kv.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql.db"}
"""
SAYS = {
    "one/same": "I am one.",
    "two/same": "I am two.",
    "older": "I am two.",
    "equipo/año?": "I am one.",
    "meta/llama-3:8b": "I have a slash.",
    "one/meta/llama-3:8b": "I have a slash.",
    "мудрец/λ 🦙": "I have a llama.",
    "two/мудрец/λ 🦙": "I have a llama.",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("names"), RUN_FILE) as running:
        running.wait_for("/v1/models/two/same")
        yield running


def _ask(client: OpenAI, model: str) -> tuple[str | None, str]:
    made = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "?"}], store=True)
    return made.choices[0].message.content, made.id


def test_a_bare_name_of_two_providers_is_refused_and_both_are_named(client: OpenAI, server: RunningServer) -> None:
    for ask in (lambda: _ask(client, "same"), lambda: client.models.retrieve("same")):
        with pytest.raises(openai.BadRequestError) as refused:
            ask()
        assert (refused.value.code, refused.value.param) == ("ambiguous_model", "model")
        assert "one/same, two/same" in refused.value.message


@pytest.mark.parametrize("name", SAYS)
def test_every_name_leads_to_its_model(client: OpenAI, server: RunningServer, name: str) -> None:
    said, made = _ask(client, name)
    assert said == SAYS[name]
    assert [one.id for one in client.chat.completions.list(model=name)] == [made]
    shown = server.get(f"/v1/models/{quote(name)}")
    assert shown.status == 200
    assert name in (shown.json["id"], shown.json["provider_model_id"])


def test_every_name_is_listed_once(client: OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert sorted(listed) == sorted(name for name in SAYS if name not in ("meta/llama-3:8b", "мудрец/λ 🦙"))
