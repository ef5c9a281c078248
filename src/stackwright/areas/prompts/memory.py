"""The prompts in memory, kept up with the database: read whole at start, then by the log of changes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from stackwright.areas.prompts.apply import Resolved
from stackwright.areas.prompts.cache import CAPACITY, Lookups, Pointer, Pointers, Versions
from stackwright.areas.prompts.compiled import Compiled
from stackwright.areas.prompts.failures import UnknownPrompt, UnknownVersion
from stackwright.areas.prompts.ledger import is_id
from stackwright.areas.prompts.metrics import HELD_BYTES, LAG_ROWS, LAG_SECONDS
from stackwright.areas.prompts.retention import FOLLOWED
from stackwright.areas.prompts.rows import PointerRow, PromptRow, VersionRow
from stackwright.areas.prompts.selecting import LATEST, number_of
from stackwright.areas.prompts.spec import unpacked
from stackwright.areas.prompts.tables import Tables
from stackwright.areas.prompts.types import Selector
from stackwright.errors import InvalidRequest
from stackwright.kit.beside import beside, rounds

log = logging.getLogger("stackwright.prompts")

POLL = 0.4
"""Seconds between looks for other replicas' changes, where nobody tells of them; the promise is one second."""
TOLD_POLL = 0.9
"""The same where they are told: who looks so often finds in time what was not."""
REMEMBERED = FOLLOWED / 2
"""Seconds without the database after which what happened is not in the log for certain, and all is read anew."""
_BATCH = 500


