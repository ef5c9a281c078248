"""Codex CLI, installed from its lock file, in a home of its own and with no way out but to our server."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.journeys import npm

HERE = Path(__file__).parent

CONFIG = """
model = "demo/worker"
model_provider = "house"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
web_search = "disabled"

[features]
plugins = false
apps = false

[analytics]
enabled = false

[feedback]
enabled = false

[model_providers.house]
name = "Stackwright"
base_url = "{url}/v1"
env_key = "STACKWRIGHT_API_KEY"
wire_api = "responses"
supports_websockets = {websockets}
request_max_retries = 0
stream_max_retries = 0
"""


def installed() -> Path:
    """Return the folder of Codex's programs, some 400 MB."""
    return npm.installed(HERE) / "node_modules" / ".bin"


class Codex:
    """One user's Codex, whose provider is a Stackwright server."""

    def __init__(self, programs: Path, folder: Path, url: str, *, websockets: bool) -> None:
        self.folder = folder / "work"
        self._programs = programs
        self._home = folder / "home"
        for made in (self.folder, self._home):
            made.mkdir()
        (self._home / "config.toml").write_text(CONFIG.format(url=url, websockets=str(websockets).lower()))

    def exec(self, prompt: str) -> tuple[list[dict[str, Any]], list[str]]:
        """Let Codex work; returns what it tells of it, and the addresses beside our server that it wanted to reach."""
        command = [str(self._programs / "codex"), "exec", "--json", "--skip-git-repo-check", prompt]
        with _dead_end() as (proxy, wanted):
            done = subprocess.run(
                command,
                cwd=self.folder,
                env={
                    "PATH": npm.path(),
                    "HOME": str(self._home),
                    "CODEX_HOME": str(self._home),
                    "STACKWRIGHT_API_KEY": "codex-key",
                    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), proxy),
                    "NO_PROXY": "127.0.0.1",
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()], wanted


@contextmanager
def _dead_end() -> Iterator[tuple[str, list[str]]]:
    """A proxy that leads nowhere and remembers who asked."""
    wanted: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def listen() -> None:
            while True:
                try:
                    caller, _ = door.accept()
                except OSError:
                    return
                with caller:
                    wanted.append(caller.recv(200).decode("latin-1").partition("\r\n")[0])

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}", wanted
        finally:
            door.shutdown(socket.SHUT_RDWR)
            listener.join()
