"""What is done on one Postgres connection: a statement, many, or a transaction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from stackwright.errors import StackwrightError, Unavailable
from stackwright.storage.sql import Do, Look, Row, Script, Value, Whole
from stackwright.storage.sql.failures import OutcomeUnknown
from stackwright.storage.sql.postgres_errors import FOREIGN, ConnectionLost, NoAnswer, translate
from stackwright.storage.sql.postgres_pool import PooledConnection
from stackwright.storage.sql.script import play_async

T = TypeVar("T")


class Session:
    """A connection somebody holds for a moment, and the name of its backend for messages."""

    __slots__ = ("_backend", "_begun", "_connection")

    def __init__(self, connection: PooledConnection, backend: str) -> None:
        self._connection = connection
        self._backend = backend
        self._begun = False

    async def ask(self, do: Do) -> list[Row]:
        """Run one statement."""
        try:
            return [tuple(row) for row in await self._connection.fetch(do.sql, *do.args)]
        except FOREIGN as error:
            raise self._translated(error) from error

    async def commit(self, do: Do) -> list[Row]:
        """Run one statement that is its own transaction: no BEGIN, no COMMIT, one round trip."""
        with self._answer_owed():
            return await self.ask(do)

    async def commit_many(self, sql: str, args: Sequence[Sequence[Value]]) -> None:
        """Run a statement with each of several arguments in one transaction, and one round trip."""
        with self._answer_owed(), self._translating():
            await self._connection.executemany(sql, args)

    async def transact(self, script: Script[T]) -> T:
        """Run a script in a transaction, which begins with the first statement that needs one."""
        try:
            result = await play_async(script, self._step)
            if self._begun:
                with self._answer_owed(), self._translating():
                    await self._connection.execute("COMMIT")
        except Exception:
            if self._begun:
                await self._roll_back()
            raise
        except BaseException:
            # Cancelled: hanging up rolls back without making the canceller wait for an answer.
            self._connection.terminate()
            raise
        return result

    async def _step(self, do: Do) -> list[Row]:
        if not self._begun:
            if isinstance(do, Whole):
                return await self.commit(do)
            if not isinstance(do, Look):
                with self._translating():
                    await self._connection.execute("BEGIN")
                self._begun = True
        return await self.ask(do)

    async def _roll_back(self) -> None:
        if self._connection.is_closed():
            return
        try:
            with self._translating():
                await self._connection.execute("ROLLBACK")
        except Unavailable:
            self._connection.terminate()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except FOREIGN as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> StackwrightError:
        failure = translate(error, self._backend, closed=self._connection.is_closed())
        if isinstance(failure, ConnectionLost | NoAnswer):
            # The pool must not hand it to anybody else, and it may not know yet that it is dead.
            self._connection.terminate()
        return failure

    @contextmanager
    def _answer_owed(self) -> Iterator[None]:
        try:
            yield
        except (ConnectionLost, NoAnswer) as error:
            raise OutcomeUnknown(self._backend) from error
