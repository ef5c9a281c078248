"""Responses over a WebSocket: orders of one lane one after the other, lanes side by side, until somebody hangs up.

The lane of an order is its `stream_id`; those without one share a lane, so that one response is made at a time.
"""

import asyncio
import logging
from collections import deque
from contextlib import aclosing

from stackwright.areas.responses import orders
from stackwright.areas.responses.memory import Memory
from stackwright.areas.responses.orders import Order
from stackwright.areas.responses.service import Responses
from stackwright.config.responses import WebSockets
from stackwright.errors import InvalidRequest, RateLimited, StackwrightError, Unavailable
from stackwright.http import errors
from stackwright.http.websocket import GOING_AWAY, NORMAL, Hung, Socket

log = logging.getLogger(__name__)

LANES = 8
"""Responses that one connection may have made at a time."""
WAITING = 16
"""Orders of one connection that may wait for their lane."""


class Sockets:
    """All connections of this process."""

    def __init__(self, responses: Responses, limits: WebSockets) -> None:
        self._responses = responses
        self._limits = limits
        self._open = 0

    async def talk(self, socket: Socket) -> None:
        """Serve one connection to its end. `Unavailable` when there are too many."""
        if self._open >= self._limits.connections:
            raise Unavailable(
                f"This server holds {self._open} WebSockets, the limit set by responses.websockets.connections.",
                code="too_many_websockets",
            )
        self._open += 1
        try:
            await socket.accept()
            await _Talk(socket, self._responses, self._limits).serve()
        except Hung:
            return
        finally:
            self._open -= 1


class _Talk:
    """One connection."""

    def __init__(self, socket: Socket, responses: Responses, limits: WebSockets) -> None:
        self._socket = socket
        self._responses = responses
        self._limits = limits
        self._memory = Memory()
        self._lanes: dict[str | None, deque[Order]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._born = self._quiet_since = self._loop.time()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._over: StackwrightError | None = None
        """Why no more orders are taken."""

    async def serve(self) -> None:
        """Take orders until the caller hangs up or it is time to close; what is being made then ends too."""
        usher = self._loop.create_task(self._close_in_time())
        try:
            while True:
                await self._take(await self._socket.receive())
        finally:
            tasks = [usher, *self._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # A task that never began had no chance to.
            for name in list(self._lanes):
                self._drop(name)

    async def _take(self, message: bytes) -> None:
        try:
            order = orders.read(message)
            self._admit(order)
        except StackwrightError as error:
            await self._socket.send(orders.failure(error, orders.lane_of(message)))

    def _admit(self, order: Order) -> None:
        """Put an order into its lane."""
        if self._over is not None:
            raise self._over
        lane = self._lanes.get(order.stream_id)
        if lane is not None:
            if sum(map(len, self._lanes.values())) >= WAITING:
                raise RateLimited(f"{WAITING} messages wait on this connection.", code="too_many_messages")
            self._socket.bodies.hold(order.raw)
            lane.append(order)
            return
        if len(self._lanes) >= LANES:
            raise RateLimited(f"{LANES} responses are being made on this connection.", code="too_many_streams")
        self._socket.bodies.hold(order.raw)
        self._lanes[order.stream_id] = deque([order])
        self._quiet.clear()
        task = self._loop.create_task(self._work(order.stream_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, name: str | None) -> None:
        lane = self._lanes[name]
        try:
            while lane:
                order = lane.popleft()
                try:
                    await self._answer(order)
                finally:
                    self._socket.bodies.over(order.raw)
        except Hung:
            return
        finally:
            self._drop(name)
            if not self._lanes:
                self._quiet_since = self._loop.time()
                self._quiet.set()

    def _drop(self, name: str | None) -> None:
        for order in self._lanes.pop(name):
            self._socket.bodies.over(order.raw)

    async def _answer(self, order: Order) -> None:
        async with self._socket.working("create_response") as ended:
            try:
                await self._make(order)
                ended(200)
            except StackwrightError as error:
                ended(error.status)
                await self._refuse(error, order)
            except Hung:
                raise
            except Exception:
                ended(500)
                log.exception("WebSocket /v1/responses: a bug", extra={"data": {"request_id": self._socket.request_id}})
                await self._refuse(errors.bug(), order)

    async def _make(self, order: Order) -> None:
        made = self._responses.converse(
            self._socket.tenant, order.request, order.raw, self._memory, generate=order.generate
        )
        async with aclosing(made) as batches:
            async for batch in batches:
                for event in batch:
                    await self._socket.send(orders.marked(event, order.stream_id))

    async def _refuse(self, error: StackwrightError, order: Order) -> None:
        # A turn that failed may be tried again with everything it needs, not on top of what it continued.
        self._memory.forget(order.request.previous_response_id)
        await self._socket.send(orders.failure(error, order.stream_id))

    async def _close_in_time(self) -> None:
        """Close the connection when it is idle or old, or the server stops, but never in the middle of a response."""
        stopping = self._loop.create_task(self._socket.lifecycle.stopping.wait())
        try:
            code, reason = await self._time(stopping)
            await self._quiet.wait()
            if self._over is not None:
                await self._socket.send(orders.failure(self._over, None))
            await self._socket.close(code, reason)
        except Hung:
            return
        finally:
            stopping.cancel()

    async def _time(self, stopping: "asyncio.Task[bool]") -> tuple[int, str]:
        """Return when it is time to close, with the code and the reason."""
        limits = self._limits
        while True:
            now = self._loop.time()
            old = self._born + limits.seconds - now
            idle = self._quiet_since + limits.idle_seconds - now if self._quiet.is_set() else limits.idle_seconds
            if stopping.done():
                self._over = Unavailable("The server is stopping.", code="stopping")
                return GOING_AWAY, "The server is stopping."
            if old <= 0:
                self._over = _too_old(limits.seconds)
                return NORMAL, "The connection is too old."
            if idle <= 0:
                return NORMAL, f"Nothing was sent for {limits.idle_seconds:g} seconds."
            await asyncio.wait([stopping], timeout=min(old, idle))


def _too_old(seconds: float) -> InvalidRequest:
    return InvalidRequest(
        f"Responses websocket connection limit reached ({seconds / 60:g} minutes). Create a new websocket connection "
        "to continue.",
        code="websocket_connection_limit_reached",
    )
