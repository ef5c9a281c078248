"""One server for the journeys: scripted models, the real embedder, SQLite."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.running import RunningServer

RUN_FILE = """
version: 2
image_name: journeys
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config:
        models:
          echo: {}
          poet: {reply: "Roses are red, violets are blue."}
          caller: {tool_call: {name: weather, arguments: {city: Oslo}}, reply: "It rains."}
          vectors: {kind: embedding, dimensions: 8}
          judge: {kind: moderation}
          broken: {cut_after: 2, reply: "one two three four five"}
          down: {error: {status: 503, message: "out of order"}}
    - provider_id: words
      provider_type: inline::wordllama
      config: {}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
registered_resources:
  models:
    - {model_id: house-model, provider_id: demo, provider_model_id: poet, metadata: {team: docs}}
server: {max_body_bytes: 1000000, max_body_bytes_at_once: 32000000}
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("journeys"), RUN_FILE) as running:
        running.wait_for("/ready")
        running.wait_for("/v1/models/demo/echo")
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[OpenAI]:
    with server.client() as opened:
        yield opened
