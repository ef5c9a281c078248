"""Making a response in the background: the handler of its job.

What was told cannot be taken back. So a job that is begun again, because its process died, starts over only when nobody
could have read of it yet; else it fails with `server_restart`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, closing

import msgspec
from msgspec import Raw, Struct

from stackwright.areas.conversations import Conversations
from stackwright.areas.responses.beginning import Accepted
from stackwright.areas.responses.intake import Intake, Ready
from stackwright.areas.responses.journal import entries
from stackwright.areas.responses.store import ResponseStore
from stackwright.engine.run import Run, broken
from stackwright.engine.signals import Broken
from stackwright.errors import InvalidRequest, StackwrightError, Unavailable
from stackwright.jobs import Fence, Job, LeaseLost
from stackwright.kit.decoding import from_decoding
from stackwright.storage.sql import Script
from stackwright.wire import events
from stackwright.wire.events import Event
from stackwright.wire.items import decode_many
from stackwright.wire.responses import ResponseRequest

KIND = "response"
AWAY = 0.5
"""Seconds between two tries to write to a database that is away."""
_QUEUED = 1
"""The number of the last event that is told before anything is made."""
_MOST_ATTEMPTS = 5
_RESTARTED = Broken("server_restart", "The server that made this response ended, and told some of it before.")
_FORGOTTEN = Broken("server_restart", "The server that held this response's secrets, which are not stored, ended.")
_ENDLESS = Broken("server_restart", f"This response was begun {_MOST_ATTEMPTS} times and did not come to its end.")
_BUG = Broken("server_error", "The server had an error while making this response.")


class Late(StackwrightError):
    """A response takes too long."""

    def __init__(self) -> None:
        super().__init__("The response took longer than the server allows.")


class Unreadable(StackwrightError):
    """A request was taken on by a release that knows more of it than this one."""

    def __init__(self, why: InvalidRequest) -> None:
        super().__init__(f"Another release of the server took this request on; this one cannot read it: {why.message}")


class Given(Struct):
    """A job's payload: the request as it came, and when."""

    request: Raw
    created_at: int
    streamed: bool
    prompt_version: str | int | None = None
    """What its prompt's version was then: the default may have moved since."""


class Maker:
    """Makes responses that were handed over."""

    def __init__(self, intake: Intake, store: ResponseStore, conversations: Conversations) -> None:
        self._intake = intake
        self._store = store
        self._conversations = conversations

    async def work(self, job: Job, fence: Fence) -> None:
        """Make a response."""
        try:
            if (reason := await self._hopeless(job)) is not None:
                await self._break_off(job, fence, reason)
            else:
                await self._make(job, fence)
        except (LeaseLost, Unavailable):
            # Nothing can be written now, or nothing was told yet: whoever has the job next begins it again.
            raise
        except asyncio.CancelledError:
            if fence.stopped == "timeout" and not fence.ended:
                await self._break_off(job, fence, broken(Late()))
            raise
        except StackwrightError as error:
            await self._break_off(job, fence, broken(error))
        except Exception:
            await self._break_off(job, fence, _BUG)
            raise

    async def _hopeless(self, job: Job) -> Broken | None:
        """Return why a response cannot be made any more; None when it can."""
        if not job.payload:
            return _FORGOTTEN
        if job.attempts > 1 and await self._store.journal.last(job.tenant, job.id) > _QUEUED:
            return _RESTARTED
        return _ENDLESS if job.attempts > _MOST_ATTEMPTS else None

    async def _break_off(self, job: Job, fence: Fence, reason: Broken) -> None:
        def script() -> Script[None]:
            yield from fence.ending("failed")
            yield from self._store.breaking_off(job.tenant, job.id, reason)

        await self._store.transact(script)

    async def _make(self, job: Job, fence: Fence) -> None:
        given = msgspec.json.decode(job.payload, type=Given)
        with closing(await self._ready(job, given)) as ready:
            await self._run(job, fence, ready, streamed=given.streamed)

    async def _run(self, job: Job, fence: Fence, ready: Ready, *, streamed: bool) -> None:
        run = Run(ready.turn, ready.model, ready.tools)
        writing = _Writing(self._store, self._conversations, job, fence, ready, run, streamed=streamed)
        await writing.begin()
        try:
            async with aclosing(run.events()) as batches:
                async for made in batches:
                    await writing.take(made)
        except LeaseLost:
            raise
        except StackwrightError as error:
            if run.ended:
                raise
            await writing.take(run.fail(error))
        except asyncio.CancelledError:
            if fence.stopped == "timeout" and not run.ended:
                await writing.take(run.fail(Late()))
            raise
        finally:
            await writing.close()

    async def _ready(self, job: Job, given: Given) -> Ready:
        raw = bytes(given.request)
        new = decode_many(await self._store.items.inputs(job.tenant, job.id))
        accepted = Accepted(job.id, given.created_at, new)
        request = _read(raw)
        if request.prompt is not None and given.prompt_version is not None:
            request.prompt.version = given.prompt_version
        return await self._intake.ready(job.tenant, request, raw, accepted=accepted)


