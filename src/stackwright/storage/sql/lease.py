"""Work that one process at a time does in a database, while the others stand by."""

from stackwright.errors import Conflict
from stackwright.storage.sql import Do, Migration, Script, SqlBackend

_MIGRATION = Migration(
    1,
    [
        "CREATE TABLE stackwright_leases (name TEXT PRIMARY KEY, owner TEXT NOT NULL, "
        "until DOUBLE PRECISION NOT NULL, begun DOUBLE PRECISION NOT NULL)"
    ],
)


class LeaseTable:
    """All leases of a database."""

    name = "stackwright_leases"
    migrations = (_MIGRATION,)

    def __init__(self, backend: SqlBackend) -> None:
        self._backend = backend

    async def prepare(self) -> None:
        """Make the table, now or as soon as the database is there."""
        await self._backend.migrate(self.name, self.migrations)


class LeaseGone(Conflict):
    """Another process does the work now. Nothing was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is another process's work now. Nothing was written.")


class Lease:
    """One piece of work. All times are the database's."""

    def __init__(self, backend: SqlBackend, name: str, owner: str, *, seconds: float = 30.0) -> None:
        """Describe it; `prepare` makes the table.

        Args:
            backend: The database in which the work is done.
            name: What tells the work from other work there.
            owner: What tells this process from others.
            seconds: How long the owner may be silent before another takes over.
        """
        self._backend = backend
        self._name = name
        self._mine = (name, owner, seconds)
        self._due = backend.render(
            "SELECT 1 FROM stackwright_leases WHERE name = $1 AND (until > {now} OR begun > {now} - $2)"
        )
        self._take = backend.render(
            "INSERT INTO stackwright_leases (name, owner, until, begun) VALUES ($1, $2, {now} + $3, {now}) "
            "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until, begun = excluded.begun "
            "WHERE stackwright_leases.until <= {now} AND stackwright_leases.begun <= {now} - $4 RETURNING 1"
        )
        self._hold = backend.render(
            "UPDATE stackwright_leases SET until = {now} + $3 WHERE name = $1 AND owner = $2 RETURNING 1"
        )
        self._end = backend.render("UPDATE stackwright_leases SET until = 0 WHERE name = $1 AND owner = $2")

    async def prepare(self) -> None:
        """Make the table, now or as soon as the database is there."""
        await LeaseTable(self._backend).prepare()

    async def take(self, every: float) -> bool:
        """Become the one who does the work. False when somebody does, or began to less than `every` seconds ago."""
        # Reading first keeps those who stand by from taking SQLite's write lock.
        if await self._backend.fetch(self._due, self._name, every):
            return False
        return bool(await self._backend.commit(Do(self._take, (*self._mine, every))))

    def holding(self) -> Script[None]:
        """Begin a script that is part of the work. `LeaseGone` when it is no longer ours."""
        if not (yield Do(self._hold, self._mine)):
            raise LeaseGone(self._name)

    async def end(self) -> None:
        """Say that the work is done."""
        await self._backend.commit(Do(self._end, self._mine[:2]))
