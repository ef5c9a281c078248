"""How much the stores hold, and since when."""

from collections.abc import Mapping
from typing import NamedTuple

from stackwright.app.stores import MadeTable, references, sql_stores, tables_of
from stackwright.app.users import users_of
from stackwright.config.runfile import RunFile
from stackwright.config.storage import KVReference, SqliteBackend
from stackwright.storage.backends import NamedBackends, open_backends
from stackwright.storage.sql import SqlBackend
from stackwright.storage.sql.columns import quoted
from stackwright.storage.sql.failures import MissingTable

_DEADLINE = 3.0
_BATCH = 500
_SQLITE_BYTES = """SELECT m.tbl_name, SUM(d.pgsize) FROM dbstat d JOIN sqlite_master m ON m.name = d.name
    WHERE d.aggregate = TRUE GROUP BY m.tbl_name"""
_POSTGRES_BYTES = """SELECT relname, pg_total_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND pg_table_is_visible(oid)"""


class Volume(NamedTuple):
    """What one table or namespace holds."""

    backend: str
    store: str
    holds: str
    rows: int | None
    """None where there is no table yet, or only a provider knows its tables."""
    bytes: int | None
    """A table's share of the disk with its indexes; a namespace's keys and values."""
    oldest: float | None = None
    newest: float | None = None
    """Seconds since 1970; None where rows do not say when they were made."""


async def measure(run: RunFile) -> tuple[list[Volume], Mapping[str, str]]:
    """Return what every store holds, and why backends could not be asked. Changes nothing."""
    async with open_backends(run.storage, label=run.image_name, read_only=True) as backends:
        await backends.ping(_DEADLINE)
        troubles = backends.troubles()
        found = [*await _tables(run, backends, troubles), *await _namespaces(run, backends, troubles)]
    order = list(run.storage.backends)
    return sorted(found, key=lambda one: order.index(one.backend)), troubles


async def _tables(run: RunFile, backends: NamedBackends, troubles: Mapping[str, str]) -> list[Volume]:
    found: list[Volume] = []
    bytes_in: dict[str, Mapping[str, int]] = {}
    places = references(run)
    for kept in sql_stores(run, backends):
        name = kept.backend
        if name in troubles:
            continue
        database = backends.sql(places[kept.key])
        if name not in bytes_in:
            is_sqlite = isinstance(run.storage.backends[name], SqliteBackend)
            bytes_in[name] = dict(await database.fetch(_SQLITE_BYTES if is_sqlite else _POSTGRES_BYTES))
        for table in tables_of(kept.store):
            size = bytes_in[name].get(table.name)
            found.append(Volume(name, kept.key, table.name, *await _rows(database, table, size)))
    return found


async def _rows(
    database: SqlBackend, table: MadeTable, size: int | None
) -> tuple[int | None, int | None, float | None, float | None]:
    time = quoted(table.time) if table.time else "NULL"
    try:
        sql = f"SELECT count(*), min({time}), max({time}) FROM {quoted(table.name)}"  # noqa: S608 - names are checked
        ((count, oldest, newest),) = await database.fetch(sql)
    except MissingTable:
        return None, None, None, None
    return count, size, oldest, newest


async def _namespaces(run: RunFile, backends: NamedBackends, troubles: Mapping[str, str]) -> list[Volume]:
    found: list[Volume] = []
    for user in users_of(run):
        reference = user.reference
        if reference.backend in troubles:
            continue
        if isinstance(reference, KVReference):
            found.append(await _entries(backends, user.name, reference))
        elif not user.ours:
            found.append(Volume(reference.backend, user.name, reference.table_name, None, None))
    return found


async def _entries(backends: NamedBackends, store: str, reference: KVReference) -> Volume:
    """Count by reading: no KV database knows what a namespace comes to."""
    name, place = reference.backend, reference.namespace
    table = backends.tables.get(name)
    if table is not None and table.name not in await backends.schemas(name):
        return Volume(name, store, place, None, None)
    kv, after = backends.kv(reference), ""
    rows = size = 0
    while entries := await kv.dump(after=after, limit=_BATCH):
        rows += len(entries)
        size += sum(len(entry.key.encode()) + len(entry.value) for entry in entries)
        after = entries[-1].key
    return Volume(name, store, place, rows, size)
