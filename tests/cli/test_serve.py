"""`stackwright serve`: where its file and its state come from, and how it refuses."""

import socket
import time
from pathlib import Path

import pytest

from tests.cli.command import run
from tests.running import RunningServer

RUN_FILE = """\
version: 2
providers:
  inference: [{provider_id: home-made, provider_type: inline::scripted, config: {models: {parrot: {}}}}]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.STACKWRIGHT_HOME}/kv.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.STACKWRIGHT_HOME}/sql.db"}
"""


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "nowhere.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nowhere.yaml:1:1\n    Cannot be read: No such file or directory.\n"


def test_a_taken_port_is_told_with_the_option_that_helps(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, "serve", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another with --port.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_the_address_is_told_where_it_goes(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--host", "127.0.0.1:80")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "--host  An address has no port: let server.host (--host) be 127.0.0.1, server.port (--port) 80.\n"
    )


@pytest.mark.parametrize("options", [(), ("--host", "::1"), ("--host", "localhost")])
def test_a_server_is_not_its_own_vendor(tmp_path: Path, options: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    itself = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"http://localhost:{port}/v1"}
    done = run(tmp_path, "serve", "--port", port, *options, **itself)
    assert (done.returncode, done.stdout) == (2, "")
    assert "config.base_url  This is the server's own address" in done.stderr
    assert "unset OPENAI_BASE_URL" in done.stderr


def test_a_server_behind_a_server_is_not_itself(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        vendor = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"http://127.0.0.1:{other.getsockname()[1]}/v1"}
        done = run(tmp_path, "serve", "--port", taken.getsockname()[1], **vendor)
    assert done.returncode == 1
    assert done.stderr.startswith("Cannot listen on ")


def test_without_a_file_the_one_in_the_home_folder_is_served(tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "run.yaml").write_text(RUN_FILE)
    with RunningServer(tmp_path, None, environ={"STACKWRIGHT_HOME": str(home)}) as server:
        server.wait_for("/ready")
        server.wait_for("/v1/models/home-made/parrot")
        assert f"Run file   {home / 'run.yaml'}" in server.log.read_text()
    assert {"kv.db", "sql.db"} <= {path.name for path in home.iterdir()}
    assert not (tmp_path / ".stackwright").exists()


def test_a_database_that_is_away_is_told_below_the_start_table(tmp_path: Path) -> None:
    away = 'kv_postgres, connection_string: "postgresql://a:planted-secret@127.0.0.1:1/b"'
    text = RUN_FILE.replace('kv_sqlite, db_path: "${env.STACKWRIGHT_HOME}/kv.db"', away)
    with RunningServer(tmp_path, text, environ={"STACKWRIGHT_HOME": str(tmp_path)}) as server:
        server.wait_for("/ready", 503)
        shown = _table(server)
    rows = [line.split() for line in shown.splitlines()]
    assert ["Backends", "kv_default", "kv_postgres", "a@127.0.0.1:1/b", "away"] in rows
    assert ["sql_default", "sql_sqlite", str(tmp_path / "sql.db"), "ok"] in rows
    assert shown.count("kv_default: cannot connect to a@127.0.0.1:1/b") == 1
    assert f"Try: curl {server.url}/ready\n" in shown
    assert "planted-secret" not in server.log.read_text()


def test_the_start_table_says_where_uploads_lie(tmp_path: Path) -> None:
    named = "files: [{provider_id: shelf, provider_type: inline::localfs, config: {storage_dir: ~/shelf}}]"
    text = RUN_FILE.replace("storage:", f"  {named}\nstorage:")
    with RunningServer(tmp_path, text, environ={"STACKWRIGHT_HOME": str(tmp_path)}) as server:
        shown = _table(server)
    assert ["Files", "shelf", "inline::localfs", str(tmp_path / "shelf")] in [
        line.split() for line in shown.splitlines()
    ]


def test_what_to_try_has_a_key_where_one_is_needed(tmp_path: Path) -> None:
    text = RUN_FILE + "server: {auth: {mode: api_keys, api_keys: [{name: team, key: sk-planted-secret}]}}\n"
    with RunningServer(tmp_path, text, environ={"STACKWRIGHT_HOME": str(tmp_path)}) as server:
        server.wait_for("/ready")
        shown = _table(server)
    assert "-H 'authorization: Bearer YOUR_KEY' -H 'content-type: application/json' -d '{" in shown
    assert "sk-planted-secret" not in server.log.read_text()


def _table(server: RunningServer) -> str:
    """Return the start table once it is whole."""
    deadline = time.monotonic() + 10
    while "Try: " not in (shown := server.log.read_text()) or not shown.endswith("\n"):
        assert time.monotonic() < deadline, shown
        server.get("/health")
    return "\n".join(line for line in shown.splitlines() if not line.startswith("{")) + "\n"
