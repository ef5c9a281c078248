"""`remote::chromadb` against a real `chroma run`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import ValidationError

from stackwright.config.storage import KVReference
from stackwright.errors import NotFound, Unavailable, UpstreamTimeout
from stackwright.ports.vectors import Chunk, VectorIndexes
from stackwright.providers.vector_io.remote_chromadb import PROVIDER, Config, connect
from stackwright.testing.vectors_contract import SHELF, Reopen, VectorsContract
from tests.providers.vectors.conftest import ChromaServer, OpenBackends


def config(url: str, timeout: float = 30) -> Config:
    persistence = KVReference(backend="kv_default", namespace="vector_io::chroma_remote")
    return Config(url=url, persistence=persistence, timeout=timeout)


class TestChroma(VectorsContract):
    """The contract."""

    @pytest.fixture
    def reopen(self, open_backends: OpenBackends, chroma: ChromaServer) -> Reopen:
        """Open the same registry on the same server again."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[VectorIndexes]:
            async with open_backends() as backends, connect(config(chroma.url), backends) as vectors:
                yield vectors

        return opened


async def test_a_server_that_comes_back_has_everything_and_nothing_is_to_be_restarted(
    open_backends: OpenBackends,
) -> None:
    server = ChromaServer()
    async with open_backends() as backends, connect(config(server.url), backends) as vectors:
        with pytest.raises(Unavailable, match="Chroma is away"):
            await vectors.create("t", "shelf", dimensions=2)
        server.start()
        try:
            await vectors.create("t", "shelf", dimensions=2)
            await vectors.upsert("t", "shelf", SHELF)
            server.kill()
            with pytest.raises(Unavailable):
                await vectors.nearest("t", "shelf", [1, 0], limit=50)
            server.start()
            assert len(await vectors.nearest("t", "shelf", [1, 0], limit=50)) == len(SHELF)
        finally:
            server.remove()


async def test_a_server_that_hangs_is_given_up_in_time(open_backends: OpenBackends) -> None:
    server = ChromaServer()
    server.start()
    try:
        async with open_backends() as backends, connect(config(server.url, timeout=0.3), backends) as vectors:
            server.freeze()
            with pytest.raises(UpstreamTimeout, match="Chroma is too slow"):
                await vectors.create("t", "shelf", dimensions=2)
            server.thaw()
    finally:
        server.remove()


async def test_a_collection_that_somebody_deleted_is_not_found_and_can_be_dropped(
    open_backends: OpenBackends, chroma: ChromaServer
) -> None:
    async with open_backends() as backends, connect(config(chroma.url), backends) as vectors:
        await vectors.create("t", "i", dimensions=1)
        index = await vectors._indexes.get("t", "i")
        await vectors._chroma.call("DELETE", f"/{index.place.partition(' ')[0]}")
        with pytest.raises(NotFound):
            await vectors.upsert("t", "i", [Chunk(id="a", text="", embedding=[1])])
        await vectors.drop("t", "i")
        await vectors.create("t", "i", dimensions=1)


async def test_two_deployments_may_share_a_server(
    open_backends: OpenBackends, chroma: ChromaServer, tmp_path: Path
) -> None:
    here = config(chroma.url)
    there = here.model_copy(update={"persistence": KVReference(backend="kv_default", namespace="another")})
    async with open_backends() as backends, connect(here, backends) as one, connect(there, backends) as other:
        tenant = str(uuid4())
        await one.create(tenant, "i", dimensions=1)
        await other.create(tenant, "i", dimensions=2)
        await other.drop(tenant, "i")
        assert await one.nearest(tenant, "i", [1], limit=1) == []


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(ValidationError, match="starts with http:// or https://"):
        config("localhost:8000")


def test_its_type_is_its_files_name() -> None:
    assert (PROVIDER.type, PROVIDER.api) == ("remote::chromadb", "vector_io")
