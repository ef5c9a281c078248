"""Which backends are one database, and with what settings that is opened."""

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from stackwright.config.complaint import Report
from stackwright.config.locate import Node
from stackwright.config.secret import Secret
from stackwright.config.storage import Backend, MongoBackend, PostgresBackend, RedisBackend, SqliteBackend, Storage
from stackwright.config.url import Url, parse, place_of

_LIMITS = ("pool_size", "max_overflow", "pool_timeout", "pool_recycle", "command_timeout")
"""What says how a database is used, not which one it is."""


def groups(backends: Mapping[str, Backend]) -> list[list[str]]:
    """Return the names of the backends, those of one database together."""
    found: dict[Hashable, list[str]] = {}
    for name, backend in backends.items():
        found.setdefault(identity(backend), []).append(name)
    return list(found.values())


def identity(backend: Backend) -> Hashable:
    """Return what two backends have in common exactly when they are one database, reached as the same user."""
    match backend:
        case SqliteBackend():
            return "sqlite", file_of(backend)
        case PostgresBackend():
            return "postgres", _postgres(backend)
        case RedisBackend():
            return "redis", _redis(backend), backend.ca_cert_path
        case MongoBackend():
            return "mongodb", _mongo(backend)


def file_of(backend: SqliteBackend) -> Path:
    """Return the file itself, however the run file spells it."""
    return Path(os.path.realpath(os.path.expanduser(backend.db_path)))


def merged(backends: Sequence[Backend]) -> Backend:
    """Return the settings to open one database with."""
    return backends[0].model_copy(update=limits_of(backends))


def limits_of(backends: Sequence[Backend]) -> dict[str, float]:
    """Return how one database is used, as far as any of its backends says."""
    return {key: getattr(one, key) for one in reversed(backends) for key in _LIMITS if key in one.model_fields_set}


def check(storage: Storage, root: Node, report: Report) -> None:
    """Report backends of one database that disagree about how it is used."""
    for names in groups(storage.backends):
        for key in _LIMITS:
            first, *others = [name for name in names if key in storage.backends[name].model_fields_set] or names
            theirs = getattr(storage.backends[first], key, None)
            for name in others:
                ours = getattr(storage.backends[name], key, None)
                if ours != theirs:
                    report.value(
                        root.nearest(("storage", "backends", name, key)),
                        f"This backend shares its database with '{first}', but {key} differs: {theirs:g} and {ours:g}. "
                        "Give both the same, or only one of them any.",
                    )


def _password(secret: Secret | None) -> str:
    return secret.reveal() if secret else ""


def _postgres(backend: PostgresBackend) -> Hashable:
    if backend.connection_string is None:
        url = Url(
            "postgresql",
            backend.user,
            _password(backend.password),
            (place_of(backend.host, backend.port),),
            backend.db,
            {},
        )
    else:
        url = parse(backend.connection_string.reveal(), 5432)
    query = dict(url.query)
    tls = backend.ssl_mode or query.pop("sslmode", None), backend.ca_cert_path or query.pop("sslrootcert", None)
    return url.hosts, url.path, url.user, url.password, tls, frozenset(query.items())


def _redis(backend: RedisBackend) -> Hashable:
    if backend.url is None:
        place = place_of(backend.host, backend.port)
        return backend.tls, (place,), str(backend.db), backend.username or "", _password(backend.password), frozenset()
    url = parse(backend.url.reveal(), 6379)
    query = dict(url.query)
    db = query.pop("db", None) or (url.path if url.scheme != "unix" else "") or "0"
    path = url.path if url.scheme == "unix" else ""
    place_and_user = url.hosts, db, url.user, url.password
    return url.scheme == "rediss", *place_and_user, frozenset(query.items()) | ({("path", path)} if path else set())


def _mongo(backend: MongoBackend) -> Hashable:
    if backend.url is None:
        hosts: tuple[str, ...] = (place_of(backend.host, backend.port),)
        source = "admin" if backend.user else None
        return "mongodb", hosts, backend.db, backend.user or "", _password(backend.password), source, frozenset()
    url = parse(backend.url.reveal(), 27017)
    query = dict(url.query)
    source = query.pop("authSource", None) or url.path or "admin"
    user = url.user, url.password, source if url.user else None
    return url.scheme, url.hosts, url.path or backend.db, *user, frozenset(query.items())
