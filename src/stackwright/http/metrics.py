"""What Prometheus may ask of the HTTP side."""

import asyncio

from prometheus_client import Counter, Gauge, Histogram

HUNG_UP = 499
"""The status of a request whose caller did not wait for its answer."""

_TOTAL = Counter("stackwright_requests", "Requests answered.", ["operation", "status"])
_SECONDS = Histogram(
    "stackwright_request_seconds",
    "Seconds from the request line to the last byte of the answer.",
    ["operation"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_ACTIVE = Gauge("stackwright_requests_active", "Requests being served.", multiprocess_mode="livesum")


class Requests:
    """Counts requests. Label look-ups are remembered: they cost more than the counting."""

    def __init__(self) -> None:
        self.active = 0
        self._idle: asyncio.Event | None = None
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def begin(self) -> None:
        self.active += 1
        _ACTIVE.inc()

    def end(self, operation: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.active -= 1
        _ACTIVE.dec()
        child = self._children.get((operation, status))
        if child is None:
            child = (_TOTAL.labels(operation, str(status)), _SECONDS.labels(operation))
            self._children[operation, status] = child
        child[0].inc()
        child[1].observe(seconds)
        if self._idle is not None and not self.active:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is being served."""
        self._idle = asyncio.Event()
        if self.active:
            await self._idle.wait()
