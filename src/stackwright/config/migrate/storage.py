"""The storage change: every copy of a connection becomes a reference to a backend with a name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.comments import CommentedMap

from stackwright.config.migrate import connections
from stackwright.config.migrate.connections import Identity, is_snippet
from stackwright.config.migrate.document import Document, flow, rename
from stackwright.config.migrate.names import STORES, Place, place_of_store
from stackwright.config.migrate.report import Report
from stackwright.config.migrate.slots import Places, Slot, free, in_providers
from stackwright.config.providers import Types
from stackwright.config.storage import Family

QUEUE = {"max_write_queue_size": 10_000, "num_writers": 4}
FAMILIES: tuple[Family, ...] = ("kv", "sql")


@dataclass
class Backend:
    """A database of the new file, and the copies that it replaces."""

    identity: Identity
    family: Family
    slots: list[Slot] = field(default_factory=list)
    name: str = ""


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
        known = self._declared()
        backends = self._grouped(slots, known)
        self._name(backends, known)
        places = Places(self._root)
        for backend in backends:
            self._declare(backend)
        for slot, backend in ((slot, b) for slot in slots for b in backends if slot in b.slots):
            self._refer(slot, backend, places)
        if self.report.old:
            self._defaults()

    @property
    def _root(self) -> CommentedMap:
        return self.document.root

    def _section(self, name: str) -> CommentedMap:
        """Return `storage.backends` or `storage.stores`, which is made where it is missing."""
        storage = self._root.get("storage")
        if not isinstance(storage, CommentedMap):
            storage = CommentedMap()
            after = list(self._root).index("providers") + 1 if "providers" in self._root else len(self._root)
            self._root.insert(after, "storage", storage)
        if not isinstance(storage.get(name), CommentedMap):
            storage.insert(0 if name == "backends" else len(storage), name, CommentedMap())
        section: CommentedMap = storage[name]
        return section

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
                connection = drafts["backends"].get(reference.get("backend")) if name in STORES else None
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
        stores = self._section("stores")
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

    def _declared(self) -> dict[tuple[Identity, Family], str]:
        """Return the backends that the file has already."""
        storage = self._root.get("storage")
        declared = storage.get("backends") if isinstance(storage, CommentedMap) else None
        found: dict[tuple[Identity, Family], str] = {}
        for name, backend in declared.items() if isinstance(declared, CommentedMap) else ():
            family, _, driver = str(backend.get("type") if isinstance(backend, CommentedMap) else "").partition("_")
            if driver in connections.DRIVERS and family in FAMILIES:
                found.setdefault((connections.identity(backend, driver), "kv" if family == "kv" else "sql"), name)
        return found

    def _grouped(self, slots: list[Slot], known: Mapping[tuple[Identity, Family], str]) -> list[Backend]:
        groups: dict[tuple[Identity, Family], Backend] = {}
        for slot in slots:
            driver = slot.connection["type"]
            if slot.place.family == "sql" and driver in ("redis", "mongodb"):
                self.report.add("decide", slot.path, f"Rows cannot be kept in {driver}; they go to sql_default.")
                self._take_out(slot)
                continue
            key = (connections.identity(slot.connection, driver), slot.place.family)
            groups.setdefault(key, Backend(*key, name=known.get(key, ""))).slots.append(slot)
        return list(groups.values())

    def _name(self, backends: list[Backend], known: Mapping[tuple[Identity, Family], str]) -> None:
        names = set(known.values())
        for family in FAMILIES:
            new = [backend for backend in backends if backend.family == family and not backend.name]
            if new and f"{family}_default" not in names:
                chief = max(
                    new, key=lambda b: (any(s.store in ("metadata", "inference") for s in b.slots), len(b.slots))
                )
                chief.name = f"{family}_default"
                names.add(chief.name)
            for backend in new:
                backend.name = backend.name or free(f"{family}_{backend.slots[0].place.use}", names)
                names.add(backend.name)
        backends.sort(key=lambda backend: not backend.name.endswith("_default"))
        backends.sort(key=lambda backend: backend.name != "kv_default")

    def _declare(self, backend: Backend) -> None:
        path = f"storage.backends.{backend.name}"
        if backend.name not in self._section("backends"):
            first = backend.slots[0].connection
            made = CommentedMap(type=f"{backend.family}_{first['type']}")
            self.document.carry(first, "type", made, "type")
            self._fill(made, first, backend, path)
            self._section("backends")[backend.name] = made
        if len(backend.slots) == 1:
            self.report.add("moved", path, f"from {backend.slots[0].path}")
        elif backend.identity[0] == "sqlite":
            files = ", ".join(f"{slot.path} ({slot.connection.get('db_path')})" for slot in backend.slots)
            kind = "namespace" if backend.family == "kv" else "table"
            into = self._section("backends")[backend.name].get("db_path")
            self.report.add("merged", path, f"{files}: each is a {kind} in {into}")
        else:
            copies = ", ".join(slot.path for slot in backend.slots)
            self.report.add("merged", path, f"{len(backend.slots)} copies of one connection: {copies}")

    def _fill(self, made: CommentedMap, first: CommentedMap, backend: Backend, path: str) -> None:
        for name, value in first.items():
            if name not in ("type", *connections.PLACE) and value is not None:
                made[name] = value
                self.document.carry(first, name, made, name)
        if "db_path" in made or first["type"] == "sqlite":
            made["db_path"] = connections.folder_of(str(made.get("db_path") or "")).file(backend.family)
        if self.types is None and backend.family == "kv":
            self._keep_tables(made, backend, path)
        self._write_out(made, first["type"], path)
        for slot in backend.slots[1:]:
            for name, value in connections.tuning(slot.connection).items():
                if made.setdefault(name, value) != value:
                    self.report.add("decide", f"{path}.{name}", f"{slot.path} has another value; the first is kept.")

    def _keep_tables(self, made: CommentedMap, backend: Backend, path: str) -> None:
        for key in ("table_name", "collection_name"):
            tables = list(dict.fromkeys(str(t) for slot in backend.slots if (t := slot.connection.get(key))))
            if tables:
                made[key] = tables[0]
            if len(tables) > 1:
                self.report.add("decide", f"{path}.{key}", f"There were several: {', '.join(tables)}.")

    def _write_out(self, made: CommentedMap, driver: str, path: str) -> None:
        name, default, unless = connections.WRITTEN_OUT.get(driver, ("type", "", ""))
        if made.get(name) is None and unless not in made:
            made[name] = default
            self.report.add("added", f"{path}.{name}", f"{default}, which was the default.", old=False)

    def _take_out(self, slot: Slot) -> None:
        del slot.container[slot.key]

    def _refer(self, slot: Slot, backend: Backend, places: Places) -> None:
        reference = self._reference(slot, backend, places)
        inside = slot is not backend.slots[0]
        if slot.store:
            stores = self._section("stores")
            comments = self.document.comments(self._root, slot.key, inside=inside)
            del self._root[slot.key]
            if slot.store in stores:
                self.report.add("dropped", slot.path, f"storage.stores.{slot.store} says it already.")
                return
            stores[slot.store] = CommentedMap(reference)
            self.document.before[id(stores), slot.store] = comments
            path = f"storage.stores.{slot.store}"
        else:
            path = self._put(slot, flow(**reference))
        what = ", ".join(f"{name} {value}" for name, value in list(reference.items())[:2])
        self.report.add("moved", slot.path, f"to {path}: {what}")

    def _put(self, slot: Slot, reference: CommentedMap) -> str:
        """Put a reference where the provider has it today; return its path."""
        *above, name = slot.target or (slot.key,)
        parent = slot.path.rpartition(".")[0]
        if above and above[0] not in slot.container:
            slot.container.insert(list(slot.container).index(slot.key), above[0], CommentedMap())
        for step in above:
            parent = f"{parent}.{step}"
        if above:
            target = slot.container[above[0]]
            self.document.before[id(target), name] = self.document.comments(slot.container, slot.key)
            target[name] = reference
            del slot.container[slot.key]
        elif name == slot.key:
            slot.container[name] = reference
        else:
            rename(slot.container, slot.key, name)
            slot.container[name] = reference
            self.document.carry(slot.container, slot.key, slot.container, name)
        return f"{parent}.{name}"

    def _reference(self, slot: Slot, backend: Backend, places: Places) -> dict[str, Any]:
        family = slot.place.family
        given = slot.connection.get("namespace" if family == "kv" else "table_name")
        for key in ("table_name", "collection_name") if family == "kv" and self.types is not None else ():
            if table := slot.connection.get(key):
                words = f"'{table}' was the table of this; now this is a namespace in the backend's."
                self.report.add("dropped", f"{slot.path}.{key}", words)
        made = places.reference(backend.name, family, str(given or slot.place.name))
        queue = {**(slot.wrapper or {}), **slot.connection}
        if slot.store == "inference" or QUEUE.keys() & queue.keys():
            made |= {setting: queue.get(setting) or default for setting, default in QUEUE.items()}
        return made

    def _defaults(self) -> None:
        """Declare a backend for each family: the stores that the file does not name need one."""
        backends = self._section("backends")
        for name, backend in backends.items():
            if isinstance(backend, CommentedMap):
                self._write_out(backend, str(backend.get("type")).partition("_")[2], f"storage.backends.{name}")
        for at, family in enumerate(FAMILIES):
            other = [b for b in backends.values() if isinstance(b, CommentedMap)]
            if any(str(b.get("type")).startswith(f"{family}_") for b in other):
                continue
            name, image = f"{family}_default", self._root.get("image_name") or self._root.get("distro_name")
            backends.insert(at, name, _sibling(family, other, str(image or "stackwright")))
            words = f"{backends[name]['type']}, for what the old file did not place."
            self.report.add("added", f"storage.backends.{name}", words, old=False)
        if isinstance(stores := self._root["storage"].get("stores"), CommentedMap):
            names = [name for name in STORES if name in stores] + [name for name in stores if name not in STORES]
            for at, name in enumerate(names if names != list(stores) else ()):
                stores.insert(at, name, stores.pop(name))


def _sibling(family: Family, others: list[CommentedMap], image: str) -> CommentedMap:
    """Return a backend beside one of the other family: in the same database, or in the same folder."""
    for other in others:
        driver = str(other.get("type")).partition("_")[2]
        fields = {name: value for name, value in other.items() if name not in ("type", *connections.PLACE)}
        if driver == "postgres":
            return CommentedMap(type=f"{family}_postgres", **fields)
        if driver == "sqlite":
            path = connections.folder_of(str(other.get("db_path"))).file(family)
            return CommentedMap(type=f"{family}_sqlite", db_path=path)
    return CommentedMap(type=f"{family}_sqlite", db_path=f"~/.llama/distributions/{image}/{connections.FILES[family]}")
