"""A process that appends to one conversation, many at once: `python -m tests.areas.conversations.appending URL ...`."""

import asyncio
import sys

from stackwright.areas.conversations import Conversations, ConversationStore
from stackwright.areas.conversations.types import NewItems
from tests.databases import database_at


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
