"""A process that writes rows from 16 clients and prints each id once it is acknowledged, until it is killed."""

import asyncio
import sys
from pathlib import Path

from stackwright.storage.sql import Do, Migration
from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.storage.sql.writer import WriteQueue

NOTES = [Migration(1, ["CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT)"])]


async def write(queue: WriteQueue, client: str) -> None:
    number = 0
    while True:
        name = f"{client}-{number}"
        await queue.commit(Do("INSERT INTO notes (id, body) VALUES (?1, ?2)", (name, "x" * 500)))
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        number += 1


async def main(path: Path, run: str) -> None:
    database = SqliteDatabase(path, name="sql", timeout=5, pool_timeout=2)
    await database.open()
    await database.migrate("notes", NOTES)
    queue = WriteQueue(database, max_waiting=1000, batches=1)
    await asyncio.gather(*(write(queue, f"{run}-{client}") for client in range(16)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
