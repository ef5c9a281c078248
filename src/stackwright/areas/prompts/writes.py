"""The changes to a prompt, each one transaction that leaves an event.

All changes of a store happen one after the other: each begins by taking the next number of their order, which it holds
until its commit. So numbers become visible in their order, a reader of the log passes none over, and transactions that
share a commit with others cannot lock each other out.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stackwright import ids
from stackwright.areas.prompts.failures import Moved, PreconditionFailed, UnknownPrompt, UnknownVersion
from stackwright.areas.prompts.rows import TEXT, EventRow, PromptRow, VersionRow, json_text, noted, searched
from stackwright.areas.prompts.selecting import LATEST, check_label, number_of
from stackwright.areas.prompts.spec import hash_of
from stackwright.areas.prompts.tables import Tables
from stackwright.areas.prompts.types import Selector
from stackwright.errors import Conflict, InvalidRequest
from stackwright.storage.sql import Script

MAX_LABELS = 100


class Who(NamedTuple):
    """Whose change it is, for the log of changes."""

    tenant: str
    actor: str
    request_id: str


class Content(NamedTuple):
    """A version's content, checked and packed."""

    spec: bytes
    text: str
    note: str | None = None

    @property
    def hash(self) -> str:
        return hash_of(self.spec)


class Held(NamedTuple):
    """A prompt's row that nobody else can change now, and the number of the change to come."""

    row: PromptRow
    change: int


class Written(NamedTuple):
    """A prompt after its change, and the version the change was about."""

    prompt: PromptRow
    version: VersionRow
    new: bool = True


def is_id(reference: str) -> bool:
    """Return whether a reference is an id, as opposed to a name."""
    return reference.startswith("pmpt_")


