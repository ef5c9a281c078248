"""The table of jobs. All its times are the database's, so processes need not agree on what time it is."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from stackwright.errors import Conflict
from stackwright.jobs.statements import Claims, Statements
from stackwright.jobs.unwritten import QueueFull, Unwritten
from stackwright.storage.sql import Do, Migration, Row, Script, SqlBackend

State = Literal["queued", "running", "done", "failed", "cancelled"]
_SWEPT = 20


class LeaseLost(Conflict):
    """The job is not this worker's any more: cancelled, or taken over by another. Nothing was written."""

    def __init__(self, id: str) -> None:
        super().__init__(f"Job {id!r} was cancelled or is another worker's now. Nothing was written.")


class Job(Struct, frozen=True):
    """A job as its owner has it."""

    seq: int
    tenant: str
    id: str
    kind: str
    payload: bytes
    """Empty when it was not to be written down, and the process that had it is gone."""
    fence: int
    """Grows whenever the job changes hands."""
    attempts: int
    """How often it was begun, this time included."""


class Held(NamedTuple):
    """A job that an owner has, or that is reserved for it."""

    tenant: str
    id: str
    seq: int
    fence: int
    state: State


class Load(NamedTuple):
    """The jobs in one state."""

    jobs: int
    oldest: float
    """Seconds since the oldest of them was added."""


def _nothing(tenant: str, id: str) -> Script[None]:
    yield from ()


