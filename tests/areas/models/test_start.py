"""A server whose registered models take their time."""

import threading
from contextlib import closing
from pathlib import Path

import apsw

from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference: [{provider_id: demo, provider_type: inline::scripted, config: {models: {echo: {}}}}]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql.db"}
registered_resources:
  models: [{model_id: %s, provider_id: demo, provider_model_id: echo}]
"""


def test_what_callers_registered_is_known_to_the_first_request(tmp_path: Path) -> None:
    with RunningServer(tmp_path, RUN_FILE % "one") as server:
        server.wait_for("/ready")
        assert server.post("/v1/models", {"model_id": "mine", "provider_model_id": "echo"}).status == 200
    with closing(apsw.Connection(str(tmp_path / "kvstore.db"))) as connection:
        # The run file's registrations are kept before the others are read, and now that has to wait.
        connection.execute("BEGIN IMMEDIATE")
        release = threading.Timer(1.5, connection.execute, ["ROLLBACK"])
        release.start()
        with RunningServer(tmp_path, RUN_FILE % "two") as server:
            assert server.get("/ready").status == 200
            assert server.get("/v1/models/mine").json["provider_model_id"] == "echo"
        release.join()
