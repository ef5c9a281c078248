"""Old completions go, with the pairs that they are found by."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from stackwright.storage.sql import Script, SqlBackend
from stackwright.storage.sql.aging import Aging, Among, Cursor, Swept, by_tenant, end_of
from stackwright.storage.sql.columns import quoted


class OldCompletions:
    """See `Sweep`."""

    at_least = 0.0

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._aging = Aging(backend, table_name, made="created", listed=["tenant"])
        self.migration = self._aging.migration
        pairs = quoted(f"{table_name}_metadata")
        self._remove_pairs = Among(backend, f"DELETE FROM {pairs} WHERE tenant = $1 AND seq IN ({{keys}})")

    def sweeping(self, old: int, after: Cursor) -> Script[Swept]:
        """See `Sweep.sweeping`."""
        rows = yield from self._aging.finding(after)
        for tenant, numbers in by_tenant(rows, 2, 1).items():
            yield from self._remove_pairs.run(numbers, tenant)
        gone = yield from self._aging.removing(old, [row[1] for row in rows])
        return Swept(len(gone), end_of(rows))
