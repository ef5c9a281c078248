"""`stackwright serve`: where its file and its state come from, and how it refuses."""

import socket
from pathlib import Path

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
