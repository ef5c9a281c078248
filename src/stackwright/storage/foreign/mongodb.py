"""Llama Stack's documents in a MongoDB collection: a key and a value each."""

from collections.abc import AsyncGenerator
from functools import partial

from pymongo.asynchronous.database import AsyncDatabase

from stackwright.config.storage import MongoBackend
from stackwright.storage.kv.mongodb import Document, MongoDatabase

_BATCH = 1000


class ForeignMongo:
    """See `ForeignKeys`."""

    def __init__(self, settings: MongoBackend) -> None:
        self._database = MongoDatabase(settings, name="--from")
        self._collection = settings.collection_name
        self.address = self._database.address

    async def open(self) -> None:
        """Make sure that it is there."""
        await self._database.ping()

    async def close(self) -> None:
        """Disconnect."""
        await self._database.close()

    async def keys(self) -> AsyncGenerator[list[str], None]:
        """See `ForeignKeys`. Documents without a key are not Llama Stack's."""
        last = ""
        while True:
            documents = await self._database.call(partial(self._after, last))
            keys = [str(document["key"]) for document in documents]
            yield keys
            if len(keys) < _BATCH:
                return
            last = keys[-1]

    async def _after(self, last: str, database: AsyncDatabase[Document]) -> list[Document]:
        found = database[self._collection].find({"key": {"$gt": last}}, {"key": 1, "_id": 0})
        return await found.sort("key", 1).limit(_BATCH).to_list()

    async def get(self, key: str) -> str | None:
        """See `ForeignKeys`."""
        found = await self._database.call(lambda database: database[self._collection].find_one({"key": key}))
        value = found and found.get("value")
        return value if isinstance(value, str) else None
