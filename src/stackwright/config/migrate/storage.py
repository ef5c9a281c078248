"""The storage change: every copy of a connection becomes a reference to a backend with a name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.comments import CommentedMap

from stackwright.config.migrate.backends import Backend, Backends, section
from stackwright.config.migrate.connections import is_snippet
from stackwright.config.migrate.document import Document, flow, rename
from stackwright.config.migrate.names import STORES, Place, place_of_store
from stackwright.config.migrate.report import Report
from stackwright.config.migrate.slots import Places, Slot, in_providers
from stackwright.config.providers import Types

QUEUE = {"max_write_queue_size": 10_000, "num_writers": 4}


@dataclass
class Mover:
    """Moves the storage of one file. `types` is None where the rest of the file stays as it is."""

    document: Document
    types: Types | None
    report: Report
    paths: dict[int, str]

    def move(self) -> None:
        """Change the tree. Nothing happens to a file without old storage."""
        self._drafts()
        slots = [*self._at_the_top(), *in_providers(self.document.root, self.types, self.paths), *self._quota()]
        databases = Backends(self.document, self.report, tables_stay=self.types is None)
        backends = databases.grouped(slots)
        places = Places(self._root)
        for backend in backends:
            databases.declare(backend)
        for slot, backend in ((slot, b) for slot in slots for b in backends if slot in b.slots):
            self._refer(slot, backend, places)
        if self.report.old:
            databases.complete()
            self._sort()

    @property
    def _root(self) -> CommentedMap:
        return self.document.root

    def _drafts(self) -> None:
        """Bring two layouts that did not last long into the shape of the others."""
        storage, drafts = self._root.get("storage"), self._root.get("persistence")
        if isinstance(storage, CommentedMap) and isinstance(storage.get("references"), CommentedMap):
            rename(storage, "references", "stores")
            self.document.carry(storage, "references", storage, "stores")
            for name in list(storage["stores"]):
                if name.removesuffix("_store") != name:
                    rename(storage["stores"], name, name.removesuffix("_store"))
                    self.document.carry(storage["stores"], name, storage["stores"], name.removesuffix("_store"))
            self.report.add("renamed", "storage.references", "to storage.stores")
        if isinstance(drafts, CommentedMap) and isinstance(drafts.get("backends"), CommentedMap):
            at = list(self._root).index("persistence")
            del self._root["persistence"]
            for name, reference in drafts.items():
                named = reference.get("backend") if name in STORES and isinstance(reference, CommentedMap) else None
                connection = drafts["backends"].get(named) if isinstance(named, str) else None
                if is_snippet(connection) and f"{name}_store" not in self._root:
                    self._root.insert(at, f"{name}_store", connection)
                    self.document.carry(drafts, name, self._root, f"{name}_store")
                    at += 1

    def _at_the_top(self) -> Iterator[Slot]:
        keys = [key for key in self._root if key.endswith("_store") and key.removesuffix("_store") in STORES]
        if keys and "storage" not in self._root:
            gap = self.document.gap(self._root, keys[0])
            self._root.insert(list(self._root).index(keys[0]), "storage", CommentedMap())
            self.document.before[id(self._root), "storage"] = gap
        for key in keys:
            value, store = self._root[key], key.removesuffix("_store")
            wrapped = isinstance(value, CommentedMap) and isinstance(value.get("sql_store_config"), CommentedMap)
            connection = value["sql_store_config"] if wrapped else value
            if isinstance(connection, CommentedMap) and "backend" in connection:
                self._keep_reference(key, store, value, connection)
            elif is_snippet(connection):
                yield Slot(
                    self._root,
                    key,
                    self.paths.get(id(value), key),
                    connection,
                    self._place(store),
                    store,
                    value if wrapped else None,
                )
            elif value is None:
                del self._root[key]
                self.report.add("dropped", key, "It is empty.")

    def _place(self, store: str) -> Place:
        place = place_of_store(store)
        return Place("kv", "prompts", store) if store == "prompts" and self.types is None else place

    def _keep_reference(self, key: str, store: str, value: CommentedMap, reference: CommentedMap) -> None:
        stores = section(self._root, "stores")
        del self._root[key]
        if store in stores:
            self.report.add("dropped", key, f"storage.stores.{store} says it already.")
            return
        for name in QUEUE.keys() & value.keys():
            reference.setdefault(name, value[name])
        stores[store] = reference
        self.document.carry(self._root, key, stores, store)
        self.report.add("moved", self.paths.get(id(value), key), f"to storage.stores.{store}")

    def _quota(self) -> Iterator[Slot]:
        server = self._root.get("server")
        quota = server.get("quota") if isinstance(server, CommentedMap) else None
        if isinstance(quota, CommentedMap) and is_snippet(quota.get("kvstore")):
            yield Slot(quota, "kvstore", "server.quota.kvstore", quota["kvstore"], Place("kv", "quota", "quota"))

    def _refer(self, slot: Slot, backend: Backend, places: Places) -> None:
        reference = self._reference(slot, backend, places)
        inside = slot is not backend.slots[0]
        if slot.store:
            stores = section(self._root, "stores")
            comments = self.document.comments(self._root, slot.key, inside=inside)
            del self._root[slot.key]
            if slot.store in stores:
                self.report.add("dropped", slot.path, f"storage.stores.{slot.store} says it already.")
                return
            stores[slot.store] = CommentedMap(reference)
            self.document.before[id(stores), slot.store] = comments
            path = f"storage.stores.{slot.store}"
        else:
            path = self._put(slot, flow(**reference), inside)
        what = ", ".join(f"{name} {value}" for name, value in list(reference.items())[:2])
        self.report.add("moved", slot.path, f"to {path}: {what}")

    def _put(self, slot: Slot, reference: CommentedMap, inside: bool) -> str:
        """Put a reference where the provider has it today; return its path."""
        *above, name = slot.target or (slot.key,)
        parent = slot.path.rpartition(".")[0]
        if above and above[0] not in slot.container:
            slot.container.insert(list(slot.container).index(slot.key), above[0], CommentedMap())
        for step in above:
            parent = f"{parent}.{step}"
        if above:
            target = slot.container[above[0]]
            self.document.before[id(target), name] = self.document.comments(slot.container, slot.key, inside=inside)
            target[name] = reference
            del slot.container[slot.key]
        else:
            within = self.document.within(slot.connection) if inside else []
            if name != slot.key:
                rename(slot.container, slot.key, name)
                self.document.carry(slot.container, slot.key, slot.container, name)
            slot.container[name] = reference
            self.document.before.setdefault((id(slot.container), name), []).extend(within)
        return f"{parent}.{name}"

    def _reference(self, slot: Slot, backend: Backend, places: Places) -> dict[str, Any]:
        family = slot.place.family
        given = slot.connection.get("namespace" if family == "kv" else "table_name")
        for key in ("table_name", "collection_name") if family == "kv" and self.types is not None else ():
            if table := slot.connection.get(key):
                words = f"'{table}' was the table of this; now this is a namespace in the backend's."
                self.report.add("dropped", f"{slot.path}.{key}", words)
        made = places.reference(backend.name, family, slot.place.name, str(given) if given else None)
        queue = {**(slot.wrapper or {}), **slot.connection}
        for setting in [one for one in QUEUE if isinstance(queue.get(one), dict | list)]:
            self.report.add("dropped", f"{slot.path}.{setting}", "It is no number.")
            del queue[setting]
        if slot.store == "inference" or QUEUE.keys() & queue.keys():
            made |= {setting: queue.get(setting) or default for setting, default in QUEUE.items()}
        return made

    def _sort(self) -> None:
        if isinstance(stores := self._root["storage"].get("stores"), CommentedMap):
            names = [name for name in STORES if name in stores] + [name for name in stores if name not in STORES]
            for at, name in enumerate(names if names != list(stores) else ()):
                stores.insert(at, name, stores.pop(name))
