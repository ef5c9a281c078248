"""Old responses go, with their items, events and jobs; one that a kept one goes on from stays as long as that.

So a chain goes as a whole once its newest response is old enough: what a model was given can be read until then.
"""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Sequence

from stackwright.storage.sql import Migration, Row, Script, SqlBackend
from stackwright.storage.sql.aging import Aging, Among, Cursor, Swept, by_tenant, end_of
from stackwright.storage.sql.columns import quoted

_SEQ, _TENANT, _ID, _STATUS = 1, 2, 3, 4
_OPEN = ("queued", "in_progress")


class OldResponses:
    """See `Sweep`."""

    at_least = 0.0

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._table = table = quoted(table_name)
        self._by_previous = quoted(f"{table_name}_previous")
        self._aging = Aging(backend, table_name, made="created", listed=["tenant", "id", "status"])
        self._heirs = Among(
            backend, f"SELECT previous_id, id FROM {table} WHERE tenant = $1 AND previous_id IN ({{keys}})"
        )
        mine = "WHERE tenant = $1 AND {column} IN ({{keys}})"
        self._children = [
            Among(backend, f"DELETE FROM {quoted(f'{table_name}_{part}')} {mine.format(column=column)}")
            for part, column in (("items", "response_id"), ("events", "response_id"), ("jobs", "id"))
        ]

    def migration(self, version: int) -> Migration:
        """Return what makes the indexes, as that version of the table."""
        previous = (
            f"CREATE INDEX {self._by_previous} ON {self._table} (tenant, previous_id) WHERE previous_id IS NOT NULL"
        )
        return Migration(version, [*self._aging.migration(version).steps, previous])

    def sweeping(self, old: int, after: Cursor) -> Script[Swept]:
        """See `Sweep.sweeping`."""
        rows = yield from self._aging.finding(after)
        free = yield from self._free(rows)
        gone = yield from self._aging.removing(old, [row[_SEQ] for row in free])
        for tenant, ids in by_tenant([row for row in free if row[_SEQ] in gone], _TENANT, _ID).items():
            for children in self._children:
                yield from children.run(ids, tenant)
        return Swept(len(gone), end_of(rows))

    def _free(self, rows: Sequence[Row]) -> Script[list[Row]]:
        """Return the rows from which no other one goes on but such as are returned, too."""
        heirs: dict[tuple[str, str], list[str]] = {}
        for tenant, ids in by_tenant(rows, _TENANT, _ID).items():
            for previous, heir in (yield from self._heirs.run(ids, tenant)):
                heirs.setdefault((tenant, previous), []).append(heir)
        free: dict[tuple[str, str], Row] = {}
        # From the youngest on: whoever goes on from a response is younger.
        for row in rows:
            key = row[_TENANT], row[_ID]
            # One that is still being made is somebody's job.
            if row[_STATUS] not in _OPEN and all((key[0], heir) in free for heir in heirs.get(key, ())):
                free[key] = row
        return list(free.values())
