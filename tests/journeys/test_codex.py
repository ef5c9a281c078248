"""Codex CLI finishes a turn with a tool call, over HTTP and over a WebSocket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.codex import Codex, installed
from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config:
        models:
          worker:
            tool_call: {name: exec_command, arguments: {cmd: "printf 'made by codex' > made.txt"}}
            reply: "The file is there."
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
server:
  auth: {mode: api_keys, api_keys: [{name: codex, key: codex-key, tenant: coders}]}
"""


@pytest.fixture(scope="module")
def programs() -> Path:
    return installed()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("codex"), RUN_FILE, "--log-requests") as running:
        running.wait_for("/ready")
        yield running


@pytest.mark.parametrize("websockets", [False, True], ids=["HTTP", "WebSocket"])
def test_codex_finishes_a_turn_with_a_tool_call(
    programs: Path, server: RunningServer, tmp_path: Path, websockets: bool
) -> None:
    codex = Codex(programs, tmp_path, server.url, websockets=websockets)
    before = len(server.log.read_text())
    told, wanted = codex.exec("Make the file.")
    assert (codex.folder / "made.txt").read_text() == "made by codex"
    items = [one["item"] for one in told if one["type"] == "item.completed"]
    commands = [item["exit_code"] for item in items if item["type"] == "command_execution"]
    assert commands == [0]
    assert items[-1]["text"] == "The file is there."
    assert told[-1]["type"] == "turn.completed"
    assert told[-1]["usage"]["output_tokens"] > 0
    assert wanted == []
    assert ("POST /v1/responses" in server.log.read_text()[before:]) is not websockets