class JobQueue:
    """Jobs, oldest first. Methods that end in -ing are scripts, to be yielded from within a transaction."""

    def __init__(
        self,
        backend: SqlBackend,
        table_name: str,
        *,
        most_waiting: int = 1000,
        lease: float = 30.0,
        keep: float = 86400.0,
        forgetting: Callable[[str, str], Script[None]] = _nothing,
    ) -> None:
        """Describe the table; `prepare` makes it.

        Args:
            backend: The database, the same as that of the rows that change together with a job.
            table_name: The table.
            most_waiting: Jobs that may wait to be begun; one more is a 429. Scripts on Postgres that run at the very
                same time may exceed it by their number.
            lease: Seconds that an owner may be silent before the job is another's.
            keep: Seconds for which ended jobs are kept, without their payload.
            forgetting: What goes with an ended job of this tenant and id, in the same transaction.
        """
        self.name = table_name
        self.lease = lease
        self.owner = f"{os.getpid()}-{os.urandom(8).hex()}"
        """What this process is called in the table."""
        self.woken = asyncio.Event()
        """Set when there is something to look at."""
        self._backend = backend
        self._most_waiting = most_waiting
        self._keep = keep
        self._forgetting = forgetting
        self._unwritten = Unwritten()
        self._sql = Statements(backend.render, table_name)
        self._claims: dict[tuple[str, ...], Claims] = {}

    @property
    def migrations(self) -> Sequence[Migration]:
        """Every step from nothing to the present schema."""
        return self._sql.migrations

    async def prepare(self) -> None:
        """Make the table, or bring an older one up to date."""
        await self._backend.migrate(self.name, self.migrations)

    def adding(self, tenant: str, id: str, kind: str, payload: bytes, *, written: bool = True) -> Script[None]:
        """Queue a job. `RateLimited` when too many wait, `Conflict` when the tenant has a job with this id.

        A payload that is not to be `written` stays in this process, which alone begins the job for as long as it lives.
        """
        owner = None if written else self.owner
        if not written:
            self._unwritten.keep(tenant, id, payload)
            payload = b""
        if not (yield Do(self._sql.add, (tenant, id, kind, payload, owner, self.lease, self._most_waiting))):
            raise QueueFull(f"Waiting jobs: {self._most_waiting}")

    def claiming(self, owner: str, kinds: Sequence[str]) -> Script[Job | None]:
        """Become the owner as `claim` does. Nobody works on the job before the script is committed."""
        return self._taken((yield Do(self._claims_of(kinds).claim, (owner, self.lease))))

    def cancelling(self, tenant: str, id: str) -> Script[bool]:
        """End a job that has not ended. True when there was one; from then on its owner can write nothing."""
        return bool((yield Do(self._sql.cancel, (tenant, id))))

    def holding(self, job: Job) -> Script[None]:
        """Keep the job ours until the script ends. `LeaseLost` when it is not."""
        if not (yield Do(self._sql.hold, (job.seq, job.fence))):
            raise LeaseLost(job.id)

    def ending(self, job: Job, state: Literal["done", "failed"]) -> Script[None]:
        """End our job. `LeaseLost` when it is not ours."""
        if not (yield Do(self._sql.end, (job.seq, job.fence, state))):
            raise LeaseLost(job.id)

    async def add(self, tenant: str, id: str, kind: str, payload: bytes, *, written: bool = True) -> None:
        """Queue a job, committed on return; see `adding`."""
        await self._backend.transact(lambda: self.adding(tenant, id, kind, payload, written=written))

    async def cancel(self, tenant: str, id: str) -> bool:
        """End a job, committed on return; see `cancelling`."""
        return await self._backend.transact(lambda: self.cancelling(tenant, id))

    async def end(self, job: Job, state: Literal["done", "failed"]) -> None:
        """End our job, committed on return; see `ending`."""
        await self._backend.transact(lambda: self.ending(job, state))

    async def state(self, tenant: str, id: str) -> State | None:
        """Return how a job is; None when there is none, or it ended long ago."""
        rows = await self._backend.fetch(self._sql.state, tenant, id)
        return rows[0][0] if rows else None

    async def load(self) -> Mapping[State, Load]:
        """Return the jobs that have not ended, by their state."""
        return {state: Load(jobs, oldest) for state, jobs, oldest in await self._backend.fetch(self._sql.load)}

    async def claim(self, owner: str, kinds: Sequence[str]) -> Job | None:
        """Become the owner of the oldest job of these kinds that nobody works on; None when there is none."""
        sql = self._claims_of(kinds)
        # Reading first keeps an idle worker from taking SQLite's write lock twice a second.
        if not await self._backend.fetch(sql.ready, owner):
            return None
        return self._taken(await self._backend.commit(Do(sql.claim, (owner, self.lease))))

    async def adopt(self, owner: str, kinds: Sequence[str]) -> Job | None:
        """Become the owner of the oldest job of these kinds whose owner is gone; None when there is none."""
        sql = self._claims_of(kinds)
        if not await self._backend.fetch(sql.orphaned):
            return None
        return self._taken(await self._backend.commit(Do(sql.adopt, (owner, self.lease))))

    async def owned(self, owner: str) -> list[Held]:
        """Return the jobs that an owner still has, those that are reserved for it included."""
        held = [Held(*row) for row in await self._backend.fetch(self._sql.owned, owner)]
        if owner == self.owner:
            self._unwritten.forget_all_but({(one.tenant, one.id) for one in held})
        return held

    async def extend(self, jobs: Iterable[Job | Held]) -> None:
        """Be heard of: begin the leases of our jobs anew. One that is no longer ours is passed over."""
        todo = [Do(self._sql.extend, (job.seq, job.fence, self.lease)) for job in jobs]

        def script() -> Script[None]:
            for do in todo:  # noqa: UP028 - a script is sent rows, which a list's iterator does not take
                yield do

        if todo:
            await self._backend.transact(script)

    async def hand_back(self, owner: str) -> int:
        """Let other workers begin everything that an owner has, at once; returns how many."""
        return len(await self._backend.commit(Do(self._sql.hand_back, (owner,))))

    def forget(self, job: Job) -> None:
        """Forget the payload of a job that is over, if it was kept here."""
        self._unwritten.forget(job.tenant, job.id)

    async def sweep(self) -> int:
        """Forget some of the jobs that ended long ago, and return how many; 0 when there are no more."""

        def script() -> Script[int]:
            swept = yield Do(self._sql.sweep, (self._keep, _SWEPT))
            for tenant, name in swept:
                yield from self._forgetting(tenant, name)
            return len(swept)

        return await self._backend.transact(script)

    def _taken(self, rows: Sequence[Row]) -> Job | None:
        if not rows:
            return None
        job = Job(*rows[0])
        payload = self._unwritten.find(job.tenant, job.id)
        return job if payload is None else replace(job, payload=payload)

    def _claims_of(self, kinds: Sequence[str]) -> Claims:
        key = tuple(kinds)
        if key not in self._claims:
            self._claims[key] = self._sql.claims(key)
        return self._claims[key]
