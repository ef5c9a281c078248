"""Servers that keep files, with rows in either database."""

from collections.abc import Iterator

import pytest

from tests.databases import backend_at
from tests.running import RunningServer

LIMIT = 32 * 1024 * 1024

RUN_FILE = """
version: 2
providers:
  inference: [{provider_id: demo, provider_type: inline::scripted, config: {models: {echo: {}}}}]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: %s
server:
  max_upload_bytes: 33554432
  auth: {mode: api_keys, api_keys: [{name: a, key: key-a, tenant: a}, {name: b, key: key-b, tenant: b}]}
"""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("files")
    where = str(folder / "sql.db")
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres_server")
        where = postgres.url(postgres.create_database())
    with RunningServer(folder, RUN_FILE % backend_at(where)) as running:
        running.wait_for("/ready")
        yield running
