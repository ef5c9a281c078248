"""How a version is added: in a transaction like every other change, or in one statement where the database can.

A team's deployments publish to one prompt at once, so this is the change that others wait for.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from stackwright.areas.prompts.content import Content
from stackwright.areas.prompts.failures import Full, Moved
from stackwright.areas.prompts.ledger import Ledger, Who, Written, event_of, is_id, stamped
from stackwright.areas.prompts.pointing import packed_labels
from stackwright.areas.prompts.portable import NEWEST
from stackwright.areas.prompts.rows import TEXT, StoredPrompt, VersionRow, noted
from stackwright.areas.prompts.selecting import check_label
from stackwright.storage.sql import Script

_PUBLISHED = "prompt.version.published"


class Publication(NamedTuple):
    """What a caller wants published."""

    content: Content
    base: int | None
    """The version it was made from; a conflict when that is not the newest. None: whichever is."""
    set_default: bool | None
    """None: as the prompt's policy says."""
    labels: Sequence[str]


class _Plan(NamedTuple):
    version: VersionRow
    is_new: bool
    told: Mapping[str, Any]
    fields: Mapping[str, Any]
    """What changes in the prompt's row. Nothing, when all that was asked for is there already."""


class _Left(NamedTuple):
    """What a publication left behind: where the next one of the same prompt begins, if nothing else changes it."""

    tenant: str
    row: StoredPrompt
    newest: VersionRow

    def suits(self, who: Who, reference: str, wanted: Publication) -> bool:
        """Return whether this and `wanted` make a new version. What refuses one must be looked up."""
        based = wanted.base is None or wanted.base == self.row.last_version
        return (
            (self.tenant, self.row.id) == (who.tenant, reference) and based and self.newest.hash != wanted.content.hash
        )


class Publishing:
    """The scripts. They do no I/O, and remember one publication: what comes after it needs no look."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tables = ledger.tables
        self._left: _Left | None = None

    def publish(self, who: Who, reference: str, wanted: Publication) -> Script[Written]:
        """Add a version. Content that is the newest one's returns that; a base that is not the newest is `Moved`."""
        for label in wanted.labels:
            check_label(label)
        if self._tables.backend.compound:
            written = yield from self._at_once(who, reference, wanted)
            if written is not None:
                return written
        return (yield from self._in_turn(who, reference, wanted))

    def _at_once(self, who: Who, reference: str, wanted: Publication) -> Script[Written | None]:
        """Write all of it in one statement, after the last publication or else after a look. None when that is not
        possible, or somebody was faster."""
        left, self._left = self._left, None
        if left is not None and left.suits(who, reference, wanted):
            written = yield from self._written(who, left.row, left.newest, wanted)
            if written is not None:
                return written
        found = yield self._tables.newest(who.tenant, reference, named=not is_id(reference))
        if not found:
            return None
        row, newest = self._tables.with_version(found[0])
        if row.archived_at is not None:
            return None
        return (yield from self._written(who, row, newest, wanted))

    def _written(self, who: Who, row: StoredPrompt, newest: VersionRow, wanted: Publication) -> Script[Written | None]:
        plan = _planned(who, row, newest, wanted)
        if not plan.fields:
            return Written(row, plan.version)
        if not plan.is_new:
            return None
        fields = stamped(row, plan.fields)
        event = event_of(who, 0, row.id, _PUBLISHED, plan.told)
        if not (yield self._tables.publish(who.tenant, row.revision, fields, plan.version, event)):
            return None
        changed = msgspec.structs.replace(row, **fields)
        self._left = _Left(who.tenant, changed, plan.version)
        return Written(changed, plan.version)

    def _in_turn(self, who: Who, reference: str, wanted: Publication) -> Script[Written]:
        held = yield from self._ledger.held(who, reference)
        newest = yield from self._ledger.version(who, held.row, held.row.last_version)
        plan = _planned(who, held.row, newest, wanted)
        if plan.is_new:
            yield self._tables.add_version(who.tenant, plan.version)
        if not plan.fields:
            return Written(held.row, plan.version)
        changed = yield from self._ledger.change(who, held, _PUBLISHED, plan.told, **plan.fields)
        return Written(changed, plan.version)


def _planned(who: Who, row: StoredPrompt, newest: VersionRow, wanted: Publication) -> _Plan:
    content, labels = wanted.content, wanted.labels
    if newest.hash == content.hash and not newest.yanked:
        return _pointed(row, newest, wanted)
    if wanted.base is not None and wanted.base != row.last_version:
        raise Moved(wanted.base, row.last_version)
    if row.last_version >= NEWEST:
        raise Full(row.id, row.last_version)
    number = row.last_version + 1
    version = version_of(who, row.id, number, content, parent=wanted.base or row.last_version)
    follows = row.default_policy == "follow" if wanted.set_default is None else wanted.set_default
    fields = {
        "last_version": number,
        "latest_version": number,
        "default_version": number if follows else row.default_version,
        "labels": packed_labels(row.label_versions | dict.fromkeys(labels, number)),
        "text": content.text[:TEXT],
        "notes": noted(content.note, row.notes),
    }
    told = {"version": number, "hash": version.hash, "default": follows, "labels": list(labels)}
    return _Plan(version, True, told, fields)


def _pointed(row: StoredPrompt, newest: VersionRow, wanted: Publication) -> _Plan:
    """Point what a publication asked for at a version that was there already."""
    number, set_default = newest.version, bool(wanted.set_default)
    kept = row.label_versions | dict.fromkeys(wanted.labels, number)
    default = number if set_default else row.default_version
    told = {"version": number, "default": set_default, "labels": list(wanted.labels)}
    if kept == row.label_versions and default == row.default_version:
        return _Plan(newest, False, told, {})
    return _Plan(newest, False, told, {"default_version": default, "labels": packed_labels(kept)})


def version_of(who: Who, prompt_id: str, number: int, content: Content, *, parent: int | None) -> VersionRow:
    """Return a new version's row."""
    return VersionRow(
        prompt_id=prompt_id,
        version=number,
        hash=content.hash,
        parent_version=parent,
        note=content.note,
        created_by=who.actor,
        created_at=int(time.time()),
        yanked=False,
        yank_reason=None,
        spec=content.spec,
    )
