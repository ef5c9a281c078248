"""Memory keeps the key-value contract."""

import pytest

from stackwright.storage.kv.memory import MemoryDatabase
from stackwright.testing.kv_contract import Clients, KVContract


class TestMemory(KVContract):
    @pytest.fixture
    def clients(self) -> Clients:
        database = MemoryDatabase()
        return database, database
