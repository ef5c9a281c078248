"""What the process knows of itself: whether it wants new work, and whether any is left."""

import asyncio
from typing import Protocol

from stackwright.http.metrics import Requests


class Work(Protocol):
    """What the process does for nobody who waits at a connection."""

    @property
    def active(self) -> int:
        """How much of it is under way."""
        ...

    def drain(self) -> None:
        """Begin no more."""
        ...

    async def idle(self) -> None:
        """Wait until none is under way."""
        ...


class Lifecycle:
    """Serving, then draining, then gone."""

    def __init__(self, requests: Requests, *works: Work) -> None:
        self._requests = requests
        self._works = works
        self.draining = False
        self.stopping = asyncio.Event()
        """Set when whoever holds a connection without a request shall let go of it."""

    @property
    def active(self) -> int:
        """Requests being served, and what else is under way."""
        return self._requests.active + sum(work.active for work in self._works)

    def drain(self) -> None:
        """Stop wanting work: not ready from now on. What is in flight goes on."""
        self.draining = True
        for work in self._works:
            work.drain()

    async def idle(self, patience: float) -> None:
        """Wait until nothing is in flight, `patience` seconds at most."""
        self.stopping.set()
        try:
            async with asyncio.timeout(patience):
                await asyncio.gather(self._requests.idle(), *(work.idle() for work in self._works))
        except TimeoutError:
            return
