"""Vectors in a SQLite backend: ordinary rows, searched exactly with sqlite-vec.

A search reads every vector of its index: 13 ms for 10,000 chunks of 256 dimensions, 113 ms for 100,000.
"""

import asyncio
import threading
from array import array
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.util import find_spec

import apsw
import msgspec
from pydantic import Field

from stackwright.config.section import Section
from stackwright.config.storage import KVReference, SqlReference
from stackwright.errors import StackwrightError
from stackwright.ports.vectors import Chunk, Filter, Match
from stackwright.providers.provider import Backends, Provider
from stackwright.providers.vector_io.checks import check_filter, check_limit, direction, ready, score
from stackwright.providers.vector_io.indexes import Indexes
from stackwright.providers.vector_io.sqlite_vec_filter import condition
from stackwright.storage.sql import Do, Migration, Row, Script, SqlBackend, Value
from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.storage.sql.sqlite_errors import translate

_SEARCHES = 2
SCHEMA = (
    "CREATE TABLE {tables}_vectors (n {serial}, place TEXT NOT NULL, id TEXT NOT NULL, embedding {bytes} NOT NULL, "
    "attributes TEXT NOT NULL, UNIQUE (place, id))",
    # Apart, so that a search does not read past them.
    "CREATE TABLE {tables}_texts (n INTEGER PRIMARY KEY, text TEXT NOT NULL)",
)
PUT = """INSERT INTO {tables}_vectors (place, id, embedding, attributes) VALUES ($1, $2, $3, $4)
    ON CONFLICT (place, id) DO UPDATE SET embedding = excluded.embedding, attributes = excluded.attributes
    RETURNING n"""
PUT_TEXT = """INSERT INTO {tables}_texts (n, text) VALUES ($1, $2)
    ON CONFLICT (n) DO UPDATE SET text = excluded.text"""
NAMED = "SELECT n FROM {tables}_vectors WHERE place = $1 AND id IN (SELECT value FROM json_each($2))"
SOME = "SELECT n FROM {tables}_vectors WHERE place = $1 LIMIT 1000"
REMOVE_TEXTS = "DELETE FROM {tables}_texts WHERE n IN (SELECT value FROM json_each($1))"
REMOVE_VECTORS = "DELETE FROM {tables}_vectors WHERE n IN (SELECT value FROM json_each($1))"
# Texts are looked up for the winners alone. A vector of zeros has no cosine, which SQL calls NULL.
SEARCH = """SELECT v.id, t.text, v.attributes, f.distance FROM (
        SELECT v.n, COALESCE(vec_distance_cosine(v.embedding, ?), 1.0) AS distance FROM {tables}_vectors v
        WHERE v.place = ? AND {condition} ORDER BY distance, v.n LIMIT ?) f
    JOIN {tables}_vectors v ON v.n = f.n JOIN {tables}_texts t ON t.n = f.n
    ORDER BY f.distance, f.n"""


class Config(Section):
    """Where the vectors are, and where we note the indexes."""

    persistence: KVReference = Field(description="Where the list of indexes is kept.")
    sqlstore: SqlReference = Field(description="A `sql_sqlite` backend; `table_name` is what its tables begin with.")


class WrongBackend(StackwrightError):
    """The vectors were to go into a database that cannot search them."""

    code = "wrong_backend"


class Searchers:
    """Read connections with sqlite-vec in them, each on a thread of its own: a search would hold up the event loop."""

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        self._name = name
        self._threads = ThreadPoolExecutor(_SEARCHES, thread_name_prefix="sqlite-vec")
        self._mine = threading.local()
        self._all: list[apsw.Connection] = []

    async def fetch(self, sql: str, args: Sequence[Value]) -> list[Row]:
        """Run a read; `Unavailable` when the file is away or locked."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._fetch, sql, args)

    def _fetch(self, sql: str, args: Sequence[Value]) -> list[Row]:
        try:
            return self._connection().execute(sql, args).fetchall()
        except apsw.Error as error:
            raise translate(error, self._name) from error

    def _connection(self) -> apsw.Connection:
        if not hasattr(self._mine, "connection"):
            import sqlite_vec  # type: ignore[import-untyped]

            connection = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)
            connection.set_busy_timeout(5000)
            connection.enable_load_extension(True)
            connection.load_extension(sqlite_vec.loadable_path())
            connection.enable_load_extension(False)
            connection.pragma("query_only", True)
            self._mine.connection = connection
            self._all.append(connection)
        found: apsw.Connection = self._mine.connection
        return found

    async def close(self) -> None:
        """Wait for what is running, then close."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for connection in self._all:
            connection.close()


class VectorTables:
    """The tables of vectors and their texts."""

    def __init__(self, database: SqlBackend, prefix: str) -> None:
        """`prefix` is what their names begin with."""
        self.name = f"vectors: {prefix}"
        self.backend_name = database.name
        self.migrations = [Migration(1, [step.replace("{tables}", prefix) for step in SCHEMA])]
        self._database = database

    async def prepare(self) -> None:
        """Make the tables, or bring older ones up to date."""
        await self._database.migrate(self.name, self.migrations)


