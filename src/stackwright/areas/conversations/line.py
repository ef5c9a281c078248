"""Appends to one conversation, one transaction at a time.

They would wait for each other in the database anyway, for the row that counts positions, each holding a connection that
others need. Here they wait in a line of their own, and those that have gathered there are committed together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from stackwright.areas.conversations.items import ItemRow
from stackwright.errors import InvalidRequest

Key = tuple[str, str]
_TOGETHER = 50


class _Append(NamedTuple):
    rows: Sequence[ItemRow]
    done: "asyncio.Future[None]"


class Line:
    """Where appends wait for the one before them."""

    def __init__(self, commit: Callable[[Key, Sequence[ItemRow]], Awaitable[None]]) -> None:
        """`commit` appends rows to the conversation that the key names: all of them, or none."""
        self._commit = commit
        self._waiting: dict[Key, list[_Append]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(self, key: Key, rows: Sequence[ItemRow]) -> None:
        """Append rows, all or none, behind those that wait already; committed on return. Who stops waiting may find
        them committed all the same."""
        append = _Append(rows, asyncio.get_running_loop().create_future())
        if key in self._waiting:
            self._waiting[key].append(append)
        else:
            self._waiting[key] = [append]
            task = asyncio.create_task(self._drain(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await append.done

    async def _drain(self, key: Key) -> None:
        while self._waiting[key]:
            batch, self._waiting[key] = self._waiting[key][:_TOGETHER], self._waiting[key][_TOGETHER:]
            if wanted := [append for append in batch if not append.done.done()]:
                await self._perform(key, wanted)
        del self._waiting[key]

    async def _perform(self, key: Key, batch: Sequence[_Append]) -> None:
        try:
            await self._commit(key, [row for append in batch for row in append.rows])
        except InvalidRequest as error:
            if len(batch) > 1:
                # One of them spoilt it for all; alone, each gets what it deserves.
                for append in batch:
                    await self._perform(key, [append])
                return
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            _fail(batch, error)
        else:
            for append in batch:
                if not append.done.done():
                    append.done.set_result(None)


def _fail(batch: Sequence[_Append], error: Exception) -> None:
    for append in batch:
        if not append.done.done():
            append.done.set_exception(error)
