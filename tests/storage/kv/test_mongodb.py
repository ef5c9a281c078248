"""MongoDB keeps the key-value contract, as far as a server that speaks its protocol can tell."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from stackwright.config.storage import MongoBackend
from stackwright.ids import mint
from stackwright.storage.kv.mongodb import MongoDatabase
from stackwright.testing.kv_contract import Clients, KVContract
from tests.servers_kv import MongoServer


def database(server: MongoServer, **settings: Any) -> MongoDatabase:
    return MongoDatabase(MongoBackend(type="kv_mongodb", host=server.host, port=server.port, **settings), name="docs")


class TestMongoDB(KVContract):
    @pytest.fixture
    async def clients(self, mongo_server: MongoServer) -> AsyncIterator[Clients]:
        # A collection of its own, because this server looks at all of a collection's documents to find one.
        collection = mint("kv_")
        one, other = (database(mongo_server, collection_name=collection) for _ in range(2))
        yield one, other
        await one.close()
        await other.close()
