"""Connections to one Postgres: how many, how old, and what happens while the server is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg  # type: ignore[import-untyped]

from stackwright.errors import Unavailable

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_FAREWELL = 2.0


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that knows when it was opened."""

    born: float


class Pool:
    """Up to `size` connections kept, up to `overflow` more while they are needed.

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
        # One permit a connection in use. A connection is opened only by who holds a permit and finds none idle, so
        # idle ones and used ones together never exceed the limit.
        self._permits = asyncio.Semaphore(self._limit)
        self._idle: list[PooledConnection] = []
        self._farewells: set[asyncio.Task[None]] = set()
        self._closed = False
        self._reason: Unavailable | None = None
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
        """Give a connection back. One that is dead, or one too many, is not kept."""
        if connection.is_closed():
            connection.terminate()
            self._permits.release()
        elif self._closed or len(self._idle) >= self._size:
            task = asyncio.create_task(self._dismiss(connection))
            self._farewells.add(task)
            task.add_done_callback(self._farewells.discard)
        else:
            self._idle.append(connection)
            self._permits.release()

    def forget_idle(self) -> None:
        """Drop the connections nobody uses, because one of their siblings was found dead."""
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()

    async def close(self) -> None:
        """Close what is idle now and what is in use when it comes back."""
        self._closed = True
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
            raise Unavailable(self._reason.message)
        self._probing = True
        try:
            return await self._knock()
        finally:
            self._probing = False

    async def _knock(self) -> PooledConnection:
        try:
            connection = await self._connect()
        except Unavailable as reason:
            self._reason = reason
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            self._try_again_at = time.monotonic() + self._pause
            raise
        self._reason, self._pause = None, 0.0
        connection.born = time.monotonic()
        return connection

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
