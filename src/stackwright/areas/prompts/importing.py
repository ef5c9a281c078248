"""How prompts are imported: all in one transaction, whose every part fits or nothing is written."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from stackwright.areas.prompts.content import Content, content_of
from stackwright.areas.prompts.failures import Exists, Settled
from stackwright.areas.prompts.ledger import Held, Ledger, Who, event_of
from stackwright.areas.prompts.portable import NEWEST, Imported, ImportedPrompt, ImportedVersion
from stackwright.areas.prompts.rows import TEXT, PromptRow, StoredPrompt, VersionRow, json_text, noted, searched
from stackwright.areas.prompts.selecting import check_label, checked_name
from stackwright.areas.prompts.spec import text_of, unpacked
from stackwright.errors import InvalidRequest
from stackwright.storage.sql import Script
from stackwright.storage.sql.script import together

Contents = dict[int, Content]
"""What the versions hold, by number."""
_IMPORTED = "prompt.imported"
_TOLD = 10
"""Most refusals of one import that are told in full."""


class Ready(NamedTuple):
    """A prompt that was checked."""

    prompt: ImportedPrompt
    contents: Contents


class Taken(NamedTuple):
    """A prompt that is in."""

    result: Imported
    row: PromptRow


class Rehearsed(Exception):
    """The end of an import that was not to be kept."""

    def __init__(self, results: list[Imported]) -> None:
        super().__init__("nothing was to be kept")
        self.results = results


class Importing:
    """The scripts. They do no I/O."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tables = ledger.tables

    def take(self, who: Who, prompts: Sequence[Ready], *, rehearse: bool) -> Script[list[Taken]]:
        """Import prompts. `Rehearsed`, which takes it all back, when that is what was wanted."""
        taken: list[Taken] = []
        refusals: list[Settled] = []
        changes = yield from self._ledger.turns(len(prompts))
        for change, one in zip(changes, prompts, strict=True):
            try:
                taken.append((yield from self._taken(who, change, one)))
            except Settled as refusal:
                # The others are looked at all the same: who corrects the file wants to know of everything.
                refusals.append(refusal)
        if refusals:
            raise _together(refusals)
        if rehearse:
            raise Rehearsed([one.result for one in taken])
        return taken

    def _taken(self, who: Who, change: int, ready: Ready) -> Script[Taken]:
        one = ready.prompt
        found = yield self._tables.like(who.tenant, one.id, one.name)
        rows = [self._tables.prompts.columns.decode(row) for row in found]
        row = next((row for row in rows if row.id == one.id), None)
        if row is None:
            if rows:
                raise Exists("name", f"Another prompt has the name '{one.name}' of '{one.id}'.")
            made = yield from self._made(who, change, ready)
            return Taken(Imported(id=one.id, status="created", versions=sorted(ready.contents)), made)
        if row.archived_at is not None and one.archived_at is None:
            raise Settled(
                f"Prompt '{row.id}' was deleted here. Restore it first: POST /v1/prompts/{row.id}/restore.",
                param="data",
                code="prompt_deleted",
            )
        new = yield from self._added(who, ready)
        if not new:
            return Taken(Imported(id=one.id, status="unchanged", versions=[]), row)
        extended = yield from self._extended(who, Held(row, change), new)
        return Taken(Imported(id=one.id, status="extended", versions=new), extended)

    def _made(self, who: Who, change: int, ready: Ready) -> Script[PromptRow]:
        row = _row(*ready)
        event = event_of(who, change, row.id, _IMPORTED, {"versions": sorted(ready.contents)})
        versions = [self._tables.add_version(who.tenant, one) for one in _versions(who, ready)]
        inserts = [self._tables.prompts.insert_do(who.tenant, row), *versions]
        yield from together(self._tables.backend, [*inserts, self._tables.events.insert_do(who.tenant, event)])
        return row

    def _added(self, who: Who, ready: Ready) -> Script[list[int]]:
        """Add the versions that are not there, and return their numbers."""
        there: dict[int, str] = dict((yield self._tables.hashes(who.tenant, ready.prompt.id)))
        for number, content in sorted(ready.contents.items()):
            if there.get(number, content.hash) != content.hash:
                raise Settled(
                    f"Prompt '{ready.prompt.id}' has a version {number} with other content.",
                    param="data",
                    code="prompt_version_conflict",
                )
        new = [one for one in _versions(who, ready) if one.version not in there]
        yield from together(self._tables.backend, [self._tables.add_version(who.tenant, one) for one in new])
        return sorted(one.version for one in new)

    def _extended(self, who: Who, held: Held, new: list[int]) -> Script[PromptRow]:
        row = held.row
        last = max(row.last_version, *new)
        latest = (yield self._tables.latest(who.tenant, row.id))[0][0]
        newest = yield from self._ledger.version(who, row, last)
        follows = row.default_policy == "follow" and latest > row.latest_version
        return (
            yield from self._ledger.change(
                who,
                held,
                _IMPORTED,
                {"versions": new},
                last_version=last,
                latest_version=latest,
                default_version=latest if follows else row.default_version,
                text=text_of(unpacked(newest.spec))[:TEXT],
                notes=noted(newest.note, row.notes),
            )
        )


