"""Opens each named backend once and hands out KV or SQL by name."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stackwright.config.sharing import file_of, groups, merged
from stackwright.config.storage import (
    KVReference,
    MongoBackend,
    PostgresBackend,
    RedisBackend,
    SqliteBackend,
    SqlReference,
    Storage,
)
from stackwright.errors import MissingExtra, StackwrightError
from stackwright.kit.text import told_once
from stackwright.storage.kv import KV
from stackwright.storage.kv.keys import join_namespace
from stackwright.storage.kv.sql import SqlTable
from stackwright.storage.sql.migrate import status
from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.storage.sql.writer import QueuedBackend
from stackwright.storage.watch import Database, Watch

if TYPE_CHECKING:
    from stackwright.storage.kv.mongodb import MongoDatabase
    from stackwright.storage.kv.redis import RedisDatabase
    from stackwright.storage.sql.postgres import PostgresDatabase


@dataclass(frozen=True, kw_only=True)
class BackendStatus:
    """How a backend is."""

    name: str
    type: str
    address: str
    """Where it is, without secrets."""
    trouble: str | None
    """Why it cannot be used now; None when it can."""


class Namespaces(Protocol):
    """A place that hands out KV namespaces."""

    def namespace(self, namespace: str) -> KV:
        """Return a namespace."""
        ...


class NamedBackends:
    """The named backends: a `providers.provider.Backends`, and how each of them is."""

    def __init__(self, storage: Storage, *, label: str = "", read_only: bool = False) -> None:
        """Prepare; nothing is touched before `start`.

        Args:
            storage: What the run file declares.
            label: What tells this server from others, for those who look at the database's connections.
            read_only: Make no file and no table.
        """
        self._backends = storage.backends
        self._application = f"stackwright/{label}" if label else "stackwright"
        self._read_only = read_only
        self._watches: dict[str, Watch] = {}
        self._sql: dict[str, QueuedBackend] = {}
        self._kv: dict[str, Namespaces] = {}
        self.tables: dict[str, SqlTable] = {}
        """What KV backends in SQL databases keep their keys in."""
        for names in groups(storage.backends):
            self._add(names)

    def _add(self, names: list[str]) -> None:
        """Add backends that are one database."""
        settings, together = merged([self._backends[name] for name in names]), ", ".join(names)
        database: Database
        match settings:
            case SqliteBackend() | PostgresBackend():
                database = sql = self._sql_database(settings, together)
                for name in names:
                    self._add_sql(name, sql)
            case RedisBackend():
                database = redis = _redis(settings, together)
                self._kv.update(dict.fromkeys(names, redis))
            case MongoBackend():
                database = mongo = _mongo(settings, together)
                for name in names:
                    self._add_collection(name, mongo)
        self._watches.update(dict.fromkeys(names, Watch(database, together)))

    def _sql_database(
        self, settings: SqliteBackend | PostgresBackend, name: str
    ) -> "SqliteDatabase | PostgresDatabase":
        if isinstance(settings, SqliteBackend):
            return SqliteDatabase(
                file_of(settings),
                name=name,
                timeout=settings.command_timeout,
                pool_timeout=settings.pool_timeout,
                read_only=self._read_only,
            )
        # Imported when it is named: asyncpg costs a start without Postgres a tenth of its time.
        from stackwright.storage.sql.postgres import PostgresDatabase

        return PostgresDatabase(settings, name=name, application=self._application)

    def _add_sql(self, name: str, database: QueuedBackend) -> None:
        match self._backends[name]:
            case SqliteBackend(type="sql_sqlite") | PostgresBackend(type="sql_postgres"):
                self._sql[name] = database
            case SqliteBackend(table_name=table) | PostgresBackend(table_name=table):
                # Two backends may differ in nothing but the prefix of their namespaces.
                same = (one for one in self.tables.values() if one.is_in(database, table))
                self._kv[name] = self.tables[name] = next(same, None) or SqlTable(database, table)

    def _add_collection(self, name: str, database: "MongoDatabase") -> None:
        match self._backends[name]:
            case MongoBackend(collection_name=collection):
                self._kv[name] = database.collection(collection)

    def kv(self, reference: KVReference) -> KV:
        """Return the namespace a reference names."""
        if reference.backend not in self._kv:
            raise _no_such("KV", reference.backend, self._kv)
        prefix = self._backends[reference.backend].namespace
        return self._kv[reference.backend].namespace(join_namespace(prefix, reference.namespace))

    def sql(self, reference: SqlReference) -> QueuedBackend:
        """Return the backend a reference names; the table is the caller's to make."""
        if reference.backend not in self._sql:
            raise _no_such("SQL", reference.backend, self._sql)
        return self._sql[reference.backend]

    async def schemas(self, name: str) -> Mapping[str, int]:
        """Return the schema version of every store in the database of a backend; none where there are no schemas."""
        if name in self._sql:
            return await status(self._sql[name])
        return await status(self.tables[name].database) if name in self.tables else {}

    def status(self) -> list[BackendStatus]:
        """Return how each backend was when it was last looked at: some two seconds ago, or by `ping`."""
        return [
            BackendStatus(
                name=name,
                type=backend.type,
                address=self._watches[name].database.address,
                trouble=self._watches[name].trouble,
            )
            for name, backend in self._backends.items()
        ]

    def troubles(self) -> Mapping[str, str]:
        """Return the backends that cannot be used now, each with why not."""
        return {one.name: one.trouble for one in self.status() if one.trouble is not None}

    def broken(self) -> str | None:
        """Return why this process may acknowledge nothing any more, if that is so: its disk failed to sync."""
        return next((watch.database.broken for watch in self._watches.values() if watch.database.broken), None)

    async def ping(self, timeout: float = 0.5) -> None:
        """Look at every backend now. One that takes longer than `timeout` stays as it was until it has answered."""
        await asyncio.wait([watch.check() for watch in set(self._watches.values())], timeout=timeout)

    async def check(self, timeout: float) -> None:
        """Look at every backend now. `StackwrightError` says which cannot be used, and why."""
        await self.ping(timeout)
        if troubles := self.troubles():
            raise StackwrightError("\n".join(told_once(troubles.items())))

    async def start(self) -> None:
        """Open every database once. One that is away is tried again in the background."""
        await asyncio.gather(*(watch.start() for watch in set(self._watches.values())))

    async def prepare(self) -> None:
        """Make the tables of the KV backends, now or as soon as their database is there."""
        for table in self.tables.values():
            await table.prepare()

    async def stop(self) -> None:
        """Close every database."""
        await asyncio.gather(*(watch.stop() for watch in set(self._watches.values())))


