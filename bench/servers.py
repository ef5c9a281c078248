"""The processes of a benchmark: how they are started, what they cost, how they end."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from tests.servers import free_port

STARTED_WITHIN = 30.0

RUN_FILE = """\
version: 2
providers:
  inference:
    - provider_id: up
      provider_type: remote::openai-compatible
      config: {{base_url: "{upstream}", api_key: key-of-the-bench}}
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: {folder}/kv.db}}
    sql_default: {sql}
"""


class Server:
    """A server process on a port of this machine, ready when `/health` answers 200."""

    def __init__(self, name: str, command: Sequence[str], port: int, log: Path) -> None:
        self.name = name
        self.port = port
        self._command = [sys.executable, "-m", *command]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.start_seconds = 0.0
        """From the start of the process to its first 200."""

    def __enter__(self) -> Self:
        begun = time.perf_counter()
        with self._log.open("ab") as log:
            environ = {**os.environ, "HOME": str(self._log.parent)}
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environ)
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - begun > STARTED_WITHIN:
                raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text()}")
            signal.sigtimedwait([], 0.005)
        self.start_seconds = time.perf_counter() - begun
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def ask(self, path: str, body: Any = None) -> Any:
        """Return the JSON it answers, to a POST when there is a body."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data) as answer:
            return json.load(answer)

    def cpu(self) -> float:
        """Return the seconds of CPU, user and system, that all its processes have used."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def memory(self) -> float:
        """Return the MB (10**6 bytes) that all its processes hold in memory."""
        return sum(process.memory_info().rss for process in self._processes()) / 1e6


class Upstream:
    """The vendor of the benchmark, in a process of its own."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, "-m", "bench.upstream"], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()


def bare(upstream: Upstream, folder: Path) -> Server:
    """Return the bare proxy, not started."""
    port = free_port()
    return Server("bare", ["bench.bare", upstream.url, "--port", str(port)], port, folder / "bare.log")


def ours(
    name: str, upstream: Upstream, folder: Path, sql: Mapping[str, object] | None = None, *, workers: int = 1
) -> Server:
    """Return Stackwright, not started, with its state in `folder`, or what is stored in the backend `sql`."""
    folder.mkdir()
    run_file = folder / "run.yaml"
    backend = json.dumps(sql or {"type": "sql_sqlite", "db_path": f"{folder}/sql.db"})
    run_file.write_text(RUN_FILE.format(upstream=upstream.url, folder=folder, sql=backend))
    port = free_port()
    command = ["stackwright", "serve", str(run_file), "--port", str(port), "--workers", str(workers)]
    return Server(name, command, port, folder / "log")
