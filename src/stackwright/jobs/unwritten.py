"""Payloads that must not be written down: they stay in this process until their jobs end."""

import time
from collections.abc import Collection

from stackwright.errors import RateLimited

MOST_BYTES = 64 * 1024 * 1024
_ADDED_WITHIN = 60.0
"""Seconds in which the transaction that adds a job is over."""


class QueueFull(RateLimited):
    """There is no room for another job now."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}, which is the limit. Try again later.", code="queue_full", retry_after="5")


class Unwritten:
    """The payloads of one process."""

    def __init__(self) -> None:
        self._payloads: dict[tuple[str, str], tuple[bytes, float]] = {}

    def keep(self, tenant: str, id: str, payload: bytes) -> None:
        """Keep a payload for a job that is about to be added. `RateLimited` when all of them get too large."""
        # A copy, for this runs on a database's thread too.
        kept = [len(one) for one, _ in list(self._payloads.values())]
        if sum(kept) + len(payload) > MOST_BYTES:
            raise QueueFull(f"{len(kept)} requests with secrets, which are kept in memory alone, wait to be made")
        self._payloads[tenant, id] = (payload, time.monotonic())

    def find(self, tenant: str, id: str) -> bytes | None:
        """Return a payload; None when it is not here."""
        found = self._payloads.get((tenant, id))
        return found[0] if found else None

    def forget(self, tenant: str, id: str) -> None:
        """Forget a payload, if it is here."""
        self._payloads.pop((tenant, id), None)

    def forget_all_but(self, open: Collection[tuple[str, str]]) -> None:
        """Forget the payloads of all jobs but these, which have not ended."""
        before = time.monotonic() - _ADDED_WITHIN
        for key, (_, since) in list(self._payloads.items()):
            if key not in open and since < before:
                self.forget(*key)
