"""Looking at a run file's databases without serving: who uses them, whether they answer, how old their schemas are."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from stackwright.app.stores import sql_stores
from stackwright.config.references import references_in
from stackwright.config.runfile import RunFile
from stackwright.config.storage import SqlReference
from stackwright.errors import StackwrightError
from stackwright.storage.backends import NamedBackends, open_backends
from stackwright.storage.sql.migrate import status

_DEADLINE = 3.0


class BackendRow(NamedTuple):
    """One backend of the catalogue."""

    name: str
    type: str
    address: str
    users: list[str]
    trouble: str | None
    """Why it cannot be used; None when it answers, or was not asked."""


class SchemaRow(NamedTuple):
    """One store's schema in one database."""

    backend: str
    store: str
    found: int
    """0 when the store has no table yet."""
    known: int | None
    """The version this Stackwright makes; None for a table that a provider or a KV backend keeps."""


async def catalogue(run: RunFile) -> list[BackendRow]:
    """Return the declared backends. Nothing is opened."""
    return _rows(run, NamedBackends(run.storage), {})


async def look(run: RunFile) -> tuple[list[BackendRow], list[SchemaRow]]:
    """Connect to every backend and return how it is. Makes no table."""
    async with _connected(run) as backends:
        return _rows(run, backends, backends.troubles()), await _schemas(run, backends)


async def upgrade(run: RunFile) -> list[SchemaRow]:
    """Bring every store's schema up to date. `StackwrightError` when a database is away or newer than we know."""
    async with _connected(run) as backends:
        troubles = backends.troubles()
        if troubles:
            raise StackwrightError("; ".join(f"{name}: {why}" for name, why in troubles.items()))
        for _, store in sql_stores(run, backends):
            await store.prepare()
        return await _schemas(run, backends)


@asynccontextmanager
async def _connected(run: RunFile) -> AsyncIterator[NamedBackends]:
    async with open_backends(run.storage) as backends:
        await backends.ping(_DEADLINE)
        yield backends


def _rows(run: RunFile, backends: NamedBackends, troubles: Mapping[str, str]) -> list[BackendRow]:
    users = _users(run)
    return [
        BackendRow(one.name, one.type, one.address, users.get(one.name, []), troubles.get(one.name))
        for one in backends.status()
    ]


def _users(run: RunFile) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for store, reference in run.storage.stores:
        users.setdefault(reference.backend, []).append(store)
    for entries in run.providers.values():
        for entry in entries:
            for reference in references_in(entry.config):
                users.setdefault(reference.backend, []).append(entry.provider_id)
    return users


async def _schemas(run: RunFile, backends: NamedBackends) -> list[SchemaRow]:
    known = {(where, store.name): store.schema_version for where, store in sql_stores(run, backends)}
    rows: list[SchemaRow] = []
    for name, backend in run.storage.backends.items():
        if not backend.type.startswith("sql_") or name in backends.troubles():
            continue
        found = await status(backends.sql(SqlReference(backend=name, table_name="any")))
        stores = sorted({*found, *(store for where, store in known if where == name)})
        rows += [SchemaRow(name, store, found.get(store, 0), known.get((name, store))) for store in stores]
    return rows
