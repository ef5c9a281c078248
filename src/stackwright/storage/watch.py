"""Keeps an eye on one database: says whether it answers, and brings it back when it was away."""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from stackwright.errors import StackwrightError, Unavailable

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
DEADLINE = 5.0

log = logging.getLogger(__name__)


class Database(Protocol):
    """What every kind of database can do. `open` and `ping` raise `Unavailable` when it is away."""

    @property
    def address(self) -> str:
        """Where it is, without secrets."""
        ...

    @property
    def broken(self) -> str | None:
        """Why nothing may be acknowledged any more, or None. Only the end of the process helps."""
        ...

    async def open(self) -> None:
        """Open it; called again when it failed."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...

    async def ping(self) -> None:
        """Return if it answers."""
        ...


class Watch:
    """One database and how it is. While it is away, it is tried again ever more slowly, at least every two seconds."""

    def __init__(self, database: Database, names: str) -> None:
        self.database = database
        self.trouble: str | None = "not tried yet"
        self._names = names
        self._opened = False
        self._told = False
        self._check: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open and ping once, then go on in the background. Returns when the first try has ended, well or badly."""
        await self.check()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching and close the database."""
        for task in (self._watching, self._check):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self.database.close()

    def check(self) -> "asyncio.Task[None]":
        """Return the check that is under way, or begin one. It sets `trouble` and never fails."""
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._try())
        return self._check

    async def _watch(self) -> None:
        pause = FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            await asyncio.shield(self.check())
            pause = LONGEST_PAUSE if self.trouble is None else min(2 * pause, LONGEST_PAUSE)

    async def _try(self) -> None:
        try:
            if not self._opened:
                await self.database.open()
                self._opened = True
            async with asyncio.timeout(DEADLINE):
                await self.database.ping()
        except TimeoutError:
            self._note(f"no answer within {DEADLINE:g} s")
        except Unavailable as error:
            # A database whose connections are all at work is not away; whether it is, they will tell.
            if error.code != "pool_full":
                self._note(error.message)
        except StackwrightError as error:
            self._note(error.message)
        except Exception as error:
            # A watch that ended would call the database well, or away, for ever.
            trouble = f"{type(error).__name__}, which is a bug"
            if trouble != self.trouble:
                log.error("Asking %s how it is has a bug.", self.database.address, exc_info=error)
            self._note(trouble)
        else:
            self._note(None)

    def _note(self, trouble: str | None) -> None:
        if trouble is not None:
            # Whoever shows it says whose trouble it is.
            trouble = trouble.removeprefix(f"Backend {self._names!r}").lstrip(": ")
        if trouble is None and self._told:
            self._told = False
            log.info("Backend %s at %s answers.", self._names, self.database.address)
        elif trouble is not None and trouble != self.trouble:
            self._told = True
            log.warning("Backend %s is away: %s", self._names, trouble)
        self.trouble = trouble
