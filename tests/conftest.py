"""Fixtures every room's tests may use."""

from tests.servers import postgres_db, postgres_server
from tests.servers_kv import mongo_server, valkey_server

__all__ = ["mongo_server", "postgres_db", "postgres_server", "valkey_server"]
