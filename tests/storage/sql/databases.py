"""What the SQL tests need to reach the servers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from stackwright.config.secret import Secret
from stackwright.config.storage import PostgresBackend
from tests.servers import PostgresServer


def settings_for(server: PostgresServer, db: str, **changes: Any) -> PostgresBackend:
    """Return settings for a database of the test server.

    They are patient, unless told otherwise: a busy machine may stand still for seconds.
    """
    if "connection_string" in changes:
        return PostgresBackend(type="sql_postgres", **changes)
    parts: dict[str, Any] = {
        "type": "sql_postgres",
        "host": server.host,
        "port": server.port,
        "db": db,
        "user": server.user,
        "password": Secret(server.password),
        "pool_timeout": 20.0,
        "command_timeout": 20.0,
    }
    return PostgresBackend(**(parts | changes))


async def eventually(condition: Callable[[], Awaitable[bool]], *, seconds: float = 20.0) -> None:
    """Wait until the condition holds; fail when it takes too long."""
    start = time.monotonic()
    while not await condition():
        assert time.monotonic() - start < seconds, "it did not happen in time"
        await asyncio.sleep(0.02)