@asynccontextmanager
async def open_backends(storage: Storage, *, label: str = "", read_only: bool = False) -> AsyncIterator[NamedBackends]:
    """Open what the run file declares; see `NamedBackends`. It succeeds while databases are away; `troubles` says which
    and why. `SchemaTooNew` when one was written by a newer Stackwright."""
    backends = NamedBackends(storage, label=label, read_only=read_only)
    try:
        await backends.start()
        if not read_only:
            await backends.prepare()
        yield backends
    finally:
        await backends.stop()


def _redis(settings: RedisBackend, name: str) -> "RedisDatabase":
    try:
        from stackwright.storage.kv.redis import RedisDatabase
    except ModuleNotFoundError as error:
        raise MissingExtra(f"Backend {name!r} ({settings.type})", error.name, "redis") from error
    return RedisDatabase(settings, name=name)


def _mongo(settings: MongoBackend, name: str) -> "MongoDatabase":
    try:
        from stackwright.storage.kv.mongodb import MongoDatabase
    except ModuleNotFoundError as error:
        raise MissingExtra(f"Backend {name!r} ({settings.type})", error.name, "mongodb") from error
    return MongoDatabase(settings, name=name)


def _no_such(family: str, name: str, known: Mapping[str, object]) -> StackwrightError:
    return StackwrightError(f"No {family} backend is named {name!r}. Known: {', '.join(known) or 'none'}.")
