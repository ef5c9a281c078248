"""Fixtures every room's tests may use, and how laws are tried."""

from hypothesis import settings

from tests.databases import database, execute, where
from tests.servers import postgres_db, postgres_server
from tests.servers_kv import mongo_server, valkey_server
from tests.servers_mcp import mcp_server

__all__ = [
    "database",
    "execute",
    "mcp_server",
    "mongo_server",
    "postgres_db",
    "postgres_server",
    "valkey_server",
    "where",
]

# The same examples each time, so that a run says something about the change and not about its luck. To look for new
# ones: --hypothesis-profile=exploring.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("repeatable")
