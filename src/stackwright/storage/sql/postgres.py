"""Postgres through asyncpg: one pool per database, autocommit for single statements, healing by itself."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from stackwright.config.storage import PostgresBackend
from stackwright.errors import Unavailable
from stackwright.storage.sql import Do, Migration, Row, Script, Value
from stackwright.storage.sql.migrate import migration_script
from stackwright.storage.sql.postgres_bell import PostgresBell
from stackwright.storage.sql.postgres_connect import Connector
from stackwright.storage.sql.postgres_errors import ConnectionLost, Contended
from stackwright.storage.sql.postgres_lane import PostgresLane
from stackwright.storage.sql.postgres_one import as_one
from stackwright.storage.sql.postgres_pool import Pool
from stackwright.storage.sql.postgres_session import Session

T = TypeVar("T")

_WORDS = {
    "{serial}": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "{bytes}": "BYTEA",
    "{text}": 'TEXT COLLATE "C"',
    "{now}": "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)",
    "{lock}": "FOR UPDATE",
    "{skip_locked}": "FOR UPDATE SKIP LOCKED",
}
_MIGRATION_LOCK = Do("SELECT pg_advisory_xact_lock(7166127213)")
_ATTEMPTS = 8
_FIRST_PAUSE = 0.005


class PostgresDatabase:
    """One Postgres database under one role. KV and SQL backends with the same address and credentials share it."""

    broken: str | None = None
    compound = True

    def __init__(self, settings: PostgresBackend, *, name: str, application: str = "stackwright") -> None:
        """Prepare; nothing is opened before `open`.

        Args:
            settings: Where it is, and how it is used.
            name: What the run file calls it, for messages.
            application: What Postgres calls our connections in `pg_stat_activity`.
        """
        self.name = name
        self.patience = settings.command_timeout
        self.commits = 0
        self._connector = Connector(settings, name=name, application=application)
        self._pool = Pool(
            self._connector.connect,
            name=name,
            size=settings.pool_size,
            overflow=settings.max_overflow,
            timeout=settings.pool_timeout,
            recycle=settings.pool_recycle,
        )
        self._pending: dict[str, Sequence[Migration]] = {}
        self._preparing = asyncio.Lock()
        self._lanes: list[PostgresLane] = []

    @property
    def address(self) -> str:
        """User, host, port and database, fit for printing."""
        return self._connector.address

    async def open(self) -> None:
        """Connect if the server is there. If it is not, whoever uses the database later connects."""
        with suppress(Unavailable):
            await self.ping()

    async def close(self) -> None:
        """Finish the queued writes and close every connection."""
        for lane in self._lanes:
            await lane.drained()
        await self._pool.close()

    async def ping(self) -> None:
        """Return if the database answers and its schemas are in place; `Unavailable` says why not."""
        await self.fetch("SELECT 1")

    def render(self, sql: str) -> str:
        """Turn a statement of the shared subset into Postgres's own."""
        return re.sub(r"\{\w+\}", lambda word: _WORDS.get(word[0], word[0]), sql)

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        """Run a read; see `SqlBackend`. One that meets a dead connection is tried again on a new one."""
        do = Do(sql, args)
        return await self._use(lambda session: session.ask(do))

    async def commit(self, do: Do, *also: Do, patience: float | None = None) -> list[Row]:
        """Run writing statements as one, its own transaction; see `SqlBackend`.

        Raises:
            OutcomeUnknown: The connection was lost before the answer came.
        """
        one = as_one(do, also)
        rows = await self._use(lambda session: session.commit(one), patience)
        self.commits += 1
        return rows

    async def commit_many(self, sql: str, args: Sequence[Sequence[Value]], *, patience: float) -> None:
        """Run one statement with each of several arguments, in one transaction: all or none."""
        await self._use(lambda session: session.commit_many(sql, args), patience)
        self.commits += 1

    async def transact(self, script: Callable[[], Script[T]], *, patience: float | None = None) -> T:
        """Run a script in a transaction of its own; see `SqlBackend`.

        Raises:
            OutcomeUnknown: The connection was lost while committing. Lost earlier, the script is simply run again.
        """
        result = await self._use(lambda session: session.transact(script()), patience)
        self.commits += 1
        return result

    async def migrate(self, store: str, migrations: Sequence[Migration]) -> None:
        """Bring a store's schema up to date; see `SqlBackend`. When the server is away this returns all the same, and
        the first use that finds the server does it."""
        try:
            await self._bring_up_to_date(store, migrations)
        except Unavailable:
            self._pending[store] = migrations

    def lane(self, batches: int) -> PostgresLane:
        """Return a queue in front of this database that runs at most `batches` batches at once."""
        lane = PostgresLane(self, batches)
        self._lanes.append(lane)
        return lane

    def bell(self, table_name: str) -> PostgresBell:
        """Return a table's bell; see `SqlBackend`. While it is listened to it has one connection more than the pool."""
        return PostgresBell(self._connector.connect, table_name)

    async def _use(self, work: Callable[[Session], Awaitable[T]], patience: float | None = None) -> T:
        """Do some work on a connection, with the schemas in place."""
        if self._pending:
            await self._prepare()
        return await self._retrying(work, patience)

    async def _prepare(self) -> None:
        async with self._preparing:
            # What fails stays: nobody may use a schema that is not the one they know.
            for store, migrations in list(self._pending.items()):
                await self._bring_up_to_date(store, migrations)
                self._pending.pop(store)

    async def _bring_up_to_date(self, store: str, migrations: Sequence[Migration]) -> None:
        await self._retrying(lambda session: session.transact(self._migration(store, migrations)))

    def _migration(self, store: str, migrations: Sequence[Migration]) -> Script[None]:
        yield _MIGRATION_LOCK
        yield from migration_script(self, store, migrations)

    async def _retrying(self, work: Callable[[Session], Awaitable[T]], patience: float | None = None) -> T:
        """Try again what a deadlock undid, and once what met a dead connection before it could have any effect."""
        lost = False
        for number in range(_ATTEMPTS):
            try:
                return await self._once(work, patience)
            except Contended:
                await asyncio.sleep(random.uniform(0, _FIRST_PAUSE * 2**number))  # noqa: S311 - jitter, not a secret
            except ConnectionLost:
                self._pool.forget_idle()
                if lost:
                    raise
                lost = True
        return await self._once(work, patience)

    async def _once(self, work: Callable[[Session], Awaitable[T]], patience: float | None) -> T:
        connection = await self._pool.acquire(patience)
        try:
            return await work(Session(connection, self.name))
        finally:
            self._pool.release(connection)
