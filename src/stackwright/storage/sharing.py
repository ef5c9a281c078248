"""Which backends are one database, and with what settings that is opened."""

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from stackwright.config.storage import Backend, MongoBackend, PostgresBackend, RedisBackend, SqliteBackend

# What says how a database is used, not which one it is. The largest that any of its backends asks for holds for all.
_LIMITS = ("pool_size", "max_overflow", "pool_timeout", "pool_recycle", "command_timeout")


def identity(backend: Backend) -> Hashable:
    """Return what two backends have in common exactly when they are one database, reached as the same user."""
    match backend:
        case SqliteBackend():
            return "sqlite", file_of(backend)
        case PostgresBackend():
            return "postgres", *_postgres_identity(backend)
        case RedisBackend() | MongoBackend():
            return tuple(
                (name, value) for name, value in backend if name not in _LIMITS and name not in ("type", "namespace")
            )


def file_of(backend: SqliteBackend) -> Path:
    """Return the file itself, however the run file spells it."""
    return Path(os.path.realpath(Path(backend.db_path).expanduser()))


def merged(backends: Sequence[Backend]) -> Backend:
    """Return the settings to open one database with, for all backends that are this database."""
    first = backends[0]
    limits = {name: max(getattr(one, name) for one in backends) for name in _LIMITS if hasattr(first, name)}
    return first.model_copy(update=limits)


def _postgres_identity(backend: PostgresBackend) -> tuple[Hashable, ...]:
    if backend.connection_string is None:
        password = backend.password.reveal() if backend.password else ""
        place = backend.host, backend.port, backend.db, backend.user, password
        return *place, backend.ssl_mode, backend.ca_cert_path, ()
    given = backend.connection_string.reveal()
    try:
        url = urlsplit(given)
        port = url.port or 5432
    except ValueError:  # Several hosts.
        return given, backend.ssl_mode, backend.ca_cert_path
    query = dict(parse_qsl(url.query))
    tls = backend.ssl_mode or query.pop("sslmode", None), backend.ca_cert_path or query.pop("sslrootcert", None)
    db, user, password = (unquote(part or "") for part in (url.path.lstrip("/"), url.username, url.password))
    return url.hostname, port, db, user, password, *tls, tuple(sorted(query.items()))
