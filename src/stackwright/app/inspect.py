"""Looking at a run file's databases without serving: who uses them, whether they answer, how old their schemas are."""

import os
from os.path import exists
from pathlib import Path
from typing import NamedTuple

from stackwright.app.stores import schemas
from stackwright.app.users import users_of
from stackwright.config.runfile import RunFile
from stackwright.config.sharing import file_of, groups
from stackwright.config.storage import SqliteBackend
from stackwright.storage.backends import NamedBackends, open_backends

_DEADLINE = 3.0


class BackendRow(NamedTuple):
    """One backend of the catalogue."""

    name: str
    type: str
    address: str
    users: list[str]
    trouble: str | None
    """Why it cannot be used; None when it answers, or was not asked."""
    made: bool
    """False for a SQLite file that is not there yet."""


class SchemaRow(NamedTuple):
    """One store's schema in one database."""

    backend: str
    store: str
    found: int
    """0 when the store has no table yet."""
    known: int | None
    """The version this Stackwright makes; None for tables of a provider that does not say."""


async def catalogue(run: RunFile) -> list[BackendRow]:
    """Return the declared backends. Nothing is opened."""
    return [row._replace(trouble=None) for row in _rows(run, NamedBackends(run.storage))]


async def look(run: RunFile) -> tuple[list[BackendRow], list[SchemaRow]]:
    """Connect to every backend and return how it is. Makes no file and no table."""
    async with open_backends(run.storage, label=run.image_name, read_only=True) as backends:
        await backends.ping(_DEADLINE)
        return _rows(run, backends), await _schemas(run, backends)


async def upgrade(run: RunFile) -> list[SchemaRow]:
    """Bring every store's schema up to date. `StackwrightError` when a database is away or newer than we know."""
    async with open_backends(run.storage, label=run.image_name) as backends:
        await backends.check(_DEADLINE)
        for _, store in schemas(run, backends):
            await store.prepare()
        # A store whose database went away meanwhile waits for it; we do not.
        await backends.check(_DEADLINE)
        return await _schemas(run, backends)


def _rows(run: RunFile, backends: NamedBackends) -> list[BackendRow]:
    users = _users(run)
    rows: list[BackendRow] = []
    for one in backends.status():
        backend = run.storage.backends[one.name]
        file = file_of(backend) if isinstance(backend, SqliteBackend) else None
        made = file is None or exists(file)
        trouble = (_not_to_be_written(file) if file else None) or one.trouble
        rows.append(BackendRow(one.name, one.type, one.address, users.get(one.name, []), trouble, made))
    return rows


def _not_to_be_written(file: Path) -> str | None:
    """Say why a server could not write this file of SQLite's, or make it, if that is so."""
    there = exists(file)
    folder = next(one for one in file.parents if exists(one))
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return f"{file} cannot be {'written' if there else 'made'}: {folder} is no folder that we may write to."
    if there and not os.access(file, os.W_OK, effective_ids=True):
        return f"{file} cannot be written: that is not permitted to us."
    return None


def _users(run: RunFile) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for user in users_of(run):
        users.setdefault(user.reference.backend, []).append(user.name)
    return users


async def _schemas(run: RunFile, backends: NamedBackends) -> list[SchemaRow]:
    """Return every schema once: that of a store of ours under its backend, others under the database's first."""
    ours = [(name, store.name, store.migrations[-1].version) for name, store in schemas(run, backends)]
    ours += [(name, table.name, table.schema_version) for name, table in backends.tables.items()]
    rows: list[SchemaRow] = []
    for names in groups(run.storage.backends):
        if names[0] in backends.troubles():
            continue
        found = await backends.schemas(names[0])
        known = {store: (name, version) for name, store, version in reversed(ours) if name in names}
        rows += [
            SchemaRow(known[store][0], store, found.get(store, 0), known[store][1])
            if store in known
            else SchemaRow(names[0], store, found[store], None)
            for store in {*found, *known}
        ]
    order = list(run.storage.backends)
    return sorted(rows, key=lambda row: (order.index(row.backend), row.store))