class Memory:
    """Looks prompts up: warm ones without the database."""

    def __init__(self, tables: Tables, capacity: int = CAPACITY) -> None:
        """`capacity` is how many bytes of compiled versions to hold, about."""
        self._tables = tables
        self._capacity = capacity
        self._forget_all()
        self._lookups = Lookups()
        self._bell = tables.backend.bell(tables.name)
        self._cooled: set[tuple[str, str, Selector]] = set()
        """Tenant, prompt and selector of what was answered from memory, and may mean another version by now."""
        self._fresh_at = time.monotonic()

    def _forget_all(self) -> None:
        self._pointers = Pointers()
        self._versions = Versions(self._capacity, self._pointers.dropped)
        self._seen: int | None = None

    @asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        """Follow the log of changes for as long as the context lasts."""
        following = rounds(self._follow, self._news, partial(log.debug, "Prompts cannot be followed: %s"))
        async with self._bell.listening(), beside(following):
            yield

    def warm(self, tenant: str, reference: str, selector: Selector) -> Resolved | None:
        """Return the version that a reference and a selector mean, if memory has it."""
        pointer = self._pointers.get(tenant, reference)
        if pointer is None:
            return None
        held = pointer.default if selector is None else None
        if held is None:
            held = self._held(tenant, pointer, selector)
            if held is None:
                return None
        held.compiled.used = True
        self._lookups.hits += 1
        return held

    def _held(self, tenant: str, pointer: Pointer, selector: Selector) -> Resolved | None:
        number = _number(pointer, selector)
        held = None if number is None else self._versions.get((tenant, pointer.id, number))
        if selector is None:
            pointer.default = held
        return held

    async def resolve(self, tenant: str, reference: str, selector: Selector) -> Resolved:
        """Return the version that a reference and a selector mean, when it is not warm.

        Raises:
            UnknownPrompt: The tenant has no such prompt.
            UnknownVersion, UnknownLabel: The prompt has no such version.
        """
        self._lookups.misses += 1
        pointer = self._pointers.get(tenant, reference)
        number = None if pointer is None else _number(pointer, selector)
        if pointer is None or number is None:
            pointer = await self._looked_up(tenant, reference)
            number = number_of(pointer, selector)
        return await self.version(tenant, pointer.id, number, latest=pointer.latest_version)

    async def version(self, tenant: str, prompt_id: str, number: int, *, latest: int) -> Resolved:
        """Return one version, from memory if it is there."""
        held = self._versions.get((tenant, prompt_id, number))
        if held is not None:
            return held
        do = self._tables.version(tenant, prompt_id, number)
        found = await self._tables.backend.fetch(do.sql, *do.args)
        if not found:
            raise UnknownVersion(prompt_id, str(number), latest)
        return self.hold(tenant, self._tables.versions.decode(found[0]))

    async def of(self, tenant: str, row: PromptRow, number: int) -> Resolved:
        """Return one version of a prompt whose row is at hand."""
        return await self.version(tenant, row.id, number, latest=row.latest_version)

    async def row(self, tenant: str, reference: str) -> PromptRow:
        """Read a prompt from the database. `UnknownPrompt` when there is none, or it is deleted."""
        row = await self.find(tenant, reference)
        if row is None or row.archived_at is not None:
            raise UnknownPrompt(reference)
        return row

    def hold(self, tenant: str, row: VersionRow, compiled: Compiled | None = None) -> Resolved:
        """Keep a version in memory and return it; `compiled` is its content, if somebody had to compile it already."""
        key = (tenant, row.prompt_id, row.version)
        held = self._versions.get(key)
        if held is None:
            held = Resolved(row.prompt_id, str(row.version), row.hash, compiled or Compiled(unpacked(row.spec)))
            self._versions.put(key, held)
        return held

    def apply(self, tenant: str, row: PromptRow) -> None:
        """Take over a prompt as it was just written, and tell the other replicas."""
        self._take_over(tenant, row)
        self._bell.ring()

    def _take_over(self, tenant: str, row: PromptRow | PointerRow) -> None:
        self._cooled.update((tenant, row.id, selector) for selector in self._used(tenant, row.id))
        self._pointers.put(tenant, row)
        if row.archived_at is not None:
            self._versions.forget(tenant, row.id)

    async def _looked_up(self, tenant: str, reference: str) -> Pointer:
        row = await self.row(tenant, reference)
        self._take_over(tenant, row)
        return Pointer(row)

    async def find(self, tenant: str, reference: str) -> PromptRow | None:
        """Read a prompt by id or name from the database."""
        if not is_id(reference):
            do = self._tables.by_name(tenant, reference)
            found = await self._tables.backend.fetch(do.sql, *do.args)
            if not found:
                return None
            reference = found[0][0]
        return await self._tables.find(tenant, reference)

    async def _follow(self) -> None:
        try:
            await self._catch_up()
            await self._keep_warm()
            self._fresh_at = time.monotonic()
        finally:
            self._lookups.tell()
            HELD_BYTES.set(self._versions.size)
            LAG_SECONDS.set(time.monotonic() - self._fresh_at)

    async def _news(self) -> None:
        await self._bell.heard(TOLD_POLL if self._bell.hears else POLL)

    async def _catch_up(self) -> None:
        last = await self._last_change()
        if time.monotonic() - self._fresh_at > REMEMBERED:
            self._forget_all()
        if self._seen is None:
            await self._load()
        elif last != self._seen:
            await self._load_changed(self._seen)
        LAG_ROWS.set(last - (last if self._seen is None else self._seen))
        self._seen = last

    def _used(self, tenant: str, prompt_id: str) -> list[Selector]:
        """Return the selectors of a prompt that are answered from memory."""
        pointer = self._pointers.get(tenant, prompt_id)
        if pointer is None:
            return []
        selectors = (None, LATEST, *pointer.label_versions)
        return [one for one in selectors if (tenant, prompt_id, number_of(pointer, one)) in self._versions]

    async def _keep_warm(self) -> None:
        """Fetch what selectors mean now that were answered from memory: the database may be away at their next use."""
        for cooled in list(self._cooled):
            tenant, prompt_id, selector = cooled
            pointer = self._pointers.get(tenant, prompt_id)
            if pointer is not None:
                with suppress(InvalidRequest):
                    number = number_of(pointer, selector)
                    await self.version(tenant, prompt_id, number, latest=pointer.latest_version)
            if self._pointers.get(tenant, prompt_id) is pointer:
                self._cooled.discard(cooled)

    async def _last_change(self) -> int:
        do = self._tables.last_change()
        return int((await self._tables.backend.fetch(do.sql, *do.args))[0][0])

    async def _load(self) -> None:
        after = 0
        while True:
            do = self._tables.everybodys(after, _BATCH)
            rows = await self._tables.backend.fetch(do.sql, *do.args)
            for _, tenant, *row in rows:
                self._take_over(tenant, self._tables.pointers.decode(tuple(row)))
            if len(rows) < _BATCH:
                return
            after = rows[-1][0]
            # A long list must not keep other requests waiting.
            await asyncio.sleep(0)

    async def _load_changed(self, since: int) -> None:
        while True:
            do = self._tables.changed_since(since, _BATCH)
            rows = await self._tables.backend.fetch(do.sql, *do.args)
            for tenant, prompt_id in dict.fromkeys((row[1], row[2]) for row in rows):
                found = await self._tables.find(tenant, prompt_id)
                if found is not None:
                    self._take_over(tenant, found)
            if len(rows) < _BATCH:
                return
            since = rows[-1][0]


def _number(pointer: Pointer, selector: Selector) -> int | None:
    try:
        return number_of(pointer, selector)
    except InvalidRequest:
        # Another replica may have made the label a moment ago.
        return None