def _together(refusals: Sequence[Settled]) -> Settled:
    messages = [one.message for one in refusals[:_TOLD]]
    if more := len(refusals) - len(messages):
        messages.append(f"So it is with {more} more.")
    return Settled(" ".join([*messages, "Nothing was imported."]), param="data", code=refusals[0].code)


def prepared(one: ImportedPrompt, place: int) -> Ready:
    """Return a prompt that is fit for import. `InvalidRequest` names it when something does not fit together."""
    checked_name(one.name)
    contents: Contents = {}
    for version in one.versions:
        if not 1 <= version.version <= NEWEST:
            why = f"version {version.version} is not between 1 and {NEWEST}: give it another number"
            raise _refused(place, one, why)
        if version.version in contents:
            raise _refused(place, one, f"version {version.version} is there twice")
        try:
            contents[version.version] = content_of(version, version.note)
        except InvalidRequest as error:
            raise _refused(place, one, f"version {version.version}: {error.message}") from None
    usable = {version.version for version in one.versions if not version.yanked}
    if not usable:
        raise _refused(place, one, "all of its versions are yanked")
    wanted = dict(one.labels)
    for label in wanted:
        check_label(label)
    if one.default_version is not None:
        wanted["default_version"] = one.default_version
    for name, number in wanted.items():
        if number not in usable:
            raise _refused(place, one, f"{name} is version {number}, which is not among its versions")
    return Ready(one, contents)


def _refused(place: int, one: ImportedPrompt, why: str) -> InvalidRequest:
    return InvalidRequest(f"Prompt '{one.id}' cannot be imported: {why}", param=f"data[{place}]")


def _row(one: ImportedPrompt, contents: Contents) -> StoredPrompt:
    now = int(time.time())
    last = max(contents)
    latest = max(version.version for version in one.versions if not version.yanked)
    default = one.default_version or latest
    row = StoredPrompt(
        id=one.id,
        name=one.name,
        description=one.description,
        tags=json_text(one.tags),
        metadata=json_text(one.metadata),
        labels=json_text(one.labels),
        default_version=default,
        default_policy=one.default_policy or ("follow" if default == latest else "pinned"),
        latest_version=latest,
        last_version=last,
        archived_at=one.archived_at,
        created_at=one.created_at or now,
        updated_at=now,
        revision=1,
        text=contents[last].text[:TEXT],
        notes=noted("\n".join(content.note for content in contents.values() if content.note)),
        searched="",
    )
    row.searched = searched(row)
    return row


def _versions(who: Who, ready: Ready) -> list[VersionRow]:
    prompt, contents = ready
    return [_version(who, prompt.id, one, contents[one.version]) for one in prompt.versions]


def _version(who: Who, prompt_id: str, one: ImportedVersion, content: Content) -> VersionRow:
    return VersionRow(
        prompt_id=prompt_id,
        version=one.version,
        hash=content.hash,
        parent_version=one.parent_version,
        note=one.note,
        created_by=one.created_by or who.actor,
        created_at=one.created_at or int(time.time()),
        yanked=one.yanked,
        yank_reason=one.yank_reason,
        spec=content.spec,
    )
