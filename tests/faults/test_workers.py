"""Several workers are one server: one start table, one set of figures, one format of log lines."""

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
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
"""
CHAT = {"model": "demo/echo", "messages": [{"role": "user", "content": "x"}]}
COUNT = re.compile(
    r'^stackwright_requests_total\{operation="create_chat_completion",status="200"\} (\d+)', re.MULTILINE
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path, RUN_FILE, "--workers", "2", "--log-requests") as running:
        running.wait_for("/ready")
        _table(running)
        yield running


def _table(server: RunningServer) -> None:
    """Wait for the start table: whoever answered first need not be who prints it."""
    deadline = time.monotonic() + 15
    while "Try: " not in server.log.read_text():
        assert time.monotonic() < deadline
        signal.sigtimedwait([], 0.02)


def _workers(server: RunningServer) -> list[psutil.Process]:
    assert server.process is not None
    return psutil.Process(server.process.pid).children()


def _count(server: RunningServer) -> int:
    found = COUNT.search(server.get("/metrics").body.decode())
    return int(found[1]) if found else 0


def test_figures_are_those_of_all_workers_and_outlive_one(server: RunningServer) -> None:
    asked = 40
    for _ in range(asked):
        assert server.post("/v1/chat/completions", CHAT).status == 200
    # A worker answers first and counts then.
    deadline = time.monotonic() + 20
    while _count(server) < asked:
        assert time.monotonic() < deadline
    assert [_count(server) for _ in range(10)] == [asked] * 10
    victim = _workers(server)[0]
    victim.send_signal(signal.SIGKILL)
    victim.wait(5)
    server.wait_for("/ready")
    assert _count(server) == asked


def test_the_start_table_is_printed_once_and_every_other_line_is_json(server: RunningServer) -> None:
    for _ in range(20):
        server.post("/v1/chat/completions", CHAT)
    server.post("/v1/chat/completions", {**CHAT, "model": "none"})
    victim = _workers(server)[0]
    victim.send_signal(signal.SIGKILL)
    victim.wait(5)
    server.wait_for("/ready")
    assert server.stop() == 0
    text = server.log.read_text()
    assert text.count("Stackwright ") == text.count(f"Address    {server.url}") == 1
    lines = [json.loads(line) for line in text.splitlines() if line and line[0] != " "]
    assert [line["status"] for line in lines if line["message"] == "POST /v1/chat/completions"].count(200) == 20
    [told] = [line for line in lines if line["level"] == "warning"]
    assert str(victim.pid) in told["message"]


def test_the_start_table_is_printed_although_the_worker_that_was_to_do_it_dies(tmp_path: Path) -> None:
    running = RunningServer(tmp_path, RUN_FILE, "--workers", "2")
    killed: list[int] = []
    killer = threading.Thread(target=_kill_who_shows_the_table, args=(running, killed))
    killer.start()
    try:
        running.start()
        killer.join()
        _table(running)
        text = running.log.read_text()
        assert f"Worker {killed[0]} ended" in text
        assert text.count("Try: ") == 1
    finally:
        running.close()


def _kill_who_shows_the_table(server: RunningServer, killed: list[int]) -> None:
    """End the first worker while it starts, long before it has anything to show."""
    deadline = time.monotonic() + 15
    while not killed and time.monotonic() < deadline:
        children = psutil.Process(server.process.pid).children() if server.process else []
        for child in children:
            with suppress(psutil.NoSuchProcess):
                if "--table" in child.cmdline():
                    child.kill()
                    killed.append(child.pid)
