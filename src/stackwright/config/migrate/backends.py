"""The backends of the new file: which there are, what they are called, and what is in their declarations."""

from dataclasses import dataclass, field

from ruamel.yaml.comments import CommentedMap

from stackwright.config.migrate import connections
from stackwright.config.migrate.connections import Identity
from stackwright.config.migrate.document import Document
from stackwright.config.migrate.report import Report
from stackwright.config.migrate.slots import Slot, free
from stackwright.config.storage import Family

FAMILIES: tuple[Family, ...] = ("kv", "sql")


@dataclass
class Backend:
    """A database of the new file, and the copies that it replaces."""

    identity: Identity
    family: Family
    slots: list[Slot] = field(default_factory=list)
    copies: list[Slot] = field(default_factory=list)
    """The copies of the other family, too."""
    name: str = ""


@dataclass
class Backends:
    """Declares the backends of one file."""

    document: Document
    report: Report
    tables_stay: bool
    """True when KV tables keep their names, for Llama Stack to find."""

    @property
    def _root(self) -> CommentedMap:
        return self.document.root

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

    def grouped(self, slots: list[Slot]) -> list[Backend]:
        """Return a backend with a name for each connection and family of databases."""
        known = self._declared()
        groups: dict[tuple[Identity, Family], Backend] = {}
        copies: dict[Identity, list[Slot]] = {}
        for slot in slots:
            driver = slot.connection["type"]
            if slot.place.family == "sql" and driver in ("redis", "mongodb"):
                self.report.add("decide", slot.path, f"Rows cannot be kept in {driver}; they go to sql_default.")
                del slot.container[slot.key]
                continue
            key = (connections.identity(slot.connection, driver), slot.place.family)
            groups.setdefault(key, Backend(*key, name=known.get(key, ""))).slots.append(slot)
            copies.setdefault(key[0], []).append(slot)
        for backend in groups.values():
            backend.copies = copies[backend.identity]
        return self._named(list(groups.values()))

    def _named(self, backends: list[Backend]) -> list[Backend]:
        storage = self._root.get("storage") or {}
        names = set(storage.get("backends") or ())
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
        return sorted(backends, key=lambda b: (not b.name.endswith("_default"), b.name != "kv_default"))

    def declare(self, backend: Backend) -> None:
        """Write a backend into the file, with the comments of the first copy."""
        path = f"storage.backends.{backend.name}"
        if backend.name not in section(self._root, "backends"):
            first = backend.slots[0].connection
            made = CommentedMap(type=f"{backend.family}_{first['type']}")
            self.document.carry(first, "type", made, "type")
            self._fill(made, first, backend, path)
            section(self._root, "backends")[backend.name] = made
        if len(backend.slots) == 1:
            self.report.add("moved", path, f"from {backend.slots[0].path}")
        elif backend.identity[0] == "sqlite":
            files = ", ".join(f"{slot.path} ({slot.connection.get('db_path')})" for slot in backend.slots)
            kind = "namespace" if backend.family == "kv" else "table"
            into = section(self._root, "backends")[backend.name].get("db_path")
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
        if self.tables_stay and backend.family == "kv":
            self._keep_tables(made, backend, path)
        self._write_out(made, first["type"], path)
        self._tune(made, backend, path)

    def _tune(self, made: CommentedMap, backend: Backend, path: str) -> None:
        """Give the backends of both families the same limits: they share a pool."""
        settings = [
            (slot.path, *item) for slot in backend.copies for item in connections.tuning(slot.connection).items()
        ]
        for name in dict.fromkeys(name for _, name, _ in settings):
            (first, value), *others = [(path, value) for path, key, value in settings if key == name]
            made[name] = value
            differ = [where for where, other in others if other != value]
            if differ:
                words = f"{first} and {', '.join(differ)} differ; the first is kept."
                self.report.add("decide", f"{path}.{name}", words)

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

    def complete(self) -> None:
        """Declare a backend for each family: the stores that the file does not name need one."""
        backends = section(self._root, "backends")
        for name, backend in backends.items():
            if isinstance(backend, CommentedMap):
                self._write_out(backend, str(backend.get("type")).partition("_")[2], f"storage.backends.{name}")
        for at, family in enumerate(FAMILIES):
            other = [b for b in backends.values() if isinstance(b, CommentedMap)]
            if any(str(b.get("type")).startswith(f"{family}_") for b in other):
                continue
            name, image = f"{family}_default", self._root.get("image_name") or self._root.get("distro_name")
            backends.insert(at, name, sibling(family, other, str(image or "stackwright")))
            words = f"{backends[name]['type']}, for what the old file did not place."
            self.report.add("added", f"storage.backends.{name}", words, old=False)


def section(root: CommentedMap, name: str) -> CommentedMap:
    """Return `storage.backends` or `storage.stores`, which is made where it is missing."""
    storage = root.get("storage")
    if not isinstance(storage, CommentedMap):
        storage = CommentedMap()
        root.insert(list(root).index("providers") + 1 if "providers" in root else len(root), "storage", storage)
    if not isinstance(storage.get(name), CommentedMap):
        storage.insert(0 if name == "backends" else len(storage), name, CommentedMap())
    found: CommentedMap = storage[name]
    return found


def sibling(family: Family, others: list[CommentedMap], image: str) -> CommentedMap:
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
