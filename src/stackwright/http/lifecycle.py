"""What the process knows of itself: whether it wants new work, and whether any is left."""

import asyncio

from stackwright.http.metrics import Requests


class Lifecycle:
    """Serving, then draining, then gone."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self.draining = False
        self.stopping = asyncio.Event()
        """Set when whoever holds a connection without a request shall let go of it."""

    @property
    def active(self) -> int:
        """Requests being served."""
        return self._requests.active

    def drain(self) -> None:
        """Stop wanting work: not ready from now on. What is in flight goes on."""
        self.draining = True

    async def idle(self, patience: float) -> None:
        """Wait until no request is in flight, `patience` seconds at most."""
        self.stopping.set()
        try:
            async with asyncio.timeout(patience):
                await self._requests.idle()
        except TimeoutError:
            return
