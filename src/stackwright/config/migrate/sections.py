"""Keys that nobody reads any more: named one by one, then left out."""

import re
from typing import Any, get_args

from pydantic import BaseModel
from ruamel.yaml.comments import CommentedMap

from stackwright.config.migrate.document import Document, flow
from stackwright.config.migrate.names import AUTH, SECTIONS, place_of_store
from stackwright.config.migrate.report import Kind, Report
from stackwright.config.migrate.slots import default_of, mappings
from stackwright.config.runfile import RunFile
from stackwright.config.section import keys
from stackwright.config.server import Auth, Server, exposure
from stackwright.config.storage import Backend, Stores

ELSEWHERE = {"tls": "Leave TLS to a proxy in front.", "cors": "Web pages that may call are listed in allow_origins."}
"""Where is said what these settings of a server said, by how they begin."""


def prune(node: CommentedMap, cls: type[BaseModel], path: str, what: str, report: Report) -> None:
    """Take out the keys that the class does not read, at any depth."""
    known = keys(cls)
    for key in list(node):
        if key not in known:
            del node[key]
            report.add("dropped", f"{path}.{key}", f"This is not {what}.", old=False)
            continue
        inner = known[key].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and isinstance(node[key], CommentedMap):
            prune(node[key], inner, f"{path}.{key}", what, report)


def drop_quota(root: CommentedMap, report: Report) -> None:
    """Take out a quota, before the place where it counted becomes a backend."""
    if isinstance(server := root.get("server"), CommentedMap) and "quota" in server.keys() - keys(Server).keys():
        del server["quota"]
        report.add("decide", "server.quota", "There are no quotas; put a limit in front of the server.")


def prune_root(document: Document, report: Report) -> None:
    """Take out what the run file as such does not read."""
    root = document.root
    _storage(document, root.get("storage"), report)
    if isinstance(server := root.get("server"), CommentedMap):
        _server(server, report)
    for key in [key for key in root if key not in keys(RunFile)]:
        del root[key]
        report.add("dropped", key, "There is no section of this name.", old=key in SECTIONS)


def _storage(document: Document, storage: Any, report: Report) -> None:
    if not isinstance(storage, CommentedMap):
        return
    if isinstance(stores := storage.get("stores"), CommentedMap):
        _stores(stores, storage.get("backends") or {}, report)
        if report.old:
            _together(document, stores, storage.get("backends") or {}, report)
            _placed(stores, storage.get("backends") or {}, report)
    classes = {name: cls for cls in get_args(get_args(Backend)[0]) for name in get_args(keys(cls)["type"].annotation)}
    for name, backend in (storage.get("backends") or {}).items():
        if isinstance(backend, CommentedMap) and (cls := classes.get(str(backend.get("type")))):
            _their_table(backend, f"storage.backends.{name}", report)
            prune(backend, cls, f"storage.backends.{name}", "a setting of such a backend", report)


def _their_table(backend: CommentedMap, path: str, report: Report) -> None:
    """Leave Llama Stack's table alone: ours has other columns."""
    for key in ("table_name", "collection_name"):
        if report.old and re.search(r"\b(llamastack|ogx)_kvstore\b", str(backend.get(key))):
            report.add("dropped", f"{path}.{key}", f"'{backend.pop(key)}' is a table of another layout.", old=False)


def _stores(stores: CommentedMap, backends: Any, report: Report) -> None:
    for name, reference in list(stores.items()):
        path = f"storage.stores.{name}"
        if name not in keys(Stores):
            del stores[name]
            report.add("dropped", path, "There is no store of this name.", old=name == "connectors")
        elif name == "prompts" and isinstance(reference, CommentedMap) and "namespace" in reference:
            backend = default_of(backends, "sql")
            stores[name] = flow(backend=backend, table_name="prompts")
            report.add("moved", path, f"to {backend}: prompts are rows of a table now.")
        elif reference is None:
            del stores[name]
            report.add("dropped", path, "It is empty.", old=False)
    prune(stores, Stores, "storage.stores", "a setting of this store", report)


def _together(document: Document, stores: CommentedMap, backends: Any, report: Report) -> None:
    """Put responses where conversations are: one transaction writes to both."""
    default = default_of(backends, "sql")
    pair = {name: stores.get(name) for name in ("conversations", "responses")}
    given = {name: str(one.get("backend")) for name, one in pair.items() if isinstance(one, CommentedMap)}
    if len(given) == 2 and given["conversations"] != given["responses"]:
        pair["responses"]["backend"] = given["conversations"]
        words = f"Was in {given['responses']}. Responses and conversations are one transaction now, in one database."
        report.add("decide", "storage.stores.responses.backend", words, old=False)
        unused = all(one.get("backend") != given["responses"] for one in mappings(document.root))
        if unused and given["responses"] in backends:
            comments = document.within(backends.pop(given["responses"]))
            document.before.setdefault((id(stores), "responses"), []).extend(comments)
    elif len(given) == 1 and default not in given.values():
        (backend,) = given.values()
        (other,) = pair.keys() - given.keys()
        stores[other] = CommentedMap(backend=backend, table_name=place_of_store(other).name)
        report.add("added", f"storage.stores.{other}", f"in {backend}: one transaction writes to both.", old=False)


def _placed(stores: CommentedMap, backends: Any, report: Report) -> None:
    """Say where the stores go that the old file did not name, when no backend has the name that takes them."""
    default = default_of(backends, "sql")
    if default == "sql_default":
        return
    for name in ("inference", "prompts"):
        if name not in stores:
            stores[name] = CommentedMap(backend=default, table_name=place_of_store(name).name)
            report.add("added", f"storage.stores.{name}", f"in {default}: no backend is called sql_default.", old=False)


def _server(server: CommentedMap, report: Report) -> None:
    auth, host = server.get("auth"), server.get("host")
    if isinstance(auth, CommentedMap) and AUTH & auth.keys():
        del server["auth"]
        report.add(
            "decide", "server.auth", "Who may come in is said otherwise: auth: {mode: api_keys, api_keys: [...]}."
        )
    for key in [key for key in server if key not in keys(Server)]:
        del server[key]
        words = next((words for start, words in ELSEWHERE.items() if key.startswith(start)), None)
        kind: Kind = "decide" if words else "dropped"
        words = words or "This is not a setting of the server."
        report.add(kind, f"server.{key}", words, old=False)
    if report.old and isinstance(host, str) and "${" not in host and "auth" not in server and exposure(host, Auth()):
        del server["host"]
        words = f"{host} without keys is refused. It listens on this machine only until server.auth has keys."
        report.add("decide", "server.host", words, old=False)
