"""Key-value storage in a MongoDB collection.

One document per key. Its `_id` is `namespace \\x1f key`, which MongoDB keeps unique and in byte order, so a scan is a
range of the one index every collection has. Every write mints a new `revision`: compare-and-set reads, compares here,
and writes only if the revision is still the one it read.
"""

import os
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pymongo import AsyncMongoClient, UpdateOne, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)

from stackwright.config.storage import MongoBackend
from stackwright.errors import StackwrightError, StorageFull, TooLarge, Unavailable, Unreachable
from stackwright.storage.kv import KV, Entry, Kept
from stackwright.storage.kv.keys import NAMESPACE_END, check_key, check_namespace, following, span
from stackwright.storage.renewal import Credentials, refusal

T = TypeVar("T")
Document = dict[str, Any]

FOREIGN = (PyMongoError, DocumentTooLarge)
AUTHENTICATION_FAILED = 18
OUT_OF_DISK_SPACE = 14031
SAFE = WriteConcern(w="majority", j=True)

# Seconds since 1970 of the year 10000. A number instead of null lets a scan ask one plain question.
NEVER = 253_402_300_800.0


class MongoDatabase:
    """One client and its bounded pool. Connections are made when needed, so it opens while the server is away."""

    broken: str | None = None

    def __init__(self, settings: MongoBackend, *, name: str) -> None:
        self.name = name
        self._settings = settings
        self._credentials = Credentials(settings.url, settings.password)
        self._ahead = 0.0
        self._database = self._connect()
        nodes = sorted(self._database.client.topology_description.server_descriptions())
        self.address = f"{','.join(f'{host}:{port}' for host, port in nodes)}/{self._database.name}"

    def _connect(self) -> AsyncDatabase[Document]:
        try:
            # pymongo only warns of an option that it does not understand.
            with warnings.catch_warnings(action="error"):
                client: AsyncMongoClient[Document] = AsyncMongoClient(**options_of(self._settings))
            return client.get_default_database(default=self._settings.db)
        except (PyMongoError, ValueError, UserWarning):
            # Their words would quote the url where they take part of a password for something else.
            raise Unavailable(
                f"Backend {self.name!r}: its url is not one for MongoDB, such as mongodb://host:port/db, or has an "
                "option that is none."
            ) from None

    async def open(self) -> None:
        """Nothing to wait for: the client connects at first use."""

    async def close(self) -> None:
        """Close all connections."""
        await self._database.client.close()

    async def ping(self) -> None:
        """Ask the server for a sign of life, and for its time; `Unavailable` if none comes."""
        hello = await self.call(lambda database: database.command("hello"))
        self._ahead = hello["localTime"].replace(tzinfo=UTC).timestamp() - time.time()

    def collection(self, name: str) -> "MongoCollection":
        """Return one of its collections."""
        return MongoCollection(self, name)

    def now(self) -> float:
        """Return the server's time, as far as the last ping told."""
        return time.time() + self._ahead

    async def call(self, do: Callable[[AsyncDatabase[Document]], Awaitable[T]]) -> T:
        """Do something with the database. When the server refuses our password, read it again and try once more."""
        database, used = self._database, self._credentials.used()
        try:
            return await do(database)
        except FOREIGN as error:
            if not _is_refusal(error) or not await self._credentials.changed(used):
                raise self._translated(error) from error
        await self._reconnect(database)
        try:
            return await do(self._database)
        except FOREIGN as error:
            raise self._translated(error) from error

    async def _reconnect(self, refused: AsyncDatabase[Document]) -> None:
        if self._database is refused:  # Else another call was faster.
            self._database = self._connect()
            await refused.client.close()

    def _translated(self, error: Exception) -> StackwrightError:
        backend, where = f"Backend {self.name!r}", f"MongoDB at {self.address}"
        match error:
            case WaitQueueTimeoutError():
                return Unavailable(
                    f"{backend} is busy: no connection came free within {self._settings.pool_timeout:g} s.",
                    code="pool_full",
                )
            case DocumentTooLarge():
                return TooLarge(f"{backend} takes values of at most 16 MB.")
            case OperationFailure(code=code) if code == OUT_OF_DISK_SPACE:
                return StorageFull(f"{backend} has no disk space left.")
            case OperationFailure() if _is_refusal(error):
                return refusal(self.name, where)
            case _:
                return Unreachable(self.name, f"{where} does not answer: {error}")


class MongoCollection:
    """One collection for all namespaces."""

    def __init__(self, database: MongoDatabase, name: str) -> None:
        self.now = database.now
        self._database = database
        self._name = name
        self._expires = False

    def namespace(self, namespace: str) -> KV:
        """Return a namespace of this collection."""
        return MongoKV(self, check_namespace(namespace))

    async def expiry(self, ttl: float | None) -> float:
        """Return when a value written now is gone; makes sure that the server sweeps."""
        if ttl is None:
            return NEVER
        if not self._expires:
            await self.call(lambda collection: collection.create_index("swept_at", expireAfterSeconds=0))
            self._expires = True
        return self.now() + ttl

    async def call(self, do: Callable[[AsyncCollection[Document]], Awaitable[T]]) -> T:
        """Do something with the collection; see `MongoDatabase.call`."""
        return await self._database.call(lambda database: do(database.get_collection(self._name, write_concern=SAFE)))


