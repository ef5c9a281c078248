"""Tables of Llama Stack's where ours are to be: the old and the new run file may name one database and one table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stackwright.app.carry.layouts import ASIDE
from stackwright.app.stores import references, sql_stores
from stackwright.config.runfile import RunFile
from stackwright.errors import StackwrightError
from stackwright.storage.backends import NamedBackends
from stackwright.storage.sql import Do, SqlBackend
from stackwright.storage.sql.columns import quoted
from stackwright.storage.sql.failures import MissingTable
from stackwright.storage.sql.migrate import status


class InTheWay(NamedTuple):
    """A table that somebody else made, under a name that one of ours is to have."""

    backend: SqlBackend
    name: str

    @property
    def aside(self) -> str:
        """What it is called when it is out of the way."""
        return f"{self.name}{ASIDE}"


class Taken(StackwrightError):
    """Tables of Llama Stack's are in the way."""

    code = "table_taken"

    def __init__(self, tables: Sequence[InTheWay]) -> None:
        lines = [f"  {one.backend.name}: {one.name}, to be renamed {one.aside}" for one in tables]
        super().__init__(
            "Tables of Llama Stack's have the names that the new run file gives to ours:\n"
            + "\n".join(lines)
            + "\nStop Llama Stack, and run this again with --set-aside, which renames them and reads them there; or "
            "give the stores other names (table_name) in the new run file."
        )


async def in_the_way(run: RunFile, backends: NamedBackends) -> list[InTheWay]:
    """Return the tables that are there and were not made by us."""
    versions: dict[str, Mapping[str, int]] = {}
    found: dict[tuple[str, str], InTheWay] = {}
    for backend, store, table in _wanted(run, backends):
        if backend.name not in versions:
            versions[backend.name] = await status(backend)
        if store not in versions[backend.name] and await _exists(backend, table):
            found.setdefault((backend.name, table), InTheWay(backend, table))
    return list(found.values())


def _wanted(run: RunFile, backends: NamedBackends) -> Iterator[tuple[SqlBackend, str, str]]:
    places = references(run)
    for kept in sql_stores(run, backends):
        yield backends.sql(places[kept.key]), kept.store.name, kept.store.name
    for table in backends.tables.values():
        yield table.database, table.name, table.name.removeprefix("kv:")


async def _exists(backend: SqlBackend, table: str) -> bool:
    try:
        await backend.fetch(f"SELECT 1 FROM {quoted(table)} LIMIT 1")  # noqa: S608 - it is quoted
    except MissingTable:
        return False
    return True


async def set_aside(tables: Sequence[InTheWay]) -> list[tuple[str, str]]:
    """Rename them, and return their old and new names."""
    for one in tables:
        if await _exists(one.backend, one.aside):
            raise StackwrightError(
                f"Backend {one.backend.name!r}: '{one.name}' cannot be renamed, for there is a '{one.aside}' already. "
                "Rename one of them yourself."
            )
        await one.backend.commit(Do(f"ALTER TABLE {quoted(one.name)} RENAME TO {quoted(one.aside)}"))
    return [(one.name, one.aside) for one in tables]
