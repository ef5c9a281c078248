"""What a process remembers: compiled versions, which never change, and where every prompt's selectors point."""

from collections.abc import Callable, Mapping

from stackwright.areas.prompts.apply import Resolved
from stackwright.areas.prompts.metrics import LOOKUPS
from stackwright.areas.prompts.rows import PointerRow, PromptRow

CAPACITY = 128 * 1024 * 1024
"""Bytes of compiled versions, about; those not used lately go first."""

Key = tuple[str, str, int]
"""Tenant, prompt, version."""


class Versions:
    """Compiled versions, up to so many bytes. Those that were used since their turn came get a second one."""

    def __init__(self, capacity: int, dropped: Callable[[Key], None]) -> None:
        """`dropped` is told of every version that is let go of."""
        self.size = 0
        self._dropped = dropped
        self._capacity = capacity
        self._held: dict[Key, Resolved] = {}

    def get(self, key: Key) -> Resolved | None:
        """Return a version that is held, and remember that it was wanted."""
        found = self._held.get(key)
        if found is not None:
            found.compiled.used = True
        return found

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    def put(self, key: Key, version: Resolved) -> None:
        """Hold a version, letting go of others when there is no room."""
        if key in self._held:
            return
        self._held[key] = version
        self.size += version.compiled.size
        while self.size > self._capacity and len(self._held) > 1:
            self._make_room()

    def _make_room(self) -> None:
        key, oldest = next(iter(self._held.items()))
        if oldest.compiled.used:
            oldest.compiled.used = False
            self._held[key] = self._held.pop(key)
        else:
            self._drop(key)

    def forget(self, tenant: str, prompt_id: str) -> None:
        """Let go of a prompt's versions: once it is gone for good, another may be imported under its id."""
        for key in [key for key in self._held if key[:2] == (tenant, prompt_id)]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        self.size -= self._held.pop(key).compiled.size
        self._dropped(key)


class Pointer:
    """Where a prompt's selectors point."""

    __slots__ = ("default", "default_version", "id", "label_versions", "latest_version", "name", "revision")

    def __init__(self, row: PromptRow | PointerRow) -> None:
        self.id = row.id
        self.name = row.name
        self.revision = row.revision
        self.default_version = row.default_version
        self.latest_version = row.latest_version
        self.label_versions: Mapping[str, int] = row.label_versions
        self.default: Resolved | None = None
        """What the default means, from its first use on, for as long as it is held: most requests name no version."""


class Pointers:
    """The pointers of all tenants, by id and by name. A deleted prompt has none."""

    def __init__(self) -> None:
        self._by_reference: dict[str, dict[str, Pointer]] = {}
        """By tenant, then by id and by name."""
        self._gone: dict[tuple[str, str], int] = {}

    def get(self, tenant: str, reference: str) -> Pointer | None:
        pointers = self._by_reference.get(tenant)
        return None if pointers is None else pointers.get(reference)

    def dropped(self, key: Key) -> None:
        """Let go of a version that is held no longer."""
        tenant, prompt_id, version = key
        pointer = self.get(tenant, prompt_id)
        if pointer is not None and pointer.default_version == version:
            pointer.default = None

    def put(self, tenant: str, row: PromptRow | PointerRow) -> None:
        """Take over a row, unless what is known is newer: changes may arrive out of order."""
        pointers = self._by_reference.setdefault(tenant, {})
        known = pointers.get(row.id)
        seen = known.revision if known is not None else self._gone.get((tenant, row.id), 0)
        if row.revision < seen:
            return
        if known is not None and known.name is not None:
            pointers.pop(known.name, None)
        if row.archived_at is not None:
            pointers.pop(row.id, None)
            self._gone[tenant, row.id] = row.revision
            return
        self._gone.pop((tenant, row.id), None)
        pointer = Pointer(row)
        pointers[row.id] = pointer
        if row.name is not None:
            pointers[row.name] = pointer


class Lookups:
    """Counts hits and misses; told to Prometheus now and then, as each telling costs more than a look-up."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0

    def tell(self) -> None:
        """Add what was counted since the last time."""
        hits, self.hits = self.hits, 0
        misses, self.misses = self.misses, 0
        LOOKUPS.labels("hit").inc(hits)
        LOOKUPS.labels("miss").inc(misses)
