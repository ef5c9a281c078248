"""Old files go; their bytes follow."""

from collections.abc import Callable, Sequence

from stackwright.storage.sql import Script, SqlBackend
from stackwright.storage.sql.aging import Aging, Cursor, Swept, end_of


class OldFiles:
    """See `Sweep`."""

    at_least = 0.0

    def __init__(self, backend: SqlBackend, table_name: str, sparing: Callable[[Sequence[str]], Script[None]]) -> None:
        """`sparing` notes that the bytes of some ids have no row any more."""
        self._sparing = sparing
        self._aging = Aging(backend, table_name, made="created", listed=["id"])
        self.migration = self._aging.migration

    def sweeping(self, old: int, after: Cursor) -> Script[Swept]:
        """See `Sweep.sweeping`."""
        rows = yield from self._aging.finding(after)
        gone = yield from self._aging.removing(old, [row[1] for row in rows])
        yield from self._sparing([row[2] for row in rows if row[1] in gone])
        return Swept(len(gone), end_of(rows))
