"""llama.cpp in worker threads: a bounded queue, and generations that stop when their reader leaves."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Lock
from typing import Any

import msgspec

from stackwright.errors import InvalidRequest, Unavailable, UpstreamError
from stackwright.providers.inference.llama_answer import Piece, as_call, counted, invalid, read
from stackwright.providers.inference.llama_calls import HeldCall
from stackwright.providers.inference.llama_loading import Loaded, Settings, load
from stackwright.providers.inference.llama_request import Request

Handle = Callable[[bytes, Callable[[str], bool]], None]
"""Does a request and tells of it, event by event, until that returns true."""


class Flow:
    """What a worker thread says, batch by batch, to the one coroutine that listens."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stopped = False
        self._loop = loop
        self._waiting: deque[Piece] = deque()
        self._news = asyncio.Event()
        self._outcome: Future[None] | None = None

    def put(self, piece: Piece) -> None:
        """Hand a piece over. Called in the worker."""
        self._waiting.append(piece)
        self._wake()

    def done(self, outcome: "Future[None]") -> None:
        """Note that nothing more comes. Called in the worker, or where its work was cancelled."""
        self._outcome = outcome
        self._wake()

    def _wake(self) -> None:
        # A loop that has closed has no listener either.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    async def batches(self) -> AsyncIterator[list[Piece]]:
        """Yield what arrived together, until the worker is done; raise what it raised."""
        while True:
            await self._news.wait()
            self._news.clear()
            outcome = self._outcome
            if batch := [self._waiting.popleft() for _ in range(len(self._waiting))]:
                yield batch
            if outcome is not None:
                if outcome.cancelled():
                    raise _closing()
                outcome.result()
                return


class Engine:
    """One model, and the threads that may use it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._admitted = 0
        self._closing = False
        self._workers = ThreadPoolExecutor(settings.parallel, thread_name_prefix="llama.cpp")
        loader = ThreadPoolExecutor(1, thread_name_prefix="llama.cpp-load")
        self._loading = loader.submit(load, settings)
        loader.shutdown(wait=False)

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._loading.done() and self._loading.exception() is None

    async def close(self) -> None:
        """Stop every generation and free the model."""
        self._closing = True
        await asyncio.to_thread(self._workers.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._free)

    def _free(self) -> None:
        # Waits for a load under way; a failed one has been told to whoever asked.
        self._loading.exception()
        self._loading = Future()

    @asynccontextmanager
    async def run(self, request: Request) -> AsyncIterator[AsyncIterator[list[Piece]]]:
        """Generate the choices of a request, one after the other. Leaving stops between two tokens or prompt batches.

        Raises:
            Unavailable: `queue` callers wait already, or the model is not loaded in time.
        """
        self._admit()
        flow = Flow(asyncio.get_running_loop())
        work = self._workers.submit(self._generate, request, flow)
        work.add_done_callback(self._leave)
        work.add_done_callback(flow.done)
        try:
            yield flow.batches()
        finally:
            flow.stopped = True
            work.cancel()

    async def count(self, request: Request) -> int:
        """Return how many tokens the prompt of a request has. llama.cpp says so before it computes anything.

        Raises:
            Unavailable: As `run` does.
        """
        self._admit()
        work = self._workers.submit(self._counted, request)
        work.add_done_callback(self._leave)
        return await asyncio.wrap_future(work)

    def _admit(self) -> None:
        with self._lock:
            if self._admitted >= self._settings.parallel + self._settings.queue:
                raise Unavailable(
                    f"The local model is busy: {self._settings.parallel} requests run and {self._settings.queue} wait.",
                    code="queue_full",
                )
            self._admitted += 1

    def _leave(self, work: "Future[Any]") -> None:
        with self._lock:
            self._admitted -= 1

    def _generate(self, request: Request, flow: Flow) -> None:
        handle = self._handle(request)
        for index, body in enumerate(request.bodies):
            if not self._stopped(flow):
                self._choice(handle, body, index, request, flow)
        # What was cut must not look like an answer.
        if self._closing:
            raise _closing()

    def _counted(self, request: Request) -> int:
        found: list[int] = []

        def heard(event: str) -> bool:
            if (count := counted(event)) is not None:
                found.append(count)
            return bool(found) or self._closing

        _hear(self._handle(request), request.bodies[0], heard)
        if not found:
            raise _closing() if self._closing else UpstreamError("llama.cpp did not count the prompt.")
        return found[0]

    def _handle(self, request: Request) -> Handle:
        """Return what llama.cpp does such requests with."""
        model = self._model()
        if request.tools and not model.knows_tools:
            raise InvalidRequest(
                f"The chat template of {request.model!r} has no place for tools.",
                param="tools",
                code="unsupported_parameter",
            )
        server = model.server
        handle: Handle = server.handle_chat_completions if request.kind == "chat" else server.handle_completions
        return handle

    def _model(self) -> Loaded:
        try:
            return self._loading.result(self._settings.load_timeout)
        except TimeoutError:
            raise Unavailable("The local model is still being loaded.", code="model_loading", retry_after=5) from None

    def _stopped(self, flow: Flow) -> bool:
        return flow.stopped or self._closing

    def _choice(self, handle: Handle, body: bytes, index: int, request: Request, flow: Flow) -> None:
        call = HeldCall() if request.held else None

        def heard(event: str) -> bool:
            if piece := read(event, index, request.kind):
                flow.put(piece if call is None else as_call(piece, call))
            return self._stopped(flow)

        _hear(handle, body, heard)


def _hear(handle: Handle, body: bytes, heard: Callable[[str], bool]) -> None:
    """Give `heard` each event until it returns true. Raises what it raises."""
    failures: list[Exception] = []

    def guarded(event: str) -> bool:
        try:
            return heard(event)
        except Exception as error:  # noqa: BLE001 - llama.cpp drops what is raised here; true makes it stop
            failures.append(_ours(error))
            return True

    try:
        handle(body, guarded)
    except (ValueError, RuntimeError, TypeError, IndexError) as error:
        # Only reading the request throws; what happens later is said in an event.
        raise invalid(str(error)) from error
    if failures:
        raise failures[0]


def _closing() -> Unavailable:
    return Unavailable("The local model is being shut down.", code="shutting_down")


def _ours(error: Exception) -> Exception:
    odd = isinstance(error, msgspec.MsgspecError)
    return UpstreamError(f"llama.cpp said something odd: {error}") if odd else error
