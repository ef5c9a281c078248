"""A real server process on a real socket."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, OpenAI

from tests.servers import free_port

STARTED_WITHIN = 120.0
"""Seconds. Costs nothing where a server starts in one, and lets a machine with a dozen things to do be slow."""


def _on_one_cpu() -> None:
    """Leave the embedded model one thread: two wait for each other wherever the tests have to share the processors."""
    os.sched_setaffinity(0, {random.choice(list(os.sched_getaffinity(0)))})


class Answer:
    """What came back over HTTP, whatever its status."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's inside; fails when the answer is not one."""
        assert list(self.json) == ["error"]
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert self.headers["x-request-id"]
        return dict(error)


class RunningServer:
    """`stackwright serve` on a run file, in a process of its own, whose home is `folder`."""

    def __init__(
        self,
        folder: Path,
        run_file: str | None,
        *options: str,
        environ: dict[str, str] | None = None,
        command: Sequence[object] = (sys.executable, "-m", "stackwright"),
        terminal: int | None = None,
    ) -> None:
        """Prepare; `start` starts. Without `run_file` it is the built-in starter's turn.

        `command` is another installation's, `terminal` a file descriptor that gets standard error.
        """
        self.folder = folder
        self._named = [] if run_file is None else [str(folder / "run.yaml")]
        if run_file is not None:
            (folder / "run.yaml").write_text(run_file)
        self.port = free_port()
        self.log = folder / "log"
        self._options = options
        self._command = [str(part) for part in command]
        self._terminal = terminal
        self._environ = {**os.environ, "HOME": str(folder), **(environ or {})}
        self._prepare = _on_one_cpu if run_file is None or "llama-cpp" in run_file else None
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "RunningServer":
        """Start, and return when it answers."""
        command = [*self._command, "serve", *self._named, "--port", str(self.port), *self._options]
        with self.log.open("ab") as log:
            stderr = log if self._terminal is None else self._terminal
            self.process = subprocess.Popen(
                command, stdout=log, stderr=stderr, env=self._environ, cwd=self.folder, preexec_fn=self._prepare
            )
        try:
            self.wait_for("/health")
        except BaseException:
            self.close()
            raise
        return self

    def wait_for(self, path: str, status: int = 200, within: float = STARTED_WITHIN, **headers: str) -> Answer:
        """Return the first answer of `path` that has `status`."""
        deadline = time.monotonic() + within
        while True:
            assert self.process is not None
            assert self.process.poll() is None, f"the server ended:\n{self.log.read_text()}"
            try:
                answer = self.get(path, **headers)
            except OSError:
                answer = None
            if answer is not None and answer.status == status:
                return answer
            assert time.monotonic() < deadline, f"{path} never answered {status}: {answer and answer.body!r}"
            self._pause()

    @staticmethod
    def _pause() -> None:
        signal.sigtimedwait([], 0.02)

    def stop(self, sig: int = signal.SIGTERM, within: float = 60.0) -> int:
        """Send a signal and return the exit status."""
        assert self.process is not None
        self.process.send_signal(sig)
        status = self.process.wait(within)
        self.process = None
        return status

    def close(self) -> None:
        """Make sure that nothing is left."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> "RunningServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, None, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, raw, **{"content-type": "application/json", **headers})

    def request(self, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, refused.headers, refused.read())

    def client(self, api_key: str = "none") -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=api_key, max_retries=0, timeout=60)

    def async_client(self, api_key: str = "none") -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=api_key, max_retries=0, timeout=60)
