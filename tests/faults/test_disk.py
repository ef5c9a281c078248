"""A SQLite file that is taken away from under a running server."""

import json
from pathlib import Path

import pytest

from tests.faults.test_workers import CHAT, RUN_FILE
from tests.running import RunningServer


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_server_whose_file_is_gone_acknowledges_nothing_more_and_ends(tmp_path: Path, replaced: bool) -> None:
    with RunningServer(tmp_path, RUN_FILE) as server:
        server.wait_for("/ready")
        stored = {**CHAT, "store": True}
        assert server.post("/v1/chat/completions", stored).status == 200
        (tmp_path / "sql.db").rename(tmp_path / "elsewhere.db")
        if replaced:
            (tmp_path / "sql.db").touch()
        refused = server.post("/v1/chat/completions", stored)
        assert (refused.status, "was deleted or replaced" in refused.error["message"]) == (503, True)
        assert server.process is not None
        assert server.process.wait(10) == 1
        server.process = None
    [last] = [json.loads(line) for line in server.log.read_text().splitlines() if '"critical"' in line]
    assert str(tmp_path / "sql.db") in last["message"]
