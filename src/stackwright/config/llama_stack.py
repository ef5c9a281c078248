"""Where a run file of Llama Stack's keeps its state: every connection in it, as settings to open it with, and where the
bytes of files are."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from stackwright.config.complaint import Complaint, Report, RunFileError
from stackwright.config.env import Substitution
from stackwright.config.locate import Node, parse
from stackwright.config.migrate.connections import DRIVERS
from stackwright.config.migrate.names import syntax_today
from stackwright.config.providers import entries
from stackwright.config.secret import Unresolved
from stackwright.config.sharing import identity
from stackwright.config.storage import (
    BACKEND_TYPES,
    Backend,
    MongoBackend,
    PostgresBackend,
    RedisBackend,
    SqliteBackend,
)

_CLASSES: Mapping[str, type[SqliteBackend | PostgresBackend | RedisBackend | MongoBackend]] = {
    "sqlite": SqliteBackend,
    "postgres": PostgresBackend,
    "redis": RedisBackend,
    "mongodb": MongoBackend,
}
_TYPES = {"sqlite": "sql_sqlite", "postgres": "sql_postgres", "redis": "kv_redis", "mongodb": "kv_mongodb"}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "sqlite": {},
    # Reading in order of arrival sorts the whole table first.
    "postgres": {"db": "llamastack", "command_timeout": 3600},
    "redis": {},
    "mongodb": {"db": "llamastack", "collection_name": "llamastack_kvstore"},
}
_USE = {"pool_size", "max_overflow", "pool_timeout", "pool_recycle", "command_timeout", "namespace", "table_name"}
"""Settings of a backend that say how it is used, or what is in it."""

TABLES = frozenset(
    {
        "chat_completions",
        "conversation_items",
        "inference_store",
        "kvstore",
        "llamastack_kvstore",
        "openai_conversations",
        "openai_files",
        "openai_responses",
        "prompts",
        "responses",
    }
)
"""What Llama Stack calls its tables when no file says otherwise."""


@dataclass(frozen=True, slots=True)
class Place:
    """One database of the file."""

    path: str
    """Where the file names it first."""
    backend: Backend


@dataclass(frozen=True, slots=True)
class FilesProvider:
    """Who keeps the bytes of files."""

    type: str
    folder: Path | None
    """Where they are, if they are in a folder of this machine."""


@dataclass(frozen=True, slots=True)
class OldFile:
    """What a file says about its state. A database that it names several times is in it once."""

    places: tuple[Place, ...]
    tables: frozenset[str]
    """Names of tables that may be its own."""
    namespaces: frozenset[str]
    """Prefixes of keys that may be its own."""
    files: tuple[FilesProvider, ...]


def read(path: Path, *, environ: Mapping[str, str]) -> OldFile:
    """Return where the run file at `path` keeps its state. Only variables in connections and of the folder of files
    are looked at.

    Raises:
        RunFileError: The file cannot be read, or a connection in it makes no sense.
    """
    report = Report(str(path))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RunFileError([Complaint(str(path), 1, 1, "", f"Cannot be read: {error.strerror}.")]) from None
    except UnicodeDecodeError:
        raise RunFileError([Complaint(str(path), 1, 1, "", "Not UTF-8.")]) from None
    root = parse(text, report)
    if root is None or report.complaints:
        report.fail()
    reader = _Reader(Substitution(environ, path.parent.absolute()), report)
    places = [place for node in root.walk() if (place := reader.place(node))]
    tables, namespaces = reader.names(root, "table_name"), reader.names(root, "namespace")
    files = tuple(reader.files(root))
    if report.complaints:
        report.fail()
    return OldFile(tuple(_unique([*places, *reader.implied(root, environ)])), TABLES | tables, namespaces, files)


@dataclass
class _Reader:
    substitute: Substitution
    report: Report

    def place(self, node: Node) -> Place | None:
        """Return the connection that a mapping is; None when it is none, or is no good, which is reported."""
        kind = node.child("type")
        if kind is None or node.child("backend") or not isinstance(kind.value, str):
            return None
        driver = kind.text if kind.text in DRIVERS else kind.text.partition("_")[2]
        if kind.text not in BACKEND_TYPES and kind.text not in DRIVERS:
            return None
        settings = {**_DEFAULTS[driver], **self._address(node, driver), "type": _TYPES[driver]}
        if "connection_string" in settings or "url" in settings:
            # It names the database itself.
            settings.pop("db", None)
        try:
            backend: Backend = TypeAdapter(Backend).validate_python(settings)
        except ValidationError as error:
            where = ", ".join(".".join(map(str, one["loc"][1:])) or one["msg"] for one in error.errors())
            self.report.key(node, f"No connection to {driver} can be made of this: {where}.")
            return None
        return Place(node.path, backend)

    def _address(self, node: Node, driver: str) -> dict[str, Any]:
        known = _CLASSES[driver].model_fields.keys() - _USE - {"type"}
        found = {name: self._value(child) for name, child in node.fields().items() if name in known}
        if driver == "redis" and "url" in found:
            found.pop("host", None), found.pop("port", None)
        return {name: value for name, value in found.items() if value not in (None, "")}

    def _value(self, node: Node) -> Any:
        if not isinstance(node.value, str):
            return node.text if node.secret and node.value is not None else node.value
        try:
            return self.substitute(syntax_today(node.value))
        except Unresolved as error:
            self.report.value(node, str(error))
            return None

    def names(self, root: Node, key: str) -> frozenset[str]:
        """Return every value of a key, wherever it is."""
        found = (child for node in root.walk() for name, child in node.fields().items() if name == key)
        return frozenset(str(value) for child in found if (value := self._value(child)))

    def files(self, root: Node) -> Iterator[FilesProvider]:
        """Return the providers of files."""
        for api, entry in entries(root):
            kind, folder = entry.child("provider_type"), entry.find("config", "storage_dir")
            if api == "files" and kind is not None:
                given = self._value(folder) if folder else None
                yield FilesProvider(
                    kind.text, Path(os.path.realpath(os.path.expanduser(str(given)))) if given else None
                )

    def implied(self, root: Node, environ: Mapping[str, str]) -> Iterator[Place]:
        """Return the files that Llama Stack keeps its registry and prompts in when the file does not say."""
        named = root.child("image_name")
        if named is None or not (image := self._value(named)):
            return
        home = environ.get("LLAMA_STACK_CONFIG_DIR") or "~/.llama"
        folder = Path(os.path.expanduser(home)) / "distributions" / str(image)
        for name in ("kvstore.db", "prompts.db"):
            if (folder / name).exists():
                backend = SqliteBackend(type="sql_sqlite", db_path=str(folder / name))
                yield Place("Llama Stack's default", backend)


def _unique(places: list[Place]) -> list[Place]:
    found: dict[Any, Place] = {}
    for place in places:
        backend = place.backend
        key = (identity(backend), backend.collection_name if isinstance(backend, MongoBackend) else None)
        found.setdefault(key, place)
    return list(found.values())