class MongoKV:
    """One namespace."""

    def __init__(self, collection: MongoCollection, namespace: str) -> None:
        self._collection = collection
        self._prefix = namespace + NAMESPACE_END

    async def get(self, key: str) -> bytes | None:
        """See `KV.get`."""
        return self._value(await self._find(check_key(key)))

    async def set(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """See `KV.set`."""
        place = {"_id": self._prefix + check_key(key)}
        change = {"$set": _content(value, await self._collection.expiry(ttl))}
        await self._collection.call(lambda collection: collection.update_one(place, change, upsert=True))

    async def delete(self, key: str) -> bool:
        """See `KV.delete`."""
        place = {"_id": self._prefix + check_key(key)}
        deleted = await self._collection.call(lambda collection: collection.find_one_and_delete(place))
        return self._value(deleted) is not None

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None) -> bool:
        """See `KV.compare_and_set`."""
        while True:
            found = await self._find(check_key(key))
            if self._value(found) != expected:
                return False
            if await self._swap(key, found, value):
                return True
            # Somebody was faster. What they wrote may be what we expect, so look again.

    async def scan(
        self, *, prefix: str = "", start: str = "", end: str | None = None, limit: int = 1000
    ) -> Sequence[Entry]:
        """See `KV.scan`."""
        return [Entry(key, value) for key, value, _ in await self._scan(*span(prefix, start, end, limit), limit)]

    async def dump(self, *, after: str = "", limit: int = 1000) -> Sequence[Kept]:
        """See `KV.dump`."""
        return await self._scan(*span("", following(after), None, limit), limit)

    async def load(self, entries: Sequence[Kept]) -> None:
        """See `KV.load`."""
        writes = [
            UpdateOne(
                {"_id": self._prefix + check_key(key)},
                {"$set": _content(value, await self._collection.expiry(ttl))},
                upsert=True,
            )
            for key, value, ttl in entries
        ]
        if writes:
            await self._collection.call(lambda collection: collection.bulk_write(writes))

    async def _scan(self, low: str, high: str, limit: int) -> list[Kept]:
        now = self._collection.now()
        query = {"_id": {"$gte": self._prefix + low, "$lt": self._prefix + high}, "expires_at": {"$gt": now}}
        found = await self._collection.call(
            lambda collection: collection.find(query).sort("_id", 1).limit(limit).to_list()
        )
        return [
            Kept(
                document["_id"].removeprefix(self._prefix),
                document["value"],
                None if document["expires_at"] == NEVER else document["expires_at"] - now,
            )
            for document in found
        ]

    async def _find(self, key: str) -> Document | None:
        place = {"_id": self._prefix + key}
        return await self._collection.call(lambda collection: collection.find_one(place))

    def _value(self, document: Document | None) -> bytes | None:
        if document is None or document["expires_at"] <= self._collection.now():
            return None
        value: bytes = document["value"]
        return value

    async def _swap(self, key: str, found: Document | None, value: bytes | None) -> bool:
        """Write `value` if the document is still the one found."""
        if found is None:
            return value is None or await self._insert(key, value)
        place = {"_id": found["_id"], "revision": found["revision"]}
        if value is None:
            deleted = await self._collection.call(lambda collection: collection.delete_one(place))
            return deleted.deleted_count == 1
        change = {"$set": _content(value, NEVER)}
        updated = await self._collection.call(lambda collection: collection.update_one(place, change))
        return updated.matched_count == 1

    async def _insert(self, key: str, value: bytes) -> bool:
        document = {"_id": self._prefix + key, **_content(value, NEVER)}

        async def insert(collection: AsyncCollection[Document]) -> bool:
            try:
                await collection.insert_one(document)
            except DuplicateKeyError:
                return False
            return True

        return await self._collection.call(insert)


def options_of(settings: MongoBackend) -> dict[str, Any]:
    """Return the settings as pymongo's keyword arguments."""
    password = settings.password.reveal() if settings.password else None
    place = {"host": settings.host, "port": settings.port, "username": settings.user, "password": password}
    return ({"host": settings.url.reveal()} if settings.url else place) | {
        "maxPoolSize": settings.pool_size,
        "waitQueueTimeoutMS": settings.pool_timeout * 1000,
        "serverSelectionTimeoutMS": settings.pool_timeout * 1000,
        "connectTimeoutMS": settings.pool_timeout * 1000,
        "socketTimeoutMS": settings.command_timeout * 1000,
    }


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, OperationFailure) and error.code == AUTHENTICATION_FAILED


def _content(value: bytes, expires_at: float) -> Document:
    # The server's sweeper wants a date, and leaves documents without one alone.
    swept_at = None if expires_at == NEVER else datetime.fromtimestamp(expires_at, UTC)
    return {"value": value, "revision": os.urandom(12).hex(), "expires_at": expires_at, "swept_at": swept_at}
