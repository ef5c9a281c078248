"""What of prompts grows old: events, and prompts that were deleted long ago. Whatever can be used stays."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from stackwright.storage.sql import Migration, Script, SqlBackend
from stackwright.storage.sql.aging import Aging, Among, Cursor, Swept, by_tenant, end_of
from stackwright.storage.sql.columns import quoted

FOLLOWED = 3600.0
"""Seconds. Replicas follow the events, also one that was away for a while."""


class OldEvents:
    """See `Sweep`."""

    at_least = FOLLOWED

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._aging = Aging(backend, f"{table_name}_events", made="created_at")
        self.migration = self._aging.migration

    def sweeping(self, old: int, after: Cursor) -> Script[Swept]:
        """See `Sweep.sweeping`."""
        rows = yield from self._aging.finding(after)
        gone = yield from self._aging.removing(old, [row[1] for row in rows])
        return Swept(len(gone), end_of(rows))


class DeletedPrompts:
    """See `Sweep`. The age is that of the deletion; until then a prompt can be restored."""

    at_least = FOLLOWED

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._aging = Aging(backend, table_name, made="archived_at", listed=["tenant", "id"])
        self._children = [
            Among(
                backend,
                f"DELETE FROM {quoted(f'{table_name}_{part}')} WHERE tenant = $1 AND prompt_id IN ({{keys}})",
            )
            for part in ("versions", "drafts", "events")
        ]

    def migration(self, version: int) -> Migration:
        """Return what makes the index, as that version of the table."""
        return self._aging.migration(version)

    def sweeping(self, old: int, after: Cursor) -> Script[Swept]:
        """See `Sweep.sweeping`."""
        rows = yield from self._aging.finding(after)
        gone = yield from self._aging.removing(old, [row[1] for row in rows])
        for tenant, ids in by_tenant([row for row in rows if row[1] in gone], 2, 3).items():
            for children in self._children:
                yield from children.run(ids, tenant)
        return Swept(len(gone), end_of(rows))
