"""Conversations go when nothing was said in them for long enough, with their items."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from stackwright.storage.sql import Migration, Script, SqlBackend
from stackwright.storage.sql.aging import Aging, Among, Cursor, Swept, end_of
from stackwright.storage.sql.columns import quoted


class OldConversations:
    """See `Sweep`. `changed` is kept by appends and updates; it has no index, which each of them would have to move, so
    a pass looks at every conversation that was begun long enough ago."""

    at_least = 0.0

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._table = quoted(table_name)
        self._aging = Aging(backend, table_name, made="created", where="changed < {old}")
        items = quoted(f"{table_name}_items")
        self._remove_items = Among(backend, f"DELETE FROM {items} WHERE conversation IN ({{keys}})")

    def migration(self, version: int) -> Migration:
        """Return what makes the column and the index, as that version of the table."""
        column = f"ALTER TABLE {self._table} ADD COLUMN changed BIGINT NOT NULL DEFAULT 0"
        return Migration(version, [column, *self._aging.migration(version).steps])

    def sweeping(self, old: int, after: Cursor) -> Script[Swept]:
        """See `Sweep.sweeping`."""
        rows = yield from self._aging.finding(after)
        # The row goes first: an append that waits for it then finds nothing to append to.
        gone = yield from self._aging.removing(old, [row[1] for row in rows])
        yield from self._remove_items.run(sorted(gone))
        return Swept(len(gone), end_of(rows))