class Writes:
    """The scripts. They do no I/O."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def create(self, who: Who, row: PromptRow, content: Content, labels: Sequence[str]) -> Script[Written]:
        """Add a prompt with its first version."""
        for label in labels:
            check_label(label)
        row.labels = json_text(dict.fromkeys(labels, 1))
        row.text, row.notes = content.text[:TEXT], noted(content.note)
        row.searched = searched(row)
        change = yield from self.turn()
        yield from self._free(who, row)
        yield self._tables.prompts.insert_do(who.tenant, row)
        version = _version(who, row.id, 1, content, parent=None)
        yield self._tables.add_version(who.tenant, version)
        yield from self.record(who, change, row.id, "prompt.created", {"version": 1})
        return Written(row, version)

    def _free(self, who: Who, row: PromptRow) -> Script[None]:
        if (yield self._tables.prompts.select_do(who.tenant, row.id)):
            raise Conflict(f"A prompt with id '{row.id}' exists already.", param="id", code="prompt_exists")
        if row.name is not None:
            yield from self._name_free(who, row.name)

    def _name_free(self, who: Who, name: str) -> Script[None]:
        taken = yield self._tables.by_name(who.tenant, name)
        if taken:
            raise Conflict(f"The prompt '{taken[0][0]}' has the name '{name}'.", param="name", code="prompt_exists")

    def publish(
        self,
        who: Who,
        reference: str,
        content: Content,
        *,
        base: int | None,
        set_default: bool | None,
        labels: Sequence[str],
    ) -> Script[Written]:
        """Add a version. Content that is the newest one's returns that; a base that is not the newest is `Moved`."""
        for label in labels:
            check_label(label)
        held = yield from self.locked(who, reference)
        row = held.row
        newest = yield from self.version(who, row, row.last_version)
        if newest.hash == content.hash and not newest.yanked:
            row = yield from self._pointed(who, held, newest.version, set_default=bool(set_default), labels=labels)
            return Written(row, newest, new=False)
        if base is not None and base != row.last_version:
            raise Moved(base, row.last_version)
        number = row.last_version + 1
        version = _version(who, row.id, number, content, parent=base or row.last_version)
        yield self._tables.add_version(who.tenant, version)
        follows = row.default_policy == "follow" if set_default is None else set_default
        kept = row.label_versions | dict.fromkeys(labels, number)
        changed = yield from self.change(
            who,
            held,
            "prompt.version.published",
            {"version": number, "hash": version.hash, "default": follows, "labels": list(labels)},
            last_version=number,
            latest_version=number,
            default_version=number if follows else row.default_version,
            labels=_checked(kept),
            text=content.text[:TEXT],
            notes=noted(content.note, row.notes),
        )
        return Written(changed, version)

    def _pointed(
        self, who: Who, held: Held, number: int, *, set_default: bool, labels: Sequence[str]
    ) -> Script[PromptRow]:
        """Point what a publication asked for at a version that was there already."""
        row = held.row
        kept = row.label_versions | dict.fromkeys(labels, number)
        default = number if set_default else row.default_version
        if kept == row.label_versions and default == row.default_version:
            return row
        data = {"version": number, "default": set_default, "labels": list(labels)}
        return (
            yield from self.change(
                who, held, "prompt.version.published", data, default_version=default, labels=_checked(kept)
            )
        )

    def update(self, who: Who, reference: str, etag: str | None, fields: Mapping[str, Any]) -> Script[PromptRow]:
        """Change what is not versioned."""
        held = yield from self.locked(who, reference)
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
        return (yield from self.change(who, held, "prompt.updated", {"fields": sorted(fields)}, **fields, **extra))

    def set_default(self, who: Who, reference: str, selector: Selector, expected: int | None) -> Script[Written]:
        """Point the default at a version and pin it, or let it follow the latest."""
        held = yield from self.locked(who, reference)
        row = held.row
        if expected is not None and row.default_version != expected:
            raise Conflict(
                f"The default is version {row.default_version}, not {expected}.",
                param="expected_version",
                code="prompt_default_conflict",
            )
        version = yield from self._choosable(who, row, number_of(row, selector))
        policy = "follow" if selector == LATEST else "pinned"
        data = {"version": version.version, "before": row.default_version, "policy": policy}
        changed = yield from self.change(
            who, held, "prompt.default.set", data, default_version=version.version, default_policy=policy
        )
        return Written(changed, version)

    def set_label(
        self, who: Who, reference: str, label: str, selector: Selector, expected: int | None, *, checked: bool
    ) -> Script[PromptRow]:
        """Point a label at a version. With `checked`, only if it points at `expected` now (None: at nothing)."""
        check_label(label)
        held = yield from self.locked(who, reference)
        row = held.row
        labels = row.label_versions
        if checked:
            _expect(label, labels.get(label), expected)
        version = yield from self._choosable(who, row, number_of(row, selector))
        data = {"label": label, "version": version.version, "before": labels.get(label)}
        kept = _checked(labels | {label: version.version})
        return (yield from self.change(who, held, "prompt.label.set", data, labels=kept))

    def drop_label(self, who: Who, reference: str, label: str, expected: int | None) -> Script[PromptRow]:
        """Take a label away."""
        held = yield from self.locked(who, reference)
        row = held.row
        labels = row.label_versions
        before = number_of(row, label) if label not in labels else labels.pop(label)
        if expected is not None:
            _expect(label, before, expected)
        data = {"label": label, "before": before}
        return (yield from self.change(who, held, "prompt.label.deleted", data, labels=json_text(labels)))

    def yank(self, who: Who, reference: str, number: int, reason: str | None) -> Script[Written]:
        """Mark a version as not to be chosen. It stays readable under its number."""
        held = yield from self.locked(who, reference)
        row = held.row
        yield from self.version(who, row, number)
        users = [name for name, version in row.label_versions.items() if version == number]
        if row.default_version == number:
            users.insert(0, "the default")
        if users:
            raise Conflict(
                f"Version {number} is in use by {', '.join(users)}: point them elsewhere first.",
                param="version",
                code="prompt_version_in_use",
            )
        marked = yield self._tables.yank(who.tenant, row.id, number, reason)
        latest = (yield self._tables.latest(who.tenant, row.id))[0][0]
        data = {"version": number, "reason": reason}
        changed = yield from self.change(who, held, "prompt.version.yanked", data, latest_version=latest)
        return Written(changed, self._tables.versions.decode(marked[0]))

    def archive(self, who: Who, reference: str) -> Script[PromptRow]:
        """Delete a prompt softly: nobody can use it, `restore` brings it back."""
        held = yield from self.locked(who, reference)
        return (yield from self.change(who, held, "prompt.deleted", {}, archived_at=int(time.time())))

    def restore(self, who: Who, reference: str) -> Script[PromptRow]:
        """Bring a deleted prompt back as it was."""
        held = yield from self.locked(who, reference, archived=True)
        if held.row.archived_at is None:
            return held.row
        return (yield from self.change(who, held, "prompt.restored", {}, archived_at=None))

    def turn(self) -> Script[int]:
        """Wait until it is this change's turn, and return its number."""
        return int((yield self._tables.next_change())[0][0])

    def locked(self, who: Who, reference: str, *, archived: bool = False) -> Script[Held]:
        """Take a prompt until the transaction ends. `UnknownPrompt` also for a deleted one, unless `archived`."""
        change = yield from self.turn()
        prompt_id = reference
        if not is_id(reference):
            found = yield self._tables.by_name(who.tenant, reference)
            prompt_id = found[0][0] if found else reference
        rows = yield self._tables.prompts.select_do(who.tenant, prompt_id)
        row = self._tables.prompts.columns.decode(rows[0]) if rows else None
        if row is None or (row.archived_at is not None and not archived):
            raise UnknownPrompt(reference)
        return Held(row, change)

    def version(self, who: Who, row: PromptRow, number: int) -> Script[VersionRow]:
        """Return one of the prompt's versions."""
        found = yield self._tables.version(who.tenant, row.id, number)
        if not found:
            raise UnknownVersion(row.id, str(number), row.latest_version)
        return self._tables.versions.decode(found[0])

    def _choosable(self, who: Who, row: PromptRow, number: int) -> Script[VersionRow]:
        version = yield from self.version(who, row, number)
        if version.yanked:
            raise Conflict(
                f"Version {number} was yanked{': ' + version.yank_reason if version.yank_reason else ''}.",
                param="version",
                code="prompt_version_yanked",
            )
        return version

    def change(self, who: Who, held: Held, type: str, data: Mapping[str, Any], **fields: Any) -> Script[PromptRow]:
        """Set fields of a prompt, and tell of it."""
        fields |= {
            "revision": held.row.revision + 1,
            "updated_at": int(time.time()),
            "searched": searched(held.row, **fields),
        }
        rows = yield self._tables.prompts.update_do(who.tenant, held.row.id, **fields)
        yield from self.record(who, held.change, held.row.id, type, data)
        return self._tables.prompts.columns.decode(rows[0])

    def record(self, who: Who, change: int, prompt_id: str, type: str, data: Mapping[str, Any]) -> Script[None]:
        """Tell of a change."""
        now = int(time.time())
        event = EventRow(ids.mint("evt_"), prompt_id, change, type, who.actor, who.request_id, now, json_text(data))
        yield self._tables.events.insert_do(who.tenant, event)


def _version(who: Who, prompt_id: str, number: int, content: Content, *, parent: int | None) -> VersionRow:
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


def _checked(labels: Mapping[str, int]) -> str:
    if len(labels) > MAX_LABELS:
        raise InvalidRequest(f"A prompt can have at most {MAX_LABELS} labels.", param="labels")
    return json_text(labels)


def _expect(label: str, found: int | None, expected: int | None) -> None:
    if found != expected:
        is_now = f"is version {found}" if found is not None else "does not exist"
        raise Conflict(
            f"The label '{label}' {is_now}, not {expected}.", param="expected_version", code="prompt_label_conflict"
        )