class SqliteIndexes:
    """See `VectorIndexes`."""

    def __init__(self, database: SqliteDatabase, prefix: str, indexes: Indexes, searchers: Searchers) -> None:
        self._database = database
        self._indexes = indexes
        self._searchers = searchers
        self._prefix = prefix
        self._migrated = False
        self._put = self._sql(PUT)
        self._put_text = self._sql(PUT_TEXT)
        self._named = self._sql(NAMED)
        self._some = self._sql(SOME)
        self._remove = [self._sql(REMOVE_TEXTS), self._sql(REMOVE_VECTORS)]
        self._search = self._sql(SEARCH)

    def _sql(self, statement: str) -> str:
        return self._database.render(statement.replace("{tables}", self._prefix))

    async def create(self, tenant: str, index_id: str, *, dimensions: int) -> None:
        """See `VectorIndexes.create`."""
        await self._indexes.add(await self._indexes.propose(tenant, index_id, dimensions))

    async def drop(self, tenant: str, index_id: str) -> None:
        """See `VectorIndexes.drop`. Other writers get their turn in between."""
        index = await self._indexes.get(tenant, index_id)
        await self._migrate()
        while await self._database.transact(lambda: self._delete(self._some, (index.place,))):
            pass
        await self._indexes.remove(index)

    async def indexes(self, tenant: str) -> Sequence[str]:
        """See `VectorIndexes.indexes`."""
        return await self._indexes.of(tenant)

    async def upsert(self, tenant: str, index_id: str, chunks: Sequence[Chunk]) -> None:
        """See `VectorIndexes.upsert`."""
        index = await self._indexes.get(tenant, index_id)
        rows = await asyncio.to_thread(_rows, chunks, index.dimensions)
        await self._migrate()
        await self._database.transact(lambda: self._write(index.place, rows))

    async def delete(self, tenant: str, index_id: str, chunk_ids: Sequence[str]) -> None:
        """See `VectorIndexes.delete`."""
        index = await self._indexes.get(tenant, index_id)
        await self._migrate()
        ids = msgspec.json.encode(chunk_ids).decode()
        await self._database.transact(lambda: self._delete(self._named, (index.place, ids)))

    async def nearest(
        self,
        tenant: str,
        index_id: str,
        query: Sequence[float],
        *,
        limit: int,
        floor: float = 0.0,
        where: Filter | None = None,
    ) -> list[Match]:
        """See `VectorIndexes.nearest`."""
        check_limit(limit)
        if where is not None:
            check_filter(where)
        index = await self._indexes.get(tenant, index_id)
        embedding = _blob(direction(query, index.dimensions, "The query"))
        await self._migrate()
        args: list[Value] = [embedding, index.place]
        wanted = "TRUE" if where is None else condition(where, args)
        rows = await self._searchers.fetch(self._search.replace("{condition}", wanted), [*args, limit])
        return [_match(*row) for row in rows if score(row[3]) >= floor]

    async def _migrate(self) -> None:
        # At the first use, for opening a provider must not need a database that is there.
        if not self._migrated:
            await VectorTables(self._database, self._prefix).prepare()
            self._migrated = True

    def _write(self, place: str, rows: Sequence[tuple[str, bytes, str, str]]) -> Script[None]:
        for chunk_id, embedding, attributes, text in rows:
            ((n,),) = yield Do(self._put, (place, chunk_id, embedding, attributes))
            yield Do(self._put_text, (n, text))

    def _delete(self, which: str, args: tuple[Value, ...]) -> Script[int]:
        found = yield Do(which, args)
        numbers = msgspec.json.encode([n for (n,) in found]).decode()
        for remove in self._remove:
            yield Do(remove, (numbers,))
        return len(found)


def _rows(chunks: Sequence[Chunk], dimensions: int) -> list[tuple[str, bytes, str, str]]:
    """Return chunks as rows. Takes milliseconds for a thousand: not for the event loop."""
    return [
        (chunk.id, _blob(chunk.embedding), msgspec.json.encode(chunk.attributes).decode(), chunk.text)
        for chunk in ready(chunks, dimensions)
    ]


def _blob(embedding: Sequence[float]) -> bytes:
    return array("f", embedding).tobytes()


def _match(id: str, text: str, attributes: str, distance: float) -> Match:
    return Match(id=id, text=text, attributes=msgspec.json.decode(attributes), score=score(distance))


@asynccontextmanager
async def connect(config: Config, backends: Backends) -> AsyncIterator[SqliteIndexes]:
    """Get ready to search. `WrongBackend` unless `sqlstore` is in SQLite."""
    if find_spec("sqlite_vec") is None:
        raise ModuleNotFoundError("No module named 'sqlite_vec'", name="sqlite_vec")
    database = _database(config, backends)
    searchers = Searchers(database.address, database.name)
    try:
        yield SqliteIndexes(database, config.sqlstore.table_name, Indexes(backends.kv(config.persistence)), searchers)
    finally:
        await searchers.close()


def _database(config: Config, backends: Backends) -> SqliteDatabase:
    database = backends.sql(config.sqlstore)
    if not isinstance(database, SqliteDatabase):
        raise WrongBackend(
            f"inline::sqlite-vec keeps vectors in SQLite, and sqlstore.backend {config.sqlstore.backend!r} is another "
            "database. Name a backend of type sql_sqlite."
        )
    return database


PROVIDER = Provider(
    type="inline::sqlite-vec",
    api="vector_io",
    summary="Vectors in a SQLite file of the run file's, searched exactly",
    config=Config,
    open=connect,
    schema=lambda config, backends: VectorTables(_database(config, backends), config.sqlstore.table_name),
    extra="sqlite-vec",
)
