"""Postgres's NOTIFY and LISTEN, on a connection of their own.

Not in the transaction of the change: transactions that notify commit one after the other, for the whole database. So a
process notifies after its commit, once for all that it committed meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from stackwright.errors import StackwrightError
from stackwright.kit.beside import beside
from stackwright.storage.sql.columns import quoted
from stackwright.storage.sql.failures import MissingTable
from stackwright.storage.sql.postgres_errors import FOREIGN
from stackwright.storage.sql.postgres_pool import PooledConnection, say_goodbye

log = logging.getLogger(__name__)

GAP = 0.05
"""Seconds between one ring and the next, and between one hearing and the next: a crowd of changes is told at once."""
HEARTBEAT = 30.0
"""Seconds after which a silent connection is tried. Firewalls and `idle_session_timeout` end those that say nothing."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
_ALIVE = "alive"
"""What a heartbeat says, so that nobody takes it for a change."""


class PostgresBell:
    """See `Bell`. It hears itself too, and so knows that it hears: behind a pooler that hands out connections by the
    transaction it does not."""

    def __init__(self, connect: Callable[[], Awaitable[PooledConnection]], table_name: str) -> None:
        self.hears = False
        self._connect = connect
        self._table = quoted(table_name)
        self._rung = asyncio.Event()
        self._heard = asyncio.Event()

    def ring(self) -> None:
        """See `Bell`."""
        self._rung.set()

    async def heard(self, within: float) -> None:
        """See `Bell`."""
        await asyncio.sleep(GAP)
        await _set(self._heard, within - GAP)
        self._heard.clear()

    def listening(self) -> AbstractAsyncContextManager[None]:
        """See `Bell`."""
        return beside(self._stay())

    async def _stay(self) -> None:
        """Have a connection, and another one when that is lost."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._serve()
            except (StackwrightError, *FOREIGN) as error:
                log.debug("Nothing is heard of changes to %s: %s", self._table, error)
            pause = FIRST_PAUSE if self.hears else min(2 * pause, LONGEST_PAUSE)
            self.hears = False
            # Who waits for a ring that cannot come had better look.
            self._heard.set()
            await asyncio.sleep(pause)

    async def _serve(self) -> None:
        """Ring and hear on one connection until it is lost."""
        connection = await self._connect()
        try:
            connection.add_termination_listener(lambda _: self._rung.set())
            channel = await self._channel(connection)
            await connection.add_listener(channel, self._hear)
            self._heard.set()
            # What was to be told while there was no connection is told now.
            await connection.execute(f"NOTIFY {channel}")
            while not connection.is_closed():
                await asyncio.sleep(GAP)
                rung = await _set(self._rung, HEARTBEAT)
                self._rung.clear()
                await connection.execute(f"NOTIFY {channel}" if rung else f"NOTIFY {channel}, '{_ALIVE}'")
        finally:
            await say_goodbye(connection)

    async def _channel(self, connection: PooledConnection) -> str:
        """Return the channel of the table: of its number, since a name may stand for another table in another schema,
        and channels are the whole database's."""
        number = await connection.fetchval("SELECT to_regclass($1)::oid", self._table)
        if number is None:
            raise MissingTable(f"The table {self._table} is not there yet.")
        return f"stackwright_{number}"

    def _hear(self, connection: PooledConnection, process: int, _channel: str, word: str) -> None:
        self.hears = True
        if word != _ALIVE and process != connection.get_server_pid():
            self._heard.set()


async def _set(event: asyncio.Event, within: float) -> bool:
    """Wait for an event; False when it does not come in time."""
    try:
        async with asyncio.timeout(within):
            await event.wait()
    except TimeoutError:
        return False
    return True
