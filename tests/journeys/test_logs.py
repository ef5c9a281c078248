"""What is logged: JSON lines for machines, short lines for people, and nobody's secret."""

import json
import os
import pty
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningServer

SECRET = "sk-planted-in-a-traceback"
RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config: {models: {echo: {}, down: {error: {status: 503, message: out of order}}}}
    - provider_id: buggy
      provider_type: inline::buggy
      config: {api_key: "${env.BUGGY_KEY}"}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kv.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql.db"}
"""
BUGGY = '''
"""A provider of somebody else's, whose author did not think of everything."""

from contextlib import asynccontextmanager

from stackwright.config.secret import Secret
from stackwright.config.section import Section
from stackwright.ports.inference import Offer
from stackwright.providers.provider import Provider


class Config(Section):
    api_key: Secret


class Buggy:
    completions = embeddings = moderations = None

    def __init__(self, key):
        self.chat = self
        self._key = key

    async def models(self):
        return [Offer(name="m", kind="llm", owned_by="us")]

    async def complete(self, call):
        raise RuntimeError(f"cannot use the key {self._key}")


@asynccontextmanager
async def connect(config, backends):
    yield Buggy(config.api_key.reveal())


PROVIDER = Provider(type="inline::buggy", api="inference", summary="Fails", config=Config, open=connect)
'''


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Where another package adds a provider type of its own."""
    about = tmp_path / "plugin" / "buggy-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: buggy\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[stackwright.providers]\ninline::buggy = buggy:PROVIDER\n")
    (tmp_path / "plugin" / "buggy.py").write_text(BUGGY)
    return {"PYTHONPATH": str(tmp_path / "plugin"), "BUGGY_KEY": SECRET}


@pytest.fixture
def server(tmp_path: Path, environ: dict[str, str]) -> Iterator[RunningServer]:
    with RunningServer(tmp_path, RUN_FILE, environ=environ) as running:
        running.wait_for("/ready")
        yield running


def _ask(server: RunningServer, model: str) -> tuple[int, str, dict[str, Any]]:
    answer = server.post("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "x"}]})
    return answer.status, answer.headers["x-request-id"], answer.json


def _lines(server: RunningServer) -> list[dict[str, Any]]:
    """Return what was logged. The start table, which is no log, is indented."""
    return [json.loads(line) for line in server.log.read_text().splitlines() if line and line[0] != " "]


def test_a_failure_is_one_json_line_with_the_callers_request_id(server: RunningServer) -> None:
    before = len(_lines(server))
    assert _ask(server, "echo")[0] == 200
    assert _ask(server, "nobody")[0] == 404
    status, request_id, _ = _ask(server, "down")
    [line] = _lines(server)[before:]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "warning",
        "logger": "stackwright.http",
        "message": "POST /v1/chat/completions: out of order",
        "request_id": request_id,
        "status": status,
        "code": "upstream_error",
    }


def test_a_bug_is_told_once_with_its_traceback_and_without_the_secret_in_it(server: RunningServer) -> None:
    before = len(_lines(server))
    status, request_id, told = _ask(server, "buggy/m")
    assert (status, told["error"]["type"]) == (500, "server_error")
    assert "cannot use the key" not in str(told)
    [line] = _lines(server)[before:]
    assert (line["level"], line["request_id"], line["status"]) == ("error", request_id, 500)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("RuntimeError: cannot use the key ********")
    assert SECRET not in server.log.read_text()


def test_requests_are_logged_when_asked_for(tmp_path: Path, environ: dict[str, str]) -> None:
    with RunningServer(tmp_path, RUN_FILE, "--log-requests", environ=environ) as server:
        _, request_id, _ = _ask(server, "demo/echo")
        line = _line_of(server, request_id)
    assert (line["level"], line["message"], line["status"]) == ("info", "POST /v1/chat/completions", 200)
    assert 0 < line["ms"] < 60_000
    assert "tenant" not in line


def test_who_has_a_key_is_told_by_tenant(tmp_path: Path, environ: dict[str, str]) -> None:
    keys = "server: {auth: {mode: api_keys, api_keys: [{name: hers, key: sk-of-ada, tenant: ada}]}}\n"
    with RunningServer(tmp_path, RUN_FILE + keys, "--log-requests", environ=environ) as server:
        known = server.get("/v1/models", authorization="Bearer sk-of-ada")
        unknown, nobody = server.get("/v1/models", authorization="Bearer sk-other"), server.get("/health")
        lines = [_line_of(server, answer.headers["x-request-id"]) for answer in (known, unknown, nobody)]
    assert [(line["status"], line.get("tenant")) for line in lines] == [(200, "ada"), (401, None), (200, None)]
    assert not any(key in server.log.read_text() for key in ("sk-of-ada", "sk-other"))


def _line_of(server: RunningServer, request_id: str) -> dict[str, Any]:
    """Wait for the line of a request: it is written when the answer is away."""
    deadline = time.monotonic() + 10
    while not (found := [line for line in _lines(server) if line.get("request_id") == request_id]):
        assert time.monotonic() < deadline
        signal.sigtimedwait([], 0.02)
    [line] = found
    return line


def test_people_at_a_terminal_get_short_lines_and_every_request(tmp_path: Path, environ: dict[str, str]) -> None:
    screen, terminal = pty.openpty()
    try:
        with RunningServer(tmp_path, RUN_FILE, environ=environ, terminal=terminal) as server:
            request_id = _ask(server, "demo/echo")[1]
            bug = _ask(server, "buggy/m")[1]
            seen = _seen(screen, f"status=500 ms=[0-9.]+ request_id={bug}")
    finally:
        os.close(terminal)
        os.close(screen)
    post = r"(?m)^\d\d:\d\d:\d\d {} POST /v1/chat/completions"
    assert re.search(post.format("info   ") + rf"  status=200 ms=[0-9.]+ request_id={request_id}\r$", seen)
    assert re.search(post.format("error  ") + rf": a bug  request_id={bug} status=500 code=\S+\r\nTraceback ", seen)
    assert "RuntimeError: cannot use the key ********" in seen
    assert SECRET not in seen


def _seen(screen: int, pattern: str) -> str:
    """Read a terminal until the pattern appears."""
    os.set_blocking(screen, False)
    text, deadline = "", time.monotonic() + 10
    while not re.search(pattern, text):
        assert time.monotonic() < deadline, text
        try:
            text += os.read(screen, 65536).decode()
        except BlockingIOError:
            signal.sigtimedwait([], 0.02)
    return text
