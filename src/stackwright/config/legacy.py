"""The old layout: connections copied to where they are used. Recognised, not read."""

import json
import re
import shlex

from pydantic import BaseModel

from stackwright.config.complaint import Report
from stackwright.config.locate import Node
from stackwright.config.providers import Types, entries, type_named
from stackwright.config.secret import MASK, mask_url
from stackwright.config.storage import REFERENCES, Family, KVReference, Stores

_DRIVERS = {"sqlite", "postgres", "redis", "mongodb"}
_STORES = {f"{name}_store": name for name in Stores.model_fields}
_NOT_OF_THE_CONNECTION = {"type", "namespace", "table_name", "max_write_queue_size", "num_writers"}
_PLAIN = re.compile(r"[\w~./@%+$-][\w~./@%+$:-]*")

WORDS = (
    "This is the old layout, a connection where it is used. To rewrite the file: stackwright migrate {file}\n"
    "Or declare each database once under storage.backends and refer to it by name:"
)


def complain(root: Node, types: Types, report: Report) -> None:
    """Report each place of the old layout with its new form, and take it out of the tree."""
    for key, store in _STORES.items():
        node = root.fields().get(key)
        if node is not None:
            family: Family = "kv" if store == "metadata" else "sql"
            _replace(root, key, f"storage: {{stores: {{{store}: {_reference(family, store)}}}}}", family, report)
    for api, entry in entries(root):
        config = entry.child("config")
        if config is not None:
            _in_config(config, entry, api, types, report)


def _in_config(config: Node, entry: Node, api: str, types: Types, report: Report) -> None:
    for node in config.walk():
        for key, child in list(node.fields().items()):
            driver = child.child("type")
            if driver is None or driver.text not in _DRIVERS or child.child("backend"):
                continue
            wanted, family = _key(key, entry, config, types) if node is config else (key, _guess(key))
            named = entry.child("provider_id")
            name = f"{api}::{named.text if named and '$' not in named.text else 'name'}"
            _replace(node, key, f"{wanted}: {_reference(family, name)}", family, report)


def _key(key: str, entry: Node, config: Node, types: Types) -> tuple[str, Family]:
    """Return the key that the provider type has for its state today, and the family it wants."""
    type_ = entry.child("provider_type")
    provider = type_named(types, type_.text) if type_ else None
    config_class = provider.config if provider else BaseModel
    fields = config_class.model_fields
    wanted = {
        name: field.annotation
        for name, field in fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, REFERENCES)
    }
    free = [name for name in wanted if name == key or config.child(name) is None]
    name = key if key in wanted or len(free) != 1 else free[0]
    annotation = wanted.get(name)
    return name, _guess(key) if annotation is None else "kv" if issubclass(annotation, KVReference) else "sql"


def _guess(key: str) -> Family:
    return "sql" if "sql" in key else "kv"


def _reference(family: Family, name: str) -> str:
    if family == "kv":
        return f"{{backend: kv_default, namespace: {_quoted('registry' if name == 'metadata' else name)}}}"
    default = Stores.model_fields[name].default.table_name if name in Stores.model_fields else None
    return f"{{backend: sql_default, table_name: {default or re.sub(r'[^A-Za-z0-9]+', '_', name)}}}"


def _replace(parent: Node, key: str, new: str, family: Family, report: Report) -> None:
    node = parent.fields().pop(key)
    parent.old = True
    backend = f"storage: {{backends: {{{family}_default: {_backend(node, family)}}}}}"
    report.key(node, f"{WORDS.format(file=shlex.quote(report.file))}\n  {backend}\n  {new}")


def _backend(node: Node, family: Family) -> str:
    driver = node.child("type")
    fields = [f"type: {family}_{driver.text if driver and driver.text in _DRIVERS else 'sqlite'}"]
    for name, child in node.fields().items():
        if name not in _NOT_OF_THE_CONNECTION and child.items is None:
            fields.append(f"{name}: {_quoted(_shown(child))}")
    return f"{{{', '.join(fields)}}}"


def _shown(node: Node) -> str:
    """Return a value as the file has it; a literal that may be a secret, or the default of one, is masked."""
    if node.secret and not re.fullmatch(r"\$\{env\.\w+\}", node.text):
        return MASK
    return mask_url(node.text)


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and not text.endswith(":") else json.dumps(text)
