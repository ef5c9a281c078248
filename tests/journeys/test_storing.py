"""`store_by_default`: what does not say is kept, and what says no leaves not a byte."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference: [{provider_id: demo, provider_type: inline::scripted, config: {models: {echo: {}}}}]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kv.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql.db"}
  stores:
    inference: {backend: sql_default, store_by_default: true}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("storing"), RUN_FILE) as running:
        running.wait_for("/v1/models/demo/echo")
        yield running


def _say(server: RunningServer, text: str, **options: bool) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": text}], **options}
    assert server.post("/v1/chat/completions", body).status == 200


def _files_with(folder: Path, text: str) -> set[str]:
    # The names of the write-ahead log and its index begin with the database's.
    return {path.name for path in folder.glob("*.db*") if text.encode() in path.read_bytes()}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("options", "kept"), [({}, True), ({"store": True}, True), ({"store": False}, False)])
def test_what_is_kept(server: RunningServer, stream: bool, options: dict[str, bool], kept: bool) -> None:
    text = f"needle-{stream}-{options}"
    _say(server, text, stream=stream, **options)
    listed = server.get("/v1/chat/completions?limit=100").json["data"]
    assert [one["choices"][0]["message"]["content"] for one in listed].count(text) == kept
    assert bool(_files_with(server.folder, text)) is kept


def test_nothing_appears_when_the_files_are_closed(server: RunningServer) -> None:
    _say(server, "said-in-private", store=False)
    _say(server, "said-in-public")
    assert server.stop() == 0
    assert _files_with(server.folder, "said-in-private") == set()
    assert _files_with(server.folder, "said-in-public") == {"sql.db"}
