"""Memory keeps the key-value contract."""

import pytest

from stackwright.testing.kv_contract import Clients, KVContract
from stackwright.testing.memory_kv import MemoryDatabase


class TestMemory(KVContract):
    @pytest.fixture
    def clients(self) -> Clients:
        database = MemoryDatabase()
        return database, database
