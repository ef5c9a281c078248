"""Connections to one Postgres: how many, how old, and what happens while the server is away."""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from stackwright.errors import Unavailable, Unreachable

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_FAREWELL = 2.0
SPARE_SECONDS = 5.0
"""How long a connection above `size` is kept for the next who needs it. Opening takes 5 ms of CPU, a statement 0.1."""


_numbers = itertools.count()
_process = os.urandom(6).hex()


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that knows when it was opened, and when it was last given back."""

    born: float
    idle_since: float

    def _get_unique_id(self, prefix: str) -> str:
        # The driver's own names are the same in all processes. A pooler that hands out connections by the transaction
        # would run another process's statement under such a name, with our arguments.
        return f"{prefix}_{_process}_{next(_numbers):x}"


class Pool:
    """Up to `size` connections kept, up to `overflow` more while they are needed and for a moment after.

    asyncpg's own pool is not used: it sends a reset query with every release, knows no overflow and no age, and cannot
    be opened while the server is away.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[PooledConnection]],
        *,
        name: str,
        size: int,
        overflow: int,
        timeout: float,
        recycle: float,
    ) -> None:
        self._connect = connect
        self._name = name
        self._size = size
        self._limit = size + overflow
        self._timeout = timeout
        self._recycle = recycle if recycle >= 0 else float("inf")
        # One permit a connection in use, or being closed. A connection is opened only by who holds a permit and finds
        # none idle, so idle ones and used ones together never exceed the limit.
        self._permits = asyncio.Semaphore(self._limit)
        # The last given back is the next given out, so that the first are those that nobody needs.
        self._idle: list[PooledConnection] = []
        self._farewells: set[asyncio.Task[None]] = set()
        self._trimming: asyncio.TimerHandle | None = None
        self._closed = False
        self._reason: Unreachable | None = None
        self._pause = 0.0
        self._try_again_at = 0.0
        self._probing = False

    async def acquire(self, patience: float | None = None) -> PooledConnection:
        """Return a connection for the caller alone. `Unavailable` after `patience` seconds with none free, or at once
        while the server is known to be away."""
        if self._closed:
            raise Unavailable(f"Backend {self._name!r} is closed.")
        await self._take_permit(self._timeout if patience is None else patience)
        try:
            return await self._idle_or_new()
        except BaseException:
            self._permits.release()
            raise

    def release(self, connection: PooledConnection) -> None:
        """Give a connection back. One that is dead is not kept, one above `size` not for long."""
        if connection.is_closed():
            connection.terminate()
            self._permits.release()
        elif self._closed:
            self._aside(self._dismiss(connection))
        else:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
            self._permits.release()
            self._trim_later()

    def forget_idle(self) -> None:
        """Drop the connections nobody uses, because one of their siblings was found dead."""
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()

    async def close(self) -> None:
        """Close what is idle now and what is in use when it comes back."""
        self._closed = True
        if self._trimming is not None:
            self._trimming.cancel()
        idle, self._idle = self._idle, []
        await asyncio.gather(*map(say_goodbye, idle), *self._farewells)

    async def _take_permit(self, patience: float) -> None:
        if not self._permits.locked():
            await self._permits.acquire()
            return
        try:
            async with asyncio.timeout(patience):
                await self._permits.acquire()
        except TimeoutError:
            raise Unavailable(
                f"Backend {self._name!r}: all {self._limit} connections of its pool were in use for {patience:g} s.",
                code="pool_full",
            ) from None

    async def _idle_or_new(self) -> PooledConnection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_closed():
                connection.terminate()
            elif time.monotonic() - connection.born > self._recycle:
                await say_goodbye(connection)
            else:
                return connection
        return await self._open()

    async def _open(self) -> PooledConnection:
        """Open a connection, but let only one caller at a time knock at a server that did not answer before."""
        if self._reason is None:
            return await self._knock()
        if self._probing or time.monotonic() < self._try_again_at:
            raise Unreachable(self._name, self._reason.why)
        self._probing = True
        try:
            return await self._knock()
        finally:
            self._probing = False

    async def _knock(self) -> PooledConnection:
        try:
            connection = await self._connect()
        except Unreachable as reason:
            self._reason = reason
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            self._try_again_at = time.monotonic() + self._pause
            raise
        self._reason, self._pause = None, 0.0
        connection.born = time.monotonic()
        return connection

    def _trim_later(self) -> None:
        if len(self._idle) > self._size and self._trimming is None:
            due = self._idle[0].idle_since + SPARE_SECONDS - time.monotonic()
            self._trimming = asyncio.get_running_loop().call_later(due, lambda: self._aside(self._trim()))

    async def _trim(self) -> None:
        """Close the connections above `size` that nobody has needed for a while."""
        self._trimming = None
        while not self._permits.locked():
            await self._permits.acquire()
            if len(self._idle) <= self._size or self._idle[0].idle_since > time.monotonic() - SPARE_SECONDS:
                self._permits.release()
                break
            await self._dismiss(self._idle.pop(0))
        self._trim_later()

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    async def _dismiss(self, connection: PooledConnection) -> None:
        try:
            await say_goodbye(connection)
        finally:
            self._permits.release()


async def say_goodbye(connection: PooledConnection) -> None:
    """Close a connection politely, and hang up if that fails."""
    with suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
        await connection.close(timeout=_FAREWELL)
    connection.terminate()
