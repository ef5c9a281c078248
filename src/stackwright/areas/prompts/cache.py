"""What a process remembers: compiled versions, which never change, and where every prompt's selectors point."""

from collections.abc import Mapping

from stackwright.areas.prompts.apply import Resolved
from stackwright.areas.prompts.metrics import LOOKUPS
from stackwright.areas.prompts.rows import PointerRow, PromptRow

CAPACITY = 128 * 1024 * 1024
"""Bytes of compiled versions, about; those not used lately go first."""

Key = tuple[str, str, int]
"""Tenant, prompt, version."""


class Versions:
    """Compiled versions, up to so many bytes. Those that were used since their turn came get a second one."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.size = 0
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
        key = next(iter(self._held))
        oldest = self._held.pop(key)
        if oldest.compiled.used:
            oldest.compiled.used = False
            self._held[key] = oldest
        else:
            self.size -= oldest.compiled.size

    def forget(self, tenant: str, prompt_id: str) -> None:
        """Let go of a prompt's versions: once it is gone for good, another may be imported under its id."""
        for key in [key for key in self._held if key[:2] == (tenant, prompt_id)]:
            self.size -= self._held.pop(key).compiled.size


class Pointer:
    """Where a prompt's selectors point."""

    __slots__ = ("default_version", "id", "label_versions", "latest_version", "name", "revision")

    def __init__(self, row: PromptRow | PointerRow) -> None:
        self.id = row.id
        self.name = row.name
        self.revision = row.revision
        self.default_version = row.default_version
        self.latest_version = row.latest_version
        self.label_versions: Mapping[str, int] = row.label_versions


class Pointers:
    """The pointers of all tenants, by id and by name. A deleted prompt has none."""

    def __init__(self) -> None:
        self._by_reference: dict[tuple[str, str], Pointer] = {}
        self._gone: dict[tuple[str, str], int] = {}

    def get(self, tenant: str, reference: str) -> Pointer | None:
        return self._by_reference.get((tenant, reference))

    def put(self, tenant: str, row: PromptRow | PointerRow) -> None:
        """Take over a row, unless what is known is newer: changes may arrive out of order."""
        known = self._by_reference.get((tenant, row.id))
        seen = known.revision if known is not None else self._gone.get((tenant, row.id), 0)
        if row.revision < seen:
            return
        if known is not None and known.name is not None:
            self._by_reference.pop((tenant, known.name), None)
        if row.archived_at is not None:
            self._by_reference.pop((tenant, row.id), None)
            self._gone[tenant, row.id] = row.revision
            return
        self._gone.pop((tenant, row.id), None)
        pointer = Pointer(row)
        self._by_reference[tenant, row.id] = pointer
        if row.name is not None:
            self._by_reference[tenant, row.name] = pointer


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
