"""How prompts change: one after the other, each change a transaction that leaves an event.

Each change begins by taking the next number of their order, which it holds until its commit. So numbers become visible
in their order, a reader of the log passes none over, and transactions that share a commit with others cannot lock each
other out.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from stackwright import ids
from stackwright.areas.prompts.failures import UnknownPrompt, UnknownVersion
from stackwright.areas.prompts.rows import (
    SEARCHED,
    EventRow,
    PromptRow,
    StoredPrompt,
    VersionRow,
    json_text,
    searched,
)
from stackwright.areas.prompts.tables import Tables
from stackwright.storage.sql import Script


class Who(NamedTuple):
    """Whose change it is, for the log of changes."""

    tenant: str
    actor: str
    request_id: str


class Held(NamedTuple):
    """A prompt that nobody else can change now, and the number of the change to come."""

    row: StoredPrompt
    change: int


class Written(NamedTuple):
    """A prompt after its change, and the version the change was about."""

    prompt: PromptRow
    version: VersionRow


def is_id(reference: str) -> bool:
    """Return whether a reference is an id, as opposed to a name."""
    return reference.startswith("pmpt_")


class Ledger:
    """Parts of scripts: what every change begins and ends with. They do no I/O."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def turn(self) -> Script[int]:
        """Wait until it is this change's turn, and return its number."""
        return int((yield self.tables.next_change())[0][0])

    def turns(self, count: int) -> Script[range]:
        """The same for several changes of one transaction."""
        last = int((yield self.tables.next_change(count))[0][0])
        return range(last - count + 1, last + 1)

    def held(self, who: Who, reference: str, *, archived: bool = False) -> Script[Held]:
        """Take a prompt until the transaction ends. `UnknownPrompt` also for a deleted one, unless `archived`."""
        change = yield from self.turn()
        prompt_id = reference
        if not is_id(reference):
            found = yield self.tables.by_name(who.tenant, reference)
            prompt_id = found[0][0] if found else reference
        rows = yield self.tables.prompts.select_do(who.tenant, prompt_id)
        row = self.tables.prompts.columns.decode(rows[0]) if rows else None
        if row is None or (row.archived_at is not None and not archived):
            raise UnknownPrompt(reference)
        return Held(row, change)

    def version(self, who: Who, row: PromptRow, number: int) -> Script[VersionRow]:
        """Return one of the prompt's versions."""
        found = yield self.tables.version(who.tenant, row.id, number)
        if not found:
            raise UnknownVersion(row.id, str(number), row.latest_version)
        return self.tables.versions.decode(found[0])

    def change(self, who: Who, held: Held, type: str, data: Mapping[str, Any], **fields: Any) -> Script[PromptRow]:
        """Set fields of a prompt, and tell of it."""
        fields = stamped(held.row, fields)
        yield self.tables.change(who.tenant, held.row.id, fields)
        yield from self.record(who, held.change, held.row.id, type, data)
        return msgspec.structs.replace(held.row, **fields)

    def record(self, who: Who, change: int, prompt_id: str, type: str, data: Mapping[str, Any]) -> Script[None]:
        """Tell of a change."""
        yield self.tables.events.insert_do(who.tenant, event_of(who, change, prompt_id, type, data))


def stamped(row: StoredPrompt, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changed fields of a prompt with those that follow from any change."""
    changed = {**fields, "revision": row.revision + 1, "updated_at": int(time.time())}
    if any(name in fields for name in SEARCHED):
        changed["searched"] = searched(row, **fields)
    return changed


def event_of(who: Who, change: int, prompt_id: str, type: str, data: Mapping[str, Any]) -> EventRow:
    """Return what tells of a change."""
    now = int(time.time())
    return EventRow(ids.mint("evt_"), prompt_id, change, type, who.actor, who.request_id, now, json_text(data))
