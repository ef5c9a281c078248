"""Opens each named backend once and hands out KV or SQL by name."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, cast

from stackwright.config.storage import (
    Backend,
    KVReference,
    MongoBackend,
    PostgresBackend,
    RedisBackend,
    SqliteBackend,
    SqlReference,
    Storage,
)
from stackwright.errors import StackwrightError
from stackwright.storage.kv import KV
from stackwright.storage.kv.keys import join_namespace
from stackwright.storage.kv.sql import POSTGRES, SQLITE, SqlTable
from stackwright.storage.sharing import file_of, identity, merged
from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.storage.sql.writer import QueuedBackend
from stackwright.storage.watch import Database, Watch


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

    def __init__(self, storage: Storage) -> None:
        self._backends = storage.backends
        self._watches = _one_watch_each(storage.backends)
        self._sql: dict[str, QueuedBackend] = {}
        self._kv: dict[str, Namespaces] = {}
        for name, backend in storage.backends.items():
            self._hand_out(name, backend)

    def _hand_out(self, name: str, backend: Backend) -> None:
        database = self._watches[name].database
        if backend.type.startswith("sql_"):
            self._sql[name] = cast("QueuedBackend", database)
        else:
            self._kv[name] = _namespaces(backend, database)

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

    async def start(self) -> None:
        """Open every database once. One that is away is tried again in the background."""
        await asyncio.gather(*(watch.start() for watch in set(self._watches.values())))

    async def stop(self) -> None:
        """Close every database."""
        await asyncio.gather(*(watch.stop() for watch in set(self._watches.values())))


@asynccontextmanager
async def open_backends(storage: Storage) -> AsyncIterator[NamedBackends]:
    """Open what the run file declares. It succeeds while databases are away; `troubles` says which and why."""
    catalog = NamedBackends(storage)
    try:
        await catalog.start()
        yield catalog
    finally:
        await catalog.stop()


def _one_watch_each(backends: Mapping[str, Backend]) -> dict[str, Watch]:
    """Return the database of each backend; backends that are one database get the same."""
    groups: dict[Hashable, list[str]] = {}
    for name, backend in backends.items():
        groups.setdefault(identity(backend), []).append(name)
    watches: dict[str, Watch] = {}
    for names in groups.values():
        together = ", ".join(names)
        watch = Watch(_database(merged([backends[name] for name in names]), together), together)
        watches.update(dict.fromkeys(names, watch))
    return watches


def _database(settings: Backend, name: str) -> Database:
    match settings:
        case SqliteBackend(command_timeout=timeout, pool_timeout=pool_timeout):
            return SqliteDatabase(file_of(settings), name=name, timeout=timeout, pool_timeout=pool_timeout)
        case PostgresBackend():
            # Imported when it is named: asyncpg costs a start without Postgres a tenth of its time.
            from stackwright.storage.sql.postgres import PostgresDatabase

            return PostgresDatabase(settings, name=name)
        case RedisBackend():
            return _redis(settings, name)
        case MongoBackend():
            return _mongo(settings, name)


def _redis(settings: RedisBackend, name: str) -> Database:
    try:
        from stackwright.storage.kv.redis import RedisDatabase
    except ModuleNotFoundError as error:
        raise _missing(name, settings.type, "redis", error) from error
    return RedisDatabase(settings, name=name)


def _mongo(settings: MongoBackend, name: str) -> Database:
    try:
        from stackwright.storage.kv.mongodb import MongoDatabase
    except ModuleNotFoundError as error:
        raise _missing(name, settings.type, "mongodb", error) from error
    return MongoDatabase(settings, name=name)


def _namespaces(backend: Backend, database: Database) -> Namespaces:
    match backend:
        case SqliteBackend(table_name=table):
            return SqlTable(cast("QueuedBackend", database), table, SQLITE)
        case PostgresBackend(table_name=table):
            return SqlTable(cast("QueuedBackend", database), table, POSTGRES)
        case _:
            return cast("Namespaces", database)


def _missing(name: str, type: str, extra: str, error: ModuleNotFoundError) -> StackwrightError:
    return StackwrightError(
        f"Backend {name!r} is {type}, which needs the library {error.name!r}: pip install 'stackwright[{extra}]'"
    )


def _no_such(family: str, name: str, known: Mapping[str, object]) -> StackwrightError:
    return StackwrightError(f"No {family} backend is named {name!r}. Known: {', '.join(known) or 'none'}.")
