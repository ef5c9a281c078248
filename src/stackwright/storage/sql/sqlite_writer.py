"""The one thread that writes to a SQLite file.

It takes everything that is waiting, runs it in one transaction, and lets all waiters go after one fsync; the next batch
forms while the disk syncs. There is no timer: alone, a write costs one fsync; in a crowd, a fraction of one. An idle
writer is woken when the event loop has come round twice, so that who is about to write as well writes with the first.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from stackwright.errors import StackwrightError, StorageFull, Unavailable
from stackwright.storage.sql import Do, Row, Script
from stackwright.storage.sql.job import Impatience, Job, Work, release
from stackwright.storage.sql.script import play
from stackwright.storage.sql.sqlite_errors import FOREIGN, translate


class SqliteWriter:
    """Runs jobs on its thread, in batches. Made, used and closed on the event loop's thread."""

    def __init__(self, name: str, connect: Callable[[], apsw.Connection], path: Path) -> None:
        self.broken: str | None = None
        self.full = False
        """True after a write found the disk full, until one succeeds."""
        self.commits = 0
        self._name = name
        self._connect = connect
        self._path = path
        self._file: tuple[int, int] | None = None
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Job] = []
        self._condition = threading.Condition(threading.Lock())
        self._closing = False
        self._impatience = Impatience(self._take_late, self._held_up)
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name=f"sqlite-writer-{name}", daemon=True)

    async def open(self) -> None:
        """Start the thread and wait until it has opened the file."""
        self._thread.start()
        try:
            await self._opened
        except StackwrightError:
            self._thread.join()
            raise

    async def close(self) -> None:
        """Write what is waiting, then close the file."""
        self._impatience.stop()
        with self._condition:
            self._closing = True
            self._condition.notify()
        await asyncio.shield(self._ended)
        self._thread.join()

    def submit(self, work: Work, patience: float) -> "asyncio.Future[Any]":
        """Queue one piece of work; see `Lane`."""
        if self.broken is not None or self._closing:
            raise self._out_of_service()
        job = Job(work, self._loop.create_future(), self._loop.time() + patience)
        with self._condition:
            self._waiting.append(job)
            if len(self._waiting) == 1:
                self._loop.call_soon(self._loop.call_soon, self._wake)
        self._impatience.follow(job.limit)
        return job.future

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def _out_of_service(self) -> Unavailable:
        return Unavailable(f"Backend {self._name!r} is out of service: {self.broken or 'it is closed'}.")

    def _held_up(self) -> Unavailable:
        return Unavailable(f"Backend {self._name!r}: the writer is held up. Nothing was written.")

    def _take_late(self, now: float) -> tuple[list[Job], float | None]:
        with self._condition:
            late = [job for job in self._waiting if job.limit <= now]
            self._waiting = [job for job in self._waiting if job.limit > now]
            return late, min((job.limit for job in self._waiting), default=None)

    def _run(self) -> None:
        try:
            connection = self._connect()
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the one who waits for the opening
            self._loop.call_soon_threadsafe(self._opened.set_exception, translate(error, self._name))
            return
        self._file = _identity(self._path)
        self._loop.call_soon_threadsafe(self._opened.set_result, None)
        while batch := self._take():
            self._write(connection, batch)
            if any(isinstance(job.error, StorageFull) for job in batch):
                self.full = True
            self._loop.call_soon_threadsafe(release, batch)
        connection.close()
        self._loop.call_soon_threadsafe(self._ended.set_result, None)

    def _take(self) -> list[Job]:
        with self._condition:
            while not self._waiting and not self._closing:
                self._condition.wait()
            batch, self._waiting = self._waiting, []
        return batch

    def _write(self, connection: apsw.Connection, batch: Sequence[Job]) -> None:
        try:
            if self.broken is not None:
                raise self._out_of_service()
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._perform(connection, job)
            self._commit(connection)
        except Exception as error:  # noqa: BLE001 - the thread outlives every failure, and every waiter hears of it
            self._give_up(connection, batch, error)

    def _perform(self, connection: apsw.Connection, job: Job) -> None:
        try:
            if callable(job.work):
                job.result = self._within(connection, partial(self._play, job.work))
            elif len(job.work) == 1:
                # No savepoint: SQLite takes back a statement that fails, and leaves the transaction alone.
                job.result = _run_all(connection, job.work)
            else:
                job.result = self._within(connection, partial(_run_all, dos=job.work))
        except Exception as error:
            if connection.get_autocommit():
                # Disk full and I/O errors take the whole transaction back, the other jobs' work included.
                raise
            job.error = translate(error, self._name)

    def _within(self, connection: apsw.Connection, work: Callable[[apsw.Connection], Any]) -> Any:
        """Do some work that stands or falls as one."""
        connection.execute("SAVEPOINT script")
        try:
            result = work(connection)
        except Exception:
            if not connection.get_autocommit():
                connection.execute("ROLLBACK TO script")
                connection.execute("RELEASE script")
            raise
        connection.execute("RELEASE script")
        return result

    def _play(self, build: Callable[[], Script[Any]], connection: apsw.Connection) -> Any:
        return play(build(), lambda do: self._run_one(connection, do))

    def _run_one(self, connection: apsw.Connection, do: Do) -> list[Row]:
        try:
            return connection.execute(do.sql, do.args).fetchall()
        except FOREIGN as error:
            raise translate(error, self._name) from error

    def _commit(self, connection: apsw.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except apsw.IOError as error:
            # After a failed fsync the kernel may have dropped the pages: a second try would succeed and prove nothing.
            self.broken = f"a commit failed on the disk ({error}); restart after checking it"
            raise
        self.commits += 1
        self.full = False
        self.look()
        if self.broken is not None:
            # It was written, to a file that nobody will find again.
            raise self._out_of_service()

    def look(self) -> None:
        """Find out whether the file is still the one that was opened; it is broken when not. For any thread."""
        if self.broken is None and self._file is not None and _identity(self._path) != self._file:
            self.broken = (
                f"the file {self._path} was deleted or replaced while it was open; restart to open what is there"
            )

    def _give_up(self, connection: apsw.Connection, batch: Sequence[Job], error: Exception) -> None:
        if not connection.get_autocommit():
            try:
                connection.execute("ROLLBACK")
            except apsw.Error as worse:
                self.broken = self.broken or f"a rollback failed ({worse})"
        for job in batch:
            job.error = job.error or translate(error, self._name)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from others that have had its name; None when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _run_all(connection: apsw.Connection, dos: Sequence[Do]) -> list[Row]:
    """Run statements and return the rows of the first."""
    rows = connection.execute(dos[0].sql, dos[0].args).fetchall()
    for do in dos[1:]:
        connection.execute(do.sql, do.args)
    return rows
