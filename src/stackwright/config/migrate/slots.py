"""Where providers have connections in their config, and where references stand today."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from pydantic import BaseModel
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from stackwright.config.migrate.connections import is_snippet
from stackwright.config.migrate.names import Place, key_today, place_in_provider
from stackwright.config.providers import Types, type_named
from stackwright.config.storage import Family, KVReference, SqlReference


@dataclass(eq=False)
class Slot:
    """A connection in the old file: `container[key]`, for a store of the server's or within a provider's config."""

    container: CommentedMap
    key: str
    path: str
    connection: CommentedMap
    place: Place
    store: str | None = None
    wrapper: CommentedMap | None = None
    """The mapping around the connection, with settings of a write queue."""
    target: tuple[str, ...] = ()
    """Where the reference goes, from `container`."""


def in_providers(root: CommentedMap, types: Types | None, paths: Mapping[int, str]) -> Iterator[Slot]:
    """Yield every connection in a provider's config."""
    for api, entry in entries(root):
        config = entry.get("config")
        if isinstance(config, CommentedMap):
            path = f"{paths[id(entry)]}.config"
            name = str(entry.get("provider_type"))
            provider = type_named(types, name) if types is not None else None
            yield from _in_config(config, config, path, api, name, provider.config if provider else None)


def entries(root: CommentedMap) -> Iterator[tuple[str, CommentedMap]]:
    """Yield the entries of `providers:` with their API."""
    providers = root.get("providers")
    for api, section in providers.items() if isinstance(providers, CommentedMap) else ():
        for entry in section if isinstance(section, CommentedSeq) else ():
            if isinstance(entry, CommentedMap):
                yield api, entry


def references_of(config: type[BaseModel]) -> dict[str, Family]:
    """Return the fields of a config that are references, with the family each wants."""
    found: dict[str, Family] = {}
    for name, field in config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, (KVReference, SqlReference)):
            found[name] = "kv" if issubclass(field.annotation, KVReference) else "sql"
    return found


class Places:
    """Which namespaces and tables are taken, and the next free name."""

    def __init__(self, root: CommentedMap) -> None:
        self._taken: set[tuple[str, str]] = set()
        for value in mappings(root):
            for key in ("namespace", "table_name"):
                if "backend" in value and value.get(key) is not None:
                    self._taken.add((str(value["backend"]), str(value[key])))

    def reference(self, backend: str, family: Family, name: str, given: str | None = None) -> dict[str, Any]:
        """Return a reference to a place that nobody has; a name that is taken gets a number."""
        # Two backends may turn out to be one database, so a name of ours is taken wherever it is used.
        name = free(given or name, {taken for other, taken in self._taken if given is None or other == backend})
        self._taken.add((backend, name))
        text = DoubleQuotedScalarString(name) if ":" in name else name
        return {"backend": backend, "namespace" if family == "kv" else "table_name": text}


def free(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number where it is taken."""
    numbered = (f"{name}_{number}" for number in count(2))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def default_of(backends: Any, family: Family) -> str:
    """Return the backend of a family that takes what the file places nowhere."""
    names = [name for name, backend in backends.items() if _family_of(backend) == family]
    return f"{family}_default" if f"{family}_default" in names or not names else str(names[0])


def _family_of(backend: Any) -> str | None:
    kind = str(backend.get("type")) if isinstance(backend, CommentedMap) else ""
    return kind.partition("_")[0]


def mappings(value: Any) -> Iterator[CommentedMap]:
    """Yield every mapping of a tree."""
    if isinstance(value, CommentedMap):
        yield value
    children = value.values() if isinstance(value, CommentedMap) else value if isinstance(value, CommentedSeq) else ()
    for child in children:
        yield from mappings(child)


def _in_config(
    node: CommentedMap, config: CommentedMap, path: str, api: str, type: str, cls: type[BaseModel] | None
) -> Iterator[Slot]:
    for key, value in list(node.items()):
        if is_snippet(value):
            place, target = _today(key, node is config, config, api, type, cls, value)
            yield Slot(node, key, f"{path}.{key}", value, place, target=target)
        elif cls is not None and key == "db_path" and node is config and "sql" in references_of(cls).values():
            # The file of its own that a provider had is a table of a backend today.
            connection = CommentedMap(type="sqlite", db_path=value)
            place, target = _today(key, True, config, api, type, cls, connection)
            yield Slot(node, key, f"{path}.{key}", connection, place, target=target)
        elif isinstance(value, CommentedMap):
            yield from _in_config(value, config, f"{path}.{key}", api, type, cls)


def _today(
    key: str, top: bool, config: CommentedMap, api: str, type: str, cls: type[BaseModel] | None, connection: Any
) -> tuple[Place, tuple[str, ...]]:
    place = place_in_provider(api, type, key)
    if connection["type"] in ("redis", "mongodb"):
        place = Place("kv", place.name, place.use)
    if not top or cls is None:
        return place, key_today(api, key) if top else ()
    wanted = references_of(cls)
    free = [name for name, family in wanted.items() if family == place.family and (name == key or name not in config)]
    name = key if key in wanted else free[0] if free else key
    family = wanted.get(name, place.family)
    return Place(
        family, place.name if family == place.family else place_in_provider(api, type, "sqlstore").name, place.use
    ), (name,)
