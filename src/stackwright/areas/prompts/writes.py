"""The changes to prompts and their versions, each one transaction that leaves an event."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from stackwright.areas.prompts.content import Content
from stackwright.areas.prompts.failures import Exists, InUse, PreconditionFailed
from stackwright.areas.prompts.ledger import Ledger, Who, Written
from stackwright.areas.prompts.publishing import version_of
from stackwright.areas.prompts.rows import TEXT, PromptRow, StoredPrompt, json_text, noted, searched
from stackwright.areas.prompts.selecting import check_label
from stackwright.areas.prompts.tables import Tables
from stackwright.storage.sql import Script


class Writes:
    """The scripts. They do no I/O."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tables: Tables = ledger.tables

    def create(self, who: Who, row: StoredPrompt, content: Content, labels: Sequence[str]) -> Script[Written]:
        """Add a prompt with its first version."""
        for label in labels:
            check_label(label)
        row.labels = json_text(dict.fromkeys(labels, 1))
        row.text, row.notes = content.text[:TEXT], noted(content.note)
        row.searched = searched(row)
        change = yield from self._ledger.turn()
        yield from self._free(who, row)
        yield self._tables.prompts.insert_do(who.tenant, row)
        version = version_of(who, row.id, 1, content, parent=None)
        yield self._tables.add_version(who.tenant, version)
        yield from self._ledger.record(who, change, row.id, "prompt.created", {"version": 1})
        return Written(row, version)

    def _free(self, who: Who, row: StoredPrompt) -> Script[None]:
        if (yield self._tables.prompts.select_do(who.tenant, row.id)):
            raise Exists("id", f"A prompt with id '{row.id}' exists already.")
        if row.name is not None:
            yield from self._name_free(who, row.name)

    def _name_free(self, who: Who, name: str) -> Script[None]:
        taken = yield self._tables.by_name(who.tenant, name)
        if taken:
            raise Exists("name", f"The prompt '{taken[0][0]}' has the name '{name}'.")

    def update(self, who: Who, reference: str, etag: str | None, fields: Mapping[str, Any]) -> Script[PromptRow]:
        """Change what is not versioned."""
        held = yield from self._ledger.held(who, reference)
        row = held.row
        if etag is not None and row.etag not in etag and etag.strip() != "*":
            raise PreconditionFailed(
                f"The prompt has changed: its etag is {row.etag}, If-Match says {etag}.", param="If-Match"
            )
        name = fields.get("name")
        if name is not None and name != row.name:
            yield from self._name_free(who, name)
        policy = fields.get("default_policy")
        extra: dict[str, Any] = {"default_version": row.latest_version} if policy == "follow" else {}
        return (
            yield from self._ledger.change(who, held, "prompt.updated", {"fields": sorted(fields)}, **fields, **extra)
        )

    def yank(self, who: Who, reference: str, number: int, reason: str | None) -> Script[Written]:
        """Mark a version as not to be chosen. It stays readable under its number."""
        held = yield from self._ledger.held(who, reference)
        row = held.row
        yield from self._ledger.version(who, row, number)
        users = [f"label {name}" for name, version in row.label_versions.items() if version == number]
        if row.default_version == number:
            users.insert(0, "the default")
        if users:
            raise InUse(number, users)
        marked = yield self._tables.yank(who.tenant, row.id, number, reason)
        latest = (yield self._tables.latest(who.tenant, row.id))[0][0]
        data = {"version": number, "reason": reason}
        changed = yield from self._ledger.change(who, held, "prompt.version.yanked", data, latest_version=latest)
        return Written(changed, self._tables.versions.decode(marked[0]))

    def archive(self, who: Who, reference: str) -> Script[PromptRow]:
        """Delete a prompt softly: nobody can use it, `restore` brings it back."""
        held = yield from self._ledger.held(who, reference)
        return (yield from self._ledger.change(who, held, "prompt.deleted", {}, archived_at=int(time.time())))

    def restore(self, who: Who, reference: str) -> Script[PromptRow]:
        """Bring a deleted prompt back as it was."""
        held = yield from self._ledger.held(who, reference, archived=True)
        if held.row.archived_at is None:
            return held.row
        return (yield from self._ledger.change(who, held, "prompt.restored", {}, archived_at=None))
