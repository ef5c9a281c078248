"""`inline::sqlite-vec` on real files."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stackwright.config.storage import KVReference, PostgresBackend, SqliteBackend, SqlReference, Storage
from stackwright.ports.vectors import Chunk, VectorIndexes
from stackwright.providers.vector_io.inline_sqlite_vec import PROVIDER, Config, WrongBackend, connect
from stackwright.storage.backends import NamedBackends
from stackwright.testing.vectors_contract import Reopen, VectorsContract
from tests.providers.vectors.conftest import OpenBackends

CONFIG = Config(
    persistence=KVReference(backend="kv_default", namespace="vector_io::sqlite_vec"),
    sqlstore=SqlReference(backend="sql_default", table_name="vectors"),
)


class TestSqliteVec(VectorsContract):
    """The contract."""

    @pytest.fixture
    def reopen(self, open_backends: OpenBackends) -> Reopen:
        """Open the same two files again."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[VectorIndexes]:
            async with open_backends() as backends, connect(CONFIG, backends) as vectors:
                yield vectors

        return opened


async def test_another_kind_of_database_is_refused_with_what_to_name_instead() -> None:
    catalog = NamedBackends(
        Storage(
            backends={
                "kv_default": SqliteBackend(type="kv_sqlite", db_path="unused.db"),
                "sql_default": PostgresBackend(type="sql_postgres"),
            }
        )
    )
    with pytest.raises(WrongBackend, match=r"'sql_default' is another database\. Name a backend of type sql_sqlite"):
        async with connect(CONFIG, catalog):
            pass


async def test_a_search_leaves_the_event_loop_free(open_backends: OpenBackends) -> None:
    dice = random.Random(3)
    many = [Chunk(id=str(n), text="", embedding=[dice.random() for _ in range(32)]) for n in range(20_000)]
    async with open_backends() as backends, connect(CONFIG, backends) as vectors:
        await vectors.create("t", "i", dimensions=32)
        await vectors.upsert("t", "i", many)
        searches = asyncio.gather(*(vectors.nearest("t", "i", many[n].embedding, limit=1) for n in range(10)))
        # In the loop's own CPU time, which other processes do not lengthen.
        longest, last = 0.0, time.thread_time()
        while not searches.done():
            await asyncio.sleep(0)
            longest, last = max(longest, time.thread_time() - last), time.thread_time()
        assert [found[0].id for found in await searches] == [str(n) for n in range(10)]
        assert longest < 0.05  # On the loop, the ten of them take 0.12.


async def test_dropping_leaves_no_rows_behind(open_backends: OpenBackends) -> None:
    async with open_backends() as backends, connect(CONFIG, backends) as vectors:
        await vectors.create("t", "i", dimensions=1)
        await vectors.upsert("t", "i", [Chunk(id=str(n), text="", embedding=[1]) for n in range(2_500)])
        await vectors.drop("t", "i")
        sql = backends.sql(CONFIG.sqlstore)
        assert await sql.fetch("SELECT COUNT(*) FROM vectors_vectors") == [(0,)]
        assert await sql.fetch("SELECT COUNT(*) FROM vectors_texts") == [(0,)]


def test_its_type_is_its_files_name() -> None:
    assert (PROVIDER.type, PROVIDER.api, PROVIDER.extra) == ("inline::sqlite-vec", "vector_io", "sqlite-vec")
