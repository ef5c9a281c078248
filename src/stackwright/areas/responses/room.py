"""Room for the files of requests: so many bytes for all that are under way in a process, first come, first served."""

import asyncio
from collections import deque

from prometheus_client import Gauge

from stackwright.errors import TooLarge, Unavailable

PATIENCE = 10.0
"""Seconds that a caller's request waits for room."""
_RETRY_AFTER = 5
_SETTING = "responses.max_file_bytes_at_once"
_HELD = Gauge(
    "stackwright_response_file_bytes", "Bytes of the files of requests under way.", multiprocess_mode="livesum"
)


class NoRoom(Exception):
    """There is not so much at the moment."""


class Room:
    """Bytes that files may have together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def taken(self, count: int) -> bool:
        """Take some, if they are there and nobody has waited for longer."""
        if count and (self._waiting or self._held + count > self.most):
            return False
        self._hold(count)
        return True

    async def take(self, count: int, patience: float | None) -> None:
        """Take some when they are there, but wait no longer than `patience` seconds; None for as long as it takes."""
        if self.taken(count):
            return
        admitted = asyncio.get_running_loop().create_future()
        self._waiting.append((count, admitted))
        try:
            async with asyncio.timeout(patience):
                await admitted
        except BaseException:
            # It may have come in the very moment in which it was too late.
            self.give_back(0 if admitted.cancelled() else count)
            raise

    def give_back(self, count: int) -> None:
        """Give some back."""
        self._hold(-count)
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            count, admitted = self._waiting[0]
            if not admitted.cancelled():
                if self._held + count > self.most:
                    return
                self._hold(count)
                admitted.set_result(None)
            self._waiting.popleft()

    def _hold(self, more: int) -> None:
        self._held += more
        _HELD.set(self._held)


class Hold:
    """What one request has of the room. To be closed when its files are let go of."""

    def __init__(self, room: Room, patience: float | None) -> None:
        self._room = room
        self._patience = patience
        self.size = 0

    async def resize(self, size: int, *, wait: bool = True) -> None:
        """Have so much in place of what there was, waiting for it if need be. Without `wait`, only a background
        response does.

        Raises:
            TooLarge: There is never so much.
            Unavailable: Others have it, and keep it.
        """
        # All at once and nothing meanwhile: two that have some and wait for more would wait for each other.
        self.close()
        if size > self._room.most:
            raise too_large(self._room.most)
        try:
            await self._room.take(size, self._patience if wait or self._patience is None else 0)
        except TimeoutError:
            raise Unavailable(
                "The server has the files of too many requests at the moment. Try again in a few seconds. "
                f"How many it may have is set by {_SETTING}.",
                code="overloaded",
                retry_after=_RETRY_AFTER,
            ) from None
        self.size = size

    def grow(self, size: int) -> None:
        """Have so much at least, now. `NoRoom` when there is not."""
        more = max(0, size - self.size)
        if not self._room.taken(more):
            raise NoRoom
        self.size += more

    def shrink(self, size: int) -> None:
        """Have so much at most."""
        if self.size > size:
            self._room.give_back(self.size - size)
            self.size = size

    def close(self) -> None:
        """Give everything back."""
        self.shrink(0)


def too_large(most: int) -> TooLarge:
    """Return what to say of a request that there is never room for."""
    return TooLarge(
        f"The files of this request have more than {most} bytes together, the limit set by {_SETTING} for those of all "
        "requests under way.",
        param="input",
    )