def _read(raw: bytes) -> ResponseRequest:
    try:
        return msgspec.json.decode(raw, type=ResponseRequest)
    except msgspec.ValidationError as error:
        raise Unreadable(from_decoding(error, ResponseRequest)) from error


class _Writing:
    """What a job writes while it is being made. Events that come during a commit are written with the next one."""

    def __init__(
        self,
        store: ResponseStore,
        conversations: Conversations,
        job: Job,
        fence: Fence,
        ready: Ready,
        run: Run,
        *,
        streamed: bool,
    ) -> None:
        self._store = store
        self._conversations = conversations
        self._tenant, self._id = job.tenant, job.id
        self._fence = fence
        self._ready = ready
        self._run = run
        self._streamed = streamed
        self._waiting: list[Event] = []
        self._commit: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Say that the response is being made."""

        def script() -> Script[None]:
            yield from self._fence.holding()
            yield from self._store.changing(self._tenant, self._ready.turn.frame.response)

        await self._insist(script)

    async def take(self, made: Sequence[Event]) -> None:
        """Write events; the last of them with everything else that a finished turn leaves."""
        if self._streamed:
            self._waiting += [event for event in made if not isinstance(event, events.Created | events.Queued)]
        if self._run.ended:
            await self._settled()
            await self._insist(self._finishing)
        elif self._waiting and (self._commit is None or self._commit.done()):
            await self._settled()
            self._commit = asyncio.create_task(self._write(self._taken()))

    async def close(self) -> None:
        """Wait for what is being written, however it goes: it may be told still."""
        if self._commit is not None:
            if self._fence.stopped in ("lost", "stopping"):
                self._commit.cancel()
            await asyncio.gather(self._commit, return_exceptions=True)

    async def _settled(self) -> None:
        if self._commit is not None:
            # Shielded, for these events come before those that tell why we stop.
            await asyncio.shield(self._commit)

    def _taken(self) -> list[Event]:
        taken, self._waiting = self._waiting, []
        return taken

    async def _write(self, made: Sequence[Event]) -> None:
        kept = entries(made)

        def script() -> Script[None]:
            yield from self._fence.holding()
            yield from self._store.journal.adding(self._tenant, self._id, kept)

        await self._insist(script)

    async def _insist(self, script: Callable[[], Script[None]]) -> None:
        """Write as soon as the database is there, if the job is still ours then: the model's words were paid for."""
        while True:
            try:
                return await self._store.transact(script)
            except Unavailable:
                await asyncio.sleep(AWAY)

    def _finishing(self) -> Script[None]:
        yield from self._fence.ending("done")
        first, left = len(self._ready.talk.new), self._waiting if self._streamed else ()
        yield from self._store.finishing(self._tenant, self._run.response, left, first=first)
        if self._ready.talk.conversation is not None:
            items = [*self._ready.talk.new, *self._run.turn.output]
            yield from self._conversations.appending(self._tenant, self._ready.talk.conversation, items)
