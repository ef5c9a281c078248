"""A process that appends to one conversation, many at once: `python -m tests.areas.conversations.appending URL ...`."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from stackwright.areas.conversations import Conversations, ConversationStore
from stackwright.areas.conversations.types import NewItems
from stackwright.config.secret import Secret
from stackwright.config.storage import PostgresBackend
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.storage.sql.sqlite import SqliteDatabase


def database_at(where: str) -> Any:
    """Return the database behind a Postgres URL or a path, not open yet."""
    if where.startswith("postgresql://"):
        settings = PostgresBackend(type="sql_postgres", connection_string=Secret(where), pool_timeout=30)
        return PostgresDatabase(settings, name="sql")
    return SqliteDatabase(Path(where), name="sql", timeout=30, pool_timeout=30)


async def append(where: str, conversation_id: str, name: str, count: int) -> None:
    database = database_at(where)
    await database.open()
    store = ConversationStore(database, "talks")
    await store.prepare()
    conversations = Conversations(store)
    together = asyncio.Semaphore(50)

    async def one(number: int) -> None:
        item = {"role": "user", "content": f"{name}-{number}", "id": f"msg_{name}_{number}"}
        async with together:
            await conversations.append("ada", conversation_id, NewItems(items=[item]))

    await asyncio.gather(*(one(number) for number in range(count)))
    await database.close()


if __name__ == "__main__":
    asyncio.run(append(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
