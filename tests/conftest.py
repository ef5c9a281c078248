"""Fixtures every room's tests may use."""

from tests.servers import postgres_db, postgres_server

__all__ = ["postgres_db", "postgres_server"]
