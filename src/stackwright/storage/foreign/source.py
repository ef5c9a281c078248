"""Choosing who reads a database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stackwright.config.sharing import file_of
from stackwright.config.storage import Backend, MongoBackend, PostgresBackend, RedisBackend, SqliteBackend
from stackwright.errors import MissingExtra
from stackwright.storage.foreign import ForeignKeys, ForeignRows


@asynccontextmanager
async def opened(settings: Backend) -> AsyncIterator[ForeignRows | ForeignKeys]:
    """Open a database to read. `Unavailable` when it is away, `MissingExtra` when its driver is not installed."""
    source = _source(settings)
    try:
        await source.open()
        yield source
    finally:
        await source.close()


def _source(settings: Backend) -> ForeignRows | ForeignKeys:
    # Each is imported when it is named: no driver is needed for a database that nobody has.
    match settings:
        case SqliteBackend():
            from stackwright.storage.foreign.sqlite import ForeignSqlite

            return ForeignSqlite(file_of(settings))
        case PostgresBackend():
            from stackwright.storage.foreign.postgres import ForeignPostgres

            return ForeignPostgres(settings)
        case RedisBackend():
            return _redis(settings)
        case MongoBackend():
            return _mongo(settings)


def _redis(settings: RedisBackend) -> ForeignKeys:
    try:
        from stackwright.storage.foreign.redis import ForeignRedis
    except ModuleNotFoundError as error:
        raise MissingExtra("Reading Redis", error.name, "redis") from error
    return ForeignRedis(settings)


def _mongo(settings: MongoBackend) -> ForeignKeys:
    try:
        from stackwright.storage.foreign.mongodb import ForeignMongo
    except ModuleNotFoundError as error:
        raise MissingExtra("Reading MongoDB", error.name, "mongodb") from error
    return ForeignMongo(settings)
