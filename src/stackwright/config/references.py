"""References to backends: each to one that exists, of the right family, and to a place of its own."""

from collections.abc import Iterator, Mapping
from os.path import expanduser, normpath

from pydantic import BaseModel

from stackwright.config.complaint import Report
from stackwright.config.locate import Node
from stackwright.config.storage import BACKEND_TYPES, REFERENCES, Family, KVReference, SqlReference, Stores
from stackwright.config.words import of_known, quote

_ADDRESS = ("db_path", "connection_string", "url", "host", "port", "db")
_KV_PLACE = ("table_name", "collection_name", "namespace")


def declared(root: Node) -> dict[str, str]:
    """Return the type of each declared backend by its name; empty where it is none that exists."""
    backends = root.find("storage", "backends")
    if backends is None:
        return {}
    kinds = {name: node.child("type") for name, node in backends.fields().items()}
    return {name: str(kind.value) if kind and kind.value in BACKEND_TYPES else "" for name, kind in kinds.items()}


def fill(node: Node, cls: type[BaseModel], backends: Mapping[str, str], report: Report) -> None:
    """Write out the references that a mapping leaves to their defaults.

    A default backend that is not declared gives way to the only one of its family.
    """
    for name, field in cls.model_fields.items():
        default = field.default
        if not isinstance(default, REFERENCES) or _given(node.child(name)):
            continue
        family = _family(type(default))
        fitting = [backend for backend, kind in backends.items() if kind.startswith(f"{family}_")]
        if default.backend in backends or len(fitting) == 1:
            backend = default.backend if default.backend in backends else fitting[0]
            node.add(name, {**default.model_dump(exclude_none=True), "backend": backend})
        else:
            report.missing(node, name, _undecided(default.backend, family, fitting))


def fill_stores(root: Node, backends: Mapping[str, str], report: Report) -> None:
    """Write out where the stores that the file does not name keep their rows."""
    storage = root.child("storage")
    if storage is None or not backends:
        return
    stores = storage.child("stores")
    if not _given(stores):
        stores = storage.add("stores", {})
    if stores is not None and stores.items is not None:
        fill(stores, Stores, backends, report)


def check(root: Node, report: Report) -> None:
    """Report references that lead nowhere, to the wrong family, or where another one leads."""
    backends = declared(root)
    if not backends:
        return  # That `storage.backends` is missing has been said.
    places: dict[tuple[str, ...], Node] = {}
    for node in root.walk():
        reader = node.reader()
        if (
            reader
            and issubclass(reader, REFERENCES)
            and (backend := node.child("backend"))
            and isinstance(backend.value, str)
        ):
            family = _family(reader)
            if _leads_somewhere(backend, family, backends, report):
                _alone(node, family, root, places, report)


def check_defaults(model: BaseModel, node: Node, backends: Mapping[str, str], report: Report) -> None:
    """Report references that stand nowhere in the file, because a nested default made them, and lead nowhere."""
    given = {str(child.value) for child in node.walk()}
    for _, reference in references_in(model):
        if backends and reference.backend not in backends and reference.backend not in given:
            names = ", ".join(backends)
            report.value(node, f"A default in here refers to a backend '{reference.backend}'. Declared: {names}.")


def _leads_somewhere(backend: Node, family: Family, backends: Mapping[str, str], report: Report) -> bool:
    if backend.faulty:
        return False
    kind = backends.get(backend.value)
    if kind is None:
        known = of_known(backend, "declared backend", backends, show=lambda name: f"{name} ({backends[name] or '?'})")
        report.value(backend, known.replace("Known:", "Declared:"))
        return False
    if kind and not kind.startswith(f"{family}_"):
        fitting = [name for name, other in backends.items() if other.startswith(f"{family}_")]
        report.value(
            backend,
            f"{quote(backend) or 'This'} is a backend of type {kind}; a {family.upper()} backend is needed here. "
            f"Declared {family.upper()} backends: {', '.join(fitting) or 'none'}.",
        )
        return False
    return True


def _alone(node: Node, family: Family, root: Node, places: dict[tuple[str, ...], Node], report: Report) -> None:
    key = "namespace" if family == "kv" else "table_name"
    what = node.child(key)
    backend = node.child("backend")
    if backend is None or (what is not None and not isinstance(what.value, str)):
        return
    name = what.value if what else _default_of(node, key)
    address = _address(root.find("storage", "backends", backend.value), family)
    # Neither family of databases tells table names apart by case.
    place = (*address, family, name if family == "kv" else name.lower())
    first = places.setdefault(place, node)
    if first is not node and not (what or node).faulty:
        noun = "namespace" if family == "kv" else "table"
        report.value(
            what or node,
            f"This {noun} of this backend is taken by {first.path} (line {first.line}). Give each its own {key}.",
        )


def _default_of(node: Node, key: str) -> str:
    reader = node.reader()
    field = reader.model_fields.get(key) if reader else None
    return field.default if field and isinstance(field.default, str) else f"(none at {node.path})"


def _address(backend: Node | None, family: Family) -> tuple[str, ...]:
    """Return what tells a database from another, whatever names its backends have."""
    if backend is None:
        return ()
    keys = _ADDRESS + (_KV_PLACE if family == "kv" else ())
    parts = {key: str(node.value) for key in keys if (node := backend.child(key)) and node.value is not None}
    if "db_path" in parts:
        parts["db_path"] = normpath(expanduser(parts["db_path"]))
    kind = backend.child("type")
    return (str(kind.value) if kind else "", *(f"{key}={value}" for key, value in parts.items()))


def references_in(value: object, path: str = "") -> Iterator[tuple[str, KVReference | SqlReference]]:
    """Return every reference in a value, at any depth, each behind where it is; `path` is where the value is."""
    if isinstance(value, REFERENCES):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from references_in(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from references_in(item, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            yield from references_in(item, f"{path}[{place}]")


def _family(reader: type) -> Family:
    return "kv" if issubclass(reader, KVReference) else "sql"


def _given(node: Node | None) -> bool:
    return node is not None and (node.items is not None or node.value is not None)


def _undecided(default: str, family: Family, fitting: list[str]) -> str:
    if not fitting:
        return f"Nowhere to keep it: no {family.upper()} backend is declared. Add '{default}' to storage.backends."
    return (
        f"'{default}' is not declared, and there are several {family.upper()} backends. Name one: {', '.join(fitting)}."
    )
