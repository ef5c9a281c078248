"""Which copies of a connection are copies of one. Nothing is resolved: a variable is equal to itself only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackwright.config.storage import Family

DRIVERS = frozenset({"sqlite", "postgres", "redis", "mongodb"})
FILES: Mapping[Family, str] = {"kv": "kvstore.db", "sql": "sql_store.db"}
PLACE = ("namespace", "table_name", "collection_name", "max_write_queue_size", "num_writers")
"""Fields of a snippet that are of the store in it, not of the connection."""

_ADDRESS: Mapping[str, Mapping[str, Any]] = {
    "sqlite": {"db_path": None},
    "postgres": {
        "connection_string": None,
        "host": "localhost",
        "port": 5432,
        "db": "llamastack",
        "user": None,
        "password": None,
        "ssl_mode": None,
        "ca_cert_path": None,
    },
    "redis": {
        "url": None,
        "host": "localhost",
        "port": 6379,
        "db": 0,
        "username": None,
        "password": None,
        "tls": False,
    },
    "mongodb": {"url": None, "host": "localhost", "port": 27017, "db": "llamastack", "user": None, "password": None},
}
"""What tells a database from another, with Llama Stack's defaults."""
WRITTEN_OUT = {"postgres": ("db", "llamastack", "connection_string"), "mongodb": ("db", "llamastack", "url")}
"""A default that is another one today, and the field that makes it unnecessary."""

Identity = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of a SQLite file, as the file has it; None when only a variable knows it."""

    prefix: str | None
    path: str

    def file(self, family: Family) -> str:
        """Return the path of the one file that those of the folder become."""
        return self.path if self.prefix is None else self.prefix + FILES[family]


def is_snippet(value: Any) -> bool:
    """True for a connection that is written where it is used."""
    if not isinstance(value, Mapping) or "backend" in value:
        return False
    return isinstance(value.get("type"), str) and value["type"] in DRIVERS


def identity(connection: Mapping[str, Any], driver: str) -> Identity:
    """Return what is equal for connections to one database, for SQLite to one folder."""
    if driver == "sqlite":
        folder = folder_of(str(connection.get("db_path") or ""))
        return (driver, folder.path if folder.prefix is None else f"{_normal(folder.prefix)} ")
    fields = ((name, connection.get(name), default) for name, default in _ADDRESS[driver].items())
    # A port is the same port in quotes; an absent one is the default, and no variable's.
    return (driver, *(str(default if value is None else value) for name, value, default in fields))


def _normal(prefix: str) -> str:
    return re.sub(r"/+(\./+)*", "/", prefix).removeprefix("./")


def tuning(connection: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that say how to use a connection, not which."""
    address = _ADDRESS[connection["type"]]
    known = (*address, *PLACE, "type")
    return {name: value for name, value in connection.items() if name not in known and value is not None}


def folder_of(path: str) -> Folder:
    """Return the folder of a path; slashes within `${...}` do not count."""
    depth, cut = 0, -1
    for at, letter in enumerate(path):
        depth += (path[at : at + 2] == "${") - (letter == "}" and depth > 0)
        if letter == "/" and depth == 0:
            cut = at
    if cut < 0 and ("${" in path or path in ("", ":memory:")):
        return Folder(None, path)
    return Folder(path[: cut + 1], path)
