"""Schemas: numbered steps per store, run once, under a lock, remembered in `stackwright_schema`."""

import time
from collections.abc import Mapping, Sequence

from stackwright.storage.sql import Do, Migration, Script, SqlBackend
from stackwright.storage.sql.failures import MissingTable, SchemaTooNew, TableExists

_TABLE = """CREATE TABLE IF NOT EXISTS stackwright_schema (
    store TEXT NOT NULL, version BIGINT NOT NULL, applied_at DOUBLE PRECISION NOT NULL, PRIMARY KEY (store, version))"""


def migration_script(backend: SqlBackend, store: str, migrations: Sequence[Migration]) -> Script[None]:
    """Run the steps the database has not seen. Whoever plays it holds the lock that keeps other processes out."""
    yield Do(_TABLE)
    found = yield Do(backend.render("SELECT MAX(version) FROM stackwright_schema WHERE store = $1"), (store,))
    current = found[0][0] or 0
    known = migrations[-1].version
    if current > known:
        raise SchemaTooNew(backend.name, store, found=current, known=known)
    remember = backend.render("INSERT INTO stackwright_schema (store, version, applied_at) VALUES ($1, $2, $3)")
    for migration in migrations:
        if migration.version > current:
            for step in migration.steps:
                yield from _stepping(backend, step)
            yield Do(remember, (store, migration.version, time.time()))


def _stepping(backend: SqlBackend, step: str) -> Script[None]:
    try:
        yield Do(backend.render(step))
    except TableExists as error:
        raise TableExists(
            f"{error.message}, and Stackwright did not make it. Give the store another table_name in the run file. If "
            "it is Llama Stack's, `stackwright migrate data --from OLD.yaml --to NEW.yaml --set-aside` renames it and "
            "carries its rows over."
        ) from None


async def status(backend: SqlBackend) -> Mapping[str, int]:
    """Return the schema version of every store that has one, changing nothing."""
    try:
        rows = await backend.fetch("SELECT store, MAX(version) FROM stackwright_schema GROUP BY store ORDER BY store")
    except MissingTable:
        return {}
    return dict(rows)
