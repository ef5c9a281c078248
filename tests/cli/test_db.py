"""`stackwright db`: schemas shown, upgraded, and refused when they are newer than we know."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.cli.command import Done, rows, run
from tests.databases import Execute, backend_at
from tests.running import RunningServer
from tests.servers import PostgresServer

RUN_FILE = """\
version: 2
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: ~/kv.db}
    sql_default: %s
"""
EVERY = {
    "files_metadata",
    "inference_store",
    "kv:kv_store",
    "openai_conversations",
    "prompts",
    "responses",
    "responses_jobs",
}
NEWER = "INSERT INTO stackwright_schema (store, version, applied_at) VALUES ('inference_store', 9, 0)"


@pytest.fixture
def execute(execute: Execute, where: str, tmp_path: Path) -> Execute:
    """Write a run file on a new database, and return how to execute SQL there."""
    (tmp_path / "run.yaml").write_text(RUN_FILE % backend_at(where))
    return execute


def _states(done: Done) -> dict[str, str]:
    head, *found = rows(done)
    assert head == ["BACKEND", "STORE", "VERSION", "STATE"]
    return {row[1]: row[3] for row in found}


def test_a_schema_is_made_upgraded_and_refused_when_newer(tmp_path: Path, execute: Execute) -> None:
    before = _states(run(tmp_path, "db", "status", "run.yaml"))
    assert before == dict.fromkeys(EVERY, "to be made")
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]
    upgraded = _states(run(tmp_path, "db", "upgrade", "run.yaml"))
    assert upgraded == dict.fromkeys(before, "current")
    assert _states(run(tmp_path, "db", "status", "run.yaml")) == upgraded
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run(tmp_path, "check", "run.yaml", "--connect")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    execute(NEWER.replace("inference_store', 9", "kv:elsewhere', 1"))
    others = _states(run(tmp_path, "db", "status", "run.yaml"))
    assert others == upgraded | {"kv:elsewhere": "of a provider, or of another file"}
    execute("DELETE FROM stackwright_schema WHERE store = 'inference_store' AND version = 3")
    assert _states(run(tmp_path, "db", "status", "run.yaml"))["inference_store"] == "to be upgraded to 3"
    execute(NEWER)
    status = run(tmp_path, "db", "status", "run.yaml")
    assert _states(status)["inference_store"] == "newer than this Stackwright, which knows 3"
    for command in (["db", "upgrade"], ["serve", "--port", "0"]):
        refused = run(tmp_path, *command, "run.yaml")
        assert refused.returncode == 1
        for word in ("sql_default", "inference_store", "9", "3"):
            assert word in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_key_value_table_newer_than_we_know_is_refused_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN_FILE % "{type: sql_sqlite, db_path: ~/sql.db}")
    run(tmp_path, "db", "upgrade", "run.yaml")
    with closing(sqlite3.connect(tmp_path / "kv.db")) as connection, connection:
        connection.execute("UPDATE stackwright_schema SET version = 7 WHERE store = 'kv:kv_store'")
    assert _states(run(tmp_path, "db", "status", "run.yaml"))["kv:kv_store"].startswith("newer than this")
    for command in (["db", "upgrade"], ["serve", "--port", "0"]):
        refused = run(tmp_path, *command, "run.yaml")
        assert refused.returncode == 1
        assert "the schema of 'kv:kv_store' is version 7, this Stackwright knows up to 1" in refused.stderr


def test_what_cannot_be_upgraded_now_is_told(tmp_path: Path) -> None:
    away = '{type: sql_postgres, connection_string: "postgresql://a:planted-secret@127.0.0.1:1/b"}'
    (tmp_path / "run.yaml").write_text(RUN_FILE % away)
    status, upgrade = (run(tmp_path, "db", command, "run.yaml") for command in ("status", "upgrade"))
    assert "sql_default: cannot connect to a@127.0.0.1:1/b" in status.stderr
    assert "sql_default: cannot connect to a@127.0.0.1:1/b" in upgrade.stderr
    for done in (status, upgrade):
        assert done.stderr.count("cannot connect") == 1
        assert "planted-secret" not in done.stderr + done.stdout
        assert done.returncode == 1


WITH_EVERYTHING = (
    RUN_FILE
    + """\
  stores: {responses: {backend: sql_default, table_name: responses, retention: 30d}}
providers:
  vector_io:
    - provider_id: vectors
      provider_type: inline::sqlite-vec
      config:
        persistence: {backend: kv_default, namespace: vectors}
        sqlstore: {backend: vectors, table_name: vec}
"""
).replace("  stores:", "    vectors: {type: sql_sqlite, db_path: ~/vectors.db}\n  stores:")


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_an_upgrade_makes_every_table_that_a_server_uses(
    tmp_path: Path, request: pytest.FixtureRequest, where: str
) -> None:
    sql, listed = "{type: sql_sqlite, db_path: ~/sql.db}", partial(str)
    if where == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        db: str = request.getfixturevalue("postgres_db")
        sql = f'{{type: sql_postgres, connection_string: "{server.url(db)}"}}'
        listed = partial(server.sql, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", db)
    run_file = WITH_EVERYTHING % sql
    (tmp_path / "run.yaml").write_text(run_file)
    states = _states(run(tmp_path, "db", "upgrade", "run.yaml"))
    assert states == dict.fromkeys(EVERY | {"stackwright_leases", "vectors: vec"}, "current")
    upgraded = {*_tables_of_files(tmp_path), *listed().split()}
    assert {"responses_jobs", "vec_vectors", "vec_texts", "kv_store"} < upgraded
    with RunningServer(tmp_path, run_file) as running:
        running.wait_for("/ready")
        assert running.post("/v1/conversations", {}).status == 200
        assert running.stop() == 0
    assert {*_tables_of_files(tmp_path), *listed().split()} == upgraded
    assert _states(run(tmp_path, "db", "status", "run.yaml")) == states
    # A store's tables begin with its name.
    names = [store.removeprefix("kv:").removeprefix("vectors: ") for store in states]
    assert [table for table in upgraded if not table.startswith((*names, "stackwright_schema"))] == []


def _tables_of_files(folder: Path) -> set[str]:
    made: set[str] = set()
    for file in folder.glob("*.db"):
        with closing(sqlite3.connect(file)) as connection:
            made |= {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {name for name in made if not name.startswith("sqlite_")}
