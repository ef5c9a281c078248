"""What the guide says of backups: copied while the server runs, and put back after it was killed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.house.pages import blocks
from tests.house.sources import ROOT
from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference: [{provider_id: demo, provider_type: inline::scripted, config: {models: {echo: {}}}}]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: ~/.stackwright/kvstore.db}
    sql_default: {type: sql_sqlite, db_path: ~/.stackwright/sql_store.db}
"""
SAVE, RESTORE = [
    block
    for block in blocks(ROOT / "docs/guides/running.md")
    if block.language == "python" and ".backup(" in block.text
]


def test_a_copy_is_put_back_over_what_a_killed_server_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder, session = tmp_path / ".stackwright", {"__name__": "__main__"}
    server = RunningServer(tmp_path, RUN_FILE)
    with server, server.client() as client:
        server.wait_for("/ready")
        kept = [client.conversations.create(metadata={"n": str(n)}).id for n in range(20)]
        exec(compile(SAVE.text, SAVE.place, "exec"), session)
        for one in kept[:10]:
            client.conversations.delete(one)
        later = client.conversations.create(items=[{"type": "message", "role": "user", "content": "x" * 50_000}]).id
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        server.process = None
    assert {file.stat().st_mode & 0o777 for file in folder.glob("*.bak")} == {0o600}
    assert (folder / "sql_store.db-wal").stat().st_size > 0
    exec(compile(RESTORE.text, RESTORE.place, "exec"), session)
    with RunningServer(tmp_path, RUN_FILE) as again:
        again.wait_for("/ready")
        assert [again.get(f"/v1/conversations/{one}").json["metadata"] for one in kept] == [
            {"n": str(n)} for n in range(20)
        ]
        assert again.get(f"/v1/conversations/{later}").status == 404
    with closing(sqlite3.connect(folder / "sql_store.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
