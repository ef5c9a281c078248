"""The table of jobs. All its times are the database's, so processes need not agree on what time it is."""
# ruff: noqa: S608 - statements are put together from checked identifiers, values are bound

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from stackwright.errors import Conflict, RateLimited
from stackwright.storage.sql import Do, Migration, Script, SqlBackend
from stackwright.storage.sql.columns import quoted

State = Literal["queued", "running", "done", "failed", "cancelled"]
_OPEN = "state IN ('queued', 'running')"
_SWEPT = 500


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
    fence: int
    """Grows whenever the job changes hands."""
    attempts: int
    """How often it was begun, this time included."""


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
    ) -> None:
        """Describe the table; `prepare` makes it.

        Args:
            backend: The database, the same as that of the rows that change together with a job.
            table_name: The table.
            most_waiting: Jobs that may wait to be begun; one more is a 429. Scripts on Postgres that run at the very
                same time may exceed it by their number.
            lease: Seconds that an owner may be silent before the job is another's.
            keep: Seconds for which ended jobs are kept, to be looked at.
        """
        self.name = table_name
        self.lease = lease
        self._backend = backend
        self._most_waiting = most_waiting
        self._keep = keep
        self._table = table = quoted(table_name)
        mine = "seq = $1 AND fence = $2 AND state = 'running'"
        self._claims: dict[tuple[str, ...], str] = {}
        self._ready_sql: dict[tuple[str, ...], str] = {}
        render = backend.render
        self._add = render(
            f"INSERT INTO {table} (tenant, id, kind, state, payload, fence, lease_until, attempts, created) "
            "SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), 'queued', CAST($4 AS {bytes}), 0, 0, 0, {now}"
            f" WHERE (SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {_OPEN} AND state = 'queued' LIMIT $5) q) < $5 "
            "RETURNING seq"
        )
        self._hold = render(f"SELECT 1 FROM {table} WHERE {mine} {{lock}}")
        self._extend = render(f"UPDATE {table} SET lease_until = {{now}} + $3 WHERE {mine} RETURNING seq")
        self._end = render(f"UPDATE {table} SET state = $3, ended = {{now}} WHERE {mine} RETURNING seq")
        self._release = render(f"UPDATE {table} SET state = 'queued', lease_until = 0 WHERE {mine} RETURNING seq")
        self._cancel = render(
            f"UPDATE {table} SET state = 'cancelled', ended = {{now}} WHERE tenant = $1 AND id = $2 AND {_OPEN} "
            "RETURNING seq"
        )
        self._state = render(f"SELECT state FROM {table} WHERE tenant = $1 AND id = $2")
        self._owned = render(f"SELECT seq, fence FROM {table} WHERE {_OPEN} AND state = 'running' AND owner = $1")
        self._sweep = render(
            f"DELETE FROM {table} WHERE seq IN "
            f"(SELECT seq FROM {table} WHERE ended < {{now}} - $1 ORDER BY ended LIMIT {_SWEPT}) RETURNING seq"
        )

    @property
    def migrations(self) -> Sequence[Migration]:
        """Every step from nothing to the present schema."""
        columns = (
            "seq {serial}, tenant TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, "
            "payload {bytes} NOT NULL, owner TEXT, fence BIGINT NOT NULL, lease_until DOUBLE PRECISION NOT NULL, "
            "attempts BIGINT NOT NULL, created DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION, UNIQUE (tenant, id)"
        )
        return [
            Migration(
                1,
                [
                    f"CREATE TABLE {self._table} ({columns})",
                    f'CREATE INDEX "{self.name}_open" ON {self._table} (seq) WHERE {_OPEN}',
                    f'CREATE INDEX "{self.name}_ended" ON {self._table} (ended) WHERE ended IS NOT NULL',
                ],
            )
        ]

    async def prepare(self) -> None:
        """Make the table, or bring an older one up to date."""
        await self._backend.migrate(self.name, self.migrations)

    def adding(self, tenant: str, id: str, kind: str, payload: bytes) -> Script[None]:
        """Queue a job. `RateLimited` when too many wait, `Conflict` when the tenant has a job with this id."""
        if not (yield Do(self._add, (tenant, id, kind, payload, self._most_waiting))):
            raise RateLimited(
                f"{self._most_waiting} jobs are waiting to be begun, which is the limit. Try again later.",
                code="queue_full",
                retry_after="5",
            )

    def cancelling(self, tenant: str, id: str) -> Script[bool]:
        """End a job that has not ended. True when there was one; from then on its owner can write nothing."""
        return bool((yield Do(self._cancel, (tenant, id))))

    def holding(self, job: Job) -> Script[None]:
        """Keep the job ours until the script ends. `LeaseLost` when it is not."""
        if not (yield Do(self._hold, (job.seq, job.fence))):
            raise LeaseLost(job.id)

    def ending(self, job: Job, state: Literal["done", "failed"]) -> Script[None]:
        """End our job. `LeaseLost` when it is not ours."""
        if not (yield Do(self._end, (job.seq, job.fence, state))):
            raise LeaseLost(job.id)

    async def add(self, tenant: str, id: str, kind: str, payload: bytes) -> None:
        """Queue a job, committed on return; see `adding`."""
        await self._backend.transact(lambda: self.adding(tenant, id, kind, payload))

    async def cancel(self, tenant: str, id: str) -> bool:
        """End a job, committed on return; see `cancelling`."""
        return await self._backend.transact(lambda: self.cancelling(tenant, id))

    async def end(self, job: Job, state: Literal["done", "failed"]) -> None:
        """End our job, committed on return; see `ending`."""
        await self._backend.transact(lambda: self.ending(job, state))

    async def state(self, tenant: str, id: str) -> State | None:
        """Return how a job is; None when there is none, or it ended long ago."""
        rows = await self._backend.fetch(self._state, tenant, id)
        return rows[0][0] if rows else None

    async def claim(self, owner: str, kinds: Sequence[str]) -> Job | None:
        """Become the owner of the oldest job of these kinds that nobody works on; None when there is none."""
        # Reading first keeps an idle worker from taking SQLite's write lock twice a second.
        if not await self._backend.fetch(self._ready(tuple(kinds)), *kinds):
            return None
        rows = await self._backend.commit(Do(self._claim(tuple(kinds)), (*kinds, owner, self.lease)))
        return Job(*rows[0]) if rows else None

    async def extend(self, jobs: Iterable[Job]) -> None:
        """Be heard of: begin the leases of our jobs anew. One that is no longer ours is passed over."""
        todo = [Do(self._extend, (job.seq, job.fence, self.lease)) for job in jobs]

        def script() -> Script[None]:
            for do in todo:  # noqa: UP028 - a script is sent rows, which a list's iterator does not take
                yield do

        await self._backend.transact(script)

    async def owned(self, owner: str) -> set[tuple[int, int]]:
        """Return the `seq` and `fence` of the jobs that an owner still has."""
        return {(seq, fence) for seq, fence in await self._backend.fetch(self._owned, owner)}

    async def release(self, job: Job) -> None:
        """Let another worker begin our job again, at once."""
        await self._backend.commit(Do(self._release, (job.seq, job.fence)))

    async def sweep(self) -> int:
        """Forget some of the jobs that ended long ago, and return how many; 0 when there are no more."""
        return len(await self._backend.commit(Do(self._sweep, (self._keep,))))

    def _ready(self, kinds: tuple[str, ...]) -> str:
        if kinds not in self._ready_sql:
            self._ready_sql[kinds] = self._backend.render(self._oldest(kinds))
        return self._ready_sql[kinds]

    def _claim(self, kinds: tuple[str, ...]) -> str:
        if kinds not in self._claims:
            owner, lease = len(kinds) + 1, len(kinds) + 2
            self._claims[kinds] = self._backend.render(
                f"UPDATE {self._table} SET state = 'running', owner = ${owner}, fence = fence + 1, "
                f"attempts = attempts + 1, lease_until = {{now}} + ${lease} "
                f"WHERE seq = ({self._oldest(kinds)} {{skip_locked}}) "
                "RETURNING seq, tenant, id, kind, payload, fence, attempts"
            )
        return self._claims[kinds]

    def _oldest(self, kinds: tuple[str, ...]) -> str:
        wanted = ", ".join(f"${place}" for place in range(1, len(kinds) + 1))
        return (
            f"SELECT seq FROM {self._table} WHERE {_OPEN} AND lease_until <= {{now}} AND kind IN ({wanted}) "
            "ORDER BY seq LIMIT 1"
        )
