"""Servers that keep files, with rows in either database."""

from collections.abc import Iterator

import pytest

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
    sql = f"{{type: sql_sqlite, db_path: '{folder}/sql.db'}}"
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres_server")
        sql = f"{{type: sql_postgres, connection_string: '{postgres.url(postgres.create_database())}'}}"
    with RunningServer(folder, RUN_FILE % sql) as running:
        running.wait_for("/ready")
        yield running
