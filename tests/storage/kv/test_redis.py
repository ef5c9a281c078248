"""Valkey keeps the key-value contract, and its failures are ours."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from stackwright.config.storage import RedisBackend
from stackwright.storage.kv.redis import RedisDatabase
from stackwright.testing.kv_contract import Clients, KVContract
from tests.servers_kv import ValkeyServer


def database(server: ValkeyServer, **settings: Any) -> RedisDatabase:
    return RedisDatabase(RedisBackend(type="kv_redis", host=server.host, port=server.port, **settings), name="cache")


class TestRedis(KVContract):
    @pytest.fixture
    async def clients(self, valkey_server: ValkeyServer) -> AsyncIterator[Clients]:
        one, other = database(valkey_server), database(valkey_server)
        yield one, other
        await one.close()
        await other.close()
