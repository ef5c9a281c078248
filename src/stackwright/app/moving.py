"""Moving what stores keep from one backend to another of its family."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from stackwright.app.stores import FILES, Kept, files_provider, files_reference, sql_stores, tables_of
from stackwright.app.users import User, users_of
from stackwright.config.runfile import ProviderEntry, RunFile
from stackwright.config.sharing import file_of, identity
from stackwright.config.storage import (
    Backend,
    KVReference,
    PostgresBackend,
    SqliteBackend,
    SqlReference,
    Storage,
)
from stackwright.errors import StackwrightError
from stackwright.storage.backends import NamedBackends, open_backends
from stackwright.storage.copy import Place
from stackwright.storage.copy.copying import Copied, Copying, Tell
from stackwright.storage.copy.kv import KVPlace
from stackwright.storage.copy.sqlite import sqlite_place
from stackwright.storage.present import present

_DEADLINE = 3.0
_TOGETHER = {
    "storage.stores.responses": "storage.stores.conversations",
    "storage.stores.conversations": "storage.stores.responses",
}
"""Stores that one transaction writes."""


class Moved(NamedTuple):
    """What a move came to."""

    copied: list[tuple[str, Copied]]
    """The user of each part, and the part."""
    changes: dict[str, dict[str, str]]
    """What the run file is to say, by path."""
    stayed: dict[str, str]
    """What refers to the source and was not copied, by path, and why."""


async def move(
    run: RunFile, source: str, target: str, *, only: Sequence[str] = (), replace: bool = False, tell: Tell
) -> Moved:
    """Copy what the stores on `source` hold to `target`; all of them, or `only` some.

    Raises:
        StackwrightError: These two cannot be copied, or somebody uses them.
        Occupied, Different: See `Copying.run`.
    """
    _check_pair(run.storage.backends, source, target)
    users = [user for user in users_of(run) if user.reference.backend == source]
    chosen = _chosen(users, source, only)
    stayed = {user.path: _why_left(user.path, chosen) for user in users if user not in chosen}
    for name in (source, target):
        await _check_alone(run.storage.backends[name], name)
    if run.storage.backends[source].type.startswith("kv_"):
        copied = await _move_namespaces(run, source, target, chosen, replace, tell)
    else:
        ours = [user for user in chosen if user.ours]
        stayed |= {user.path: "its provider keeps its tables itself" for user in chosen if user not in ours}
        chosen = ours
        copied = await _move_tables(run, source, target, [user.name for user in ours], replace, tell)
    return Moved(copied, {user.path: _reference(user.reference, target) for user in chosen}, stayed)


def _check_pair(backends: Mapping[str, Backend], source: str, target: str) -> None:
    for name in (source, target):
        if name not in backends:
            raise StackwrightError(f"No backend is named {name!r}. Declared: {', '.join(backends)}.")
    one, other = backends[source], backends[target]
    if one.type[:3] != other.type[:3]:
        raise StackwrightError(
            f"{source!r} is {one.type} and {target!r} is {other.type}: rows go to a sql_ backend, keys and values to a "
            "kv_ one."
        )
    same = ("table_name", "collection_name", "namespace") if one.type.startswith("kv_") else ()
    if identity(one) == identity(other) and all(getattr(one, k, None) == getattr(other, k, None) for k in same):
        raise StackwrightError(f"{source!r} and {target!r} are one and the same database.")


def _chosen(users: Sequence[User], source: str, only: Sequence[str]) -> list[User]:
    known = {user.name for user in users}
    if unknown := [name for name in only if name not in known]:
        raise StackwrightError(
            f"{', '.join(map(repr, unknown))}: no store on {source!r}. On it: {', '.join(sorted(known)) or 'none'}."
        )
    if not users:
        raise StackwrightError(f"No store and no provider refers to {source!r}: there is nothing to copy.")
    return [user for user in users if not only or user.name in only]


def _why_left(path: str, chosen: Sequence[User]) -> str:
    """Say why what refers to the source at `path` was not copied."""
    other = _TOGETHER.get(path)
    if any(user.path == other for user in chosen):
        return f"not asked for; it must be in one backend with {other}: copy it, too, before you change the file"
    return "not asked for"


def _reference(reference: KVReference | SqlReference, target: str) -> dict[str, str]:
    if isinstance(reference, KVReference):
        return {"backend": target, "namespace": reference.namespace}
    return {"backend": target, "table_name": reference.table_name}


async def _move_tables(
    run: RunFile, source: str, target: str, stores: Sequence[str], replace: bool, tell: Tell
) -> list[tuple[str, Copied]]:
    kept = await _prepared(run, target, stores)
    versions = await _versions(run, source)
    wanted = [(one.key, made) for one in kept if _is_current(one, source, versions) for made in tables_of(one.store)]
    if not wanted:
        return []
    tables = [made.name for _, made in wanted]
    backends = run.storage.backends
    async with _alone(backends[source], source, tables) as here, _alone(backends[target], target) as there:
        parts = [(made.name, made.seeded) for _, made in wanted]
        copied = await Copying(here, there, tell).run(parts, replace=replace)
    return [(key, done) for (key, _), done in zip(wanted, copied, strict=True)]


def _alone(backend: Backend, name: str, reading: Sequence[str] = ()) -> AbstractAsyncContextManager[Place]:
    """Open a database in which nobody else works."""
    if isinstance(backend, SqliteBackend):
        return sqlite_place(file_of(backend), name)
    assert isinstance(backend, PostgresBackend)
    # Imported when it is named, as in `storage.backends`.
    from stackwright.storage.copy.postgres import postgres_place

    return postgres_place(backend, name, reading=reading)


async def _prepared(run: RunFile, target: str, stores: Sequence[str]) -> list[Kept]:
    """Make the tables of some stores on the target, and return what has tables."""
    there = {
        name: reference.model_copy(update={"backend": target})
        for name, reference in run.storage.stores
        if isinstance(reference, SqlReference)
    }
    storage = run.storage.model_copy(update={"stores": run.storage.stores.model_copy(update=there)})
    changed = {"storage": storage, "providers": {**run.providers, FILES: (_files_on(run, target),)}}
    async with _opened(storage, target) as backends:
        every = sql_stores(run.model_copy(update=changed), backends)
        kept = [one for one in every if one.key in stores]
        for one in kept:
            await one.store.prepare()
        await backends.check(_DEADLINE)
    return kept


def _files_on(run: RunFile, backend: str) -> ProviderEntry:
    provider = files_provider(run)
    there = files_reference(run).model_copy(update={"backend": backend})
    return provider.model_copy(update={"config": provider.config.model_copy(update={"metadata_store": there})})


async def _versions(run: RunFile, source: str) -> Mapping[str, int]:
    async with _opened(run.storage, source, read_only=True) as backends:
        return await backends.schemas(source)


@asynccontextmanager
async def _opened(storage: Storage, *names: str, read_only: bool = False) -> AsyncIterator[NamedBackends]:
    only = storage.model_copy(update={"backends": {name: storage.backends[name] for name in names}})
    async with open_backends(only, label="copy", read_only=read_only) as backends:
        await backends.check(_DEADLINE)
        yield backends


def _is_current(kept: Kept, source: str, versions: Mapping[str, int]) -> bool:
    """True when a store has tables in the source, and they are as ours."""
    found, known = versions.get(kept.store.name, 0), kept.store.migrations[-1].version
    if found not in (0, known):
        raise StackwrightError(
            f"{kept.store.name} in {source!r} has schema version {found}, this Stackwright makes {known}. "
            "Run `stackwright db upgrade` first."
        )
    return bool(found)


async def _move_namespaces(
    run: RunFile, source: str, target: str, users: Sequence[User], replace: bool, tell: Tell
) -> list[tuple[str, Copied]]:
    names = [(user.reference.namespace, False) for user in users if isinstance(user.reference, KVReference)]
    async with _opened(run.storage, source, target) as backends:
        copying = Copying(KVPlace(backends, source), KVPlace(backends, target), tell)
        copied = await copying.run(names, replace=replace)
    return [(user.name, done) for user, done in zip(users, copied, strict=True)]


async def _check_alone(backend: Backend, name: str) -> None:
    """`InUse` when a server works there, as far as the database can tell: Redis and MongoDB cannot.

    Asked before anything is made on the target, and again by who copies tables, with a lock that is kept.
    """
    if isinstance(backend, PostgresBackend) or (isinstance(backend, SqliteBackend) and present(file_of(backend))):
        async with _alone(backend, name):
            pass
