"""A word to the other processes on a database that something has changed.

Nobody may rely on it. Who follows a table looks at it now and then all the same; a bell only makes that sooner.
"""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol


class Bell(Protocol):
    """One table's bell, in one process."""

    @property
    def hears(self) -> bool:
        """Whether the others are heard. False: looking is all there is."""
        ...

    def ring(self) -> None:
        """Tell the others, in a moment. Never waits, never fails."""
        ...

    async def heard(self, within: float) -> None:
        """Return when another process has rung since this was called last, or after `within` seconds."""
        ...

    def listening(self) -> AbstractAsyncContextManager[None]:
        """Ring and hear for as long as the context lasts."""
        ...


class NoBell:
    """What a database has that cannot tell."""

    hears = False

    def ring(self) -> None:
        """See `Bell`."""

    async def heard(self, within: float) -> None:
        """See `Bell`."""
        await asyncio.sleep(within)

    def listening(self) -> AbstractAsyncContextManager[None]:
        """See `Bell`."""
        return nullcontext()
