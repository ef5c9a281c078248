"""A real Chroma server and real SQLite files for the vector providers."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from stackwright.config.storage import SqliteBackend, Storage
from stackwright.providers.provider import Backends
from stackwright.storage.backends import NamedBackends
from tests.servers_kv import TcpServer

OpenBackends = Callable[[], AbstractAsyncContextManager[Backends]]


class ChromaServer(TcpServer):
    """`chroma run` on a folder of its own."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.host}:{self.port}"

    def command(self) -> list[str]:
        """See `TcpServer.command`."""
        chroma = Path(sys.executable).with_name("chroma")
        data = str(self.home / "data")
        return [str(chroma), "run", "--path", data, "--host", self.host, "--port", str(self.port)]


@pytest.fixture(scope="session")
def chroma() -> Iterator[ChromaServer]:
    """Start Chroma once for all tests; each has a tenant of its own in it."""
    server = ChromaServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def open_backends(tmp_path: Path) -> OpenBackends:
    """Return what opens `kv_default` and `sql_default` on the same files each time."""
    storage = Storage(
        backends={
            "kv_default": SqliteBackend(type="kv_sqlite", db_path=str(tmp_path / "kv.db")),
            "sql_default": SqliteBackend(type="sql_sqlite", db_path=str(tmp_path / "sql.db")),
        }
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Backends]:
        catalog = NamedBackends(storage)
        await catalog.start()
        try:
            yield catalog
        finally:
            await catalog.stop()

    return opened
