"""Import and export: prompts with their ids and the numbers of their versions."""

import time

from stackwright.areas.prompts import shown
from stackwright.areas.prompts.content import Content, content_of
from stackwright.areas.prompts.failures import Exists, Settled, UnknownPrompt
from stackwright.areas.prompts.ledger import Held, Ledger, Who
from stackwright.areas.prompts.memory import Memory
from stackwright.areas.prompts.portable import (
    Export,
    ExportedPrompt,
    ExportedVersion,
    ExportQuery,
    Import,
    Imported,
    ImportedPrompt,
    ImportedVersion,
    ImportResult,
)
from stackwright.areas.prompts.rows import TEXT, PromptRow, StoredPrompt, VersionRow, json_text, noted, searched
from stackwright.areas.prompts.selecting import check_label, checked_name
from stackwright.areas.prompts.spec import text_of, unpacked
from stackwright.areas.prompts.tables import Tables
from stackwright.errors import InvalidRequest
from stackwright.storage.sql import Script

_PAGE = 1000


class Transfer:
    """Takes prompts in and gives them out."""

    def __init__(self, tables: Tables, ledger: Ledger, memory: Memory) -> None:
        self._tables = tables
        self._ledger = ledger
        self._memory = memory

    async def export(self, tenant: str, query: ExportQuery) -> Export:
        """Return one prompt, or a page of all of them, deleted ones included, in order of arrival."""
        if query.prompt is None:
            found = await self._tables.prompts.page(tenant, limit=query.limit, after=query.after, order="asc")
            return Export.of([await self._exported(tenant, row) for row in found.rows], has_more=found.has_more)
        one = await self._memory.find(tenant, query.prompt)
        if one is None:
            raise UnknownPrompt(query.prompt)
        return Export.of([await self._exported(tenant, one)], has_more=False)

    async def _exported(self, tenant: str, row: PromptRow) -> ExportedPrompt:
        return ExportedPrompt(
            id=row.id,
            name=row.name,
            description=row.description,
            tags=row.tag_list,
            metadata=row.pairs,
            default_version=row.default_version,
            default_policy=shown.policy(row),
            labels=row.label_versions,
            archived_at=row.archived_at,
            created_at=row.created_at,
            versions=[_exported(version) for version in await self._versions(tenant, row.id)],
        )

    async def _versions(self, tenant: str, prompt_id: str) -> list[VersionRow]:
        rows: list[VersionRow] = []
        while True:
            after = rows[-1].version if rows else None
            do = self._tables.versions_of(tenant, prompt_id, after=after, descending=False, limit=_PAGE)
            found = await self._tables.backend.fetch(do.sql, *do.args)
            rows += [self._tables.versions.decode(one) for one in found]
            if len(found) < _PAGE:
                return rows

    async def take(self, who: Who, body: Import) -> ImportResult:
        """Import prompts, each in a transaction of its own. All are checked before the first is written."""
        checked = [(one, _contents(one, place)) for place, one in enumerate(body.data)]
        done = []
        for one, contents in checked:
            result, row = await self._tables.backend.transact(
                lambda one=one, contents=contents: self._taking(who, one, contents)  # type: ignore[misc]
            )
            self._memory.apply(who.tenant, row)
            done.append(result)
        return ImportResult(data=done)

    def _taking(
        self, who: Who, one: ImportedPrompt, contents: dict[int, Content]
    ) -> Script[tuple[Imported, PromptRow]]:
        change = yield from self._ledger.turn()
        found = yield self._tables.prompts.select_do(who.tenant, one.id)
        if not found:
            row = yield from self._made(who, change, one, contents)
            return Imported(id=one.id, status="created", versions=sorted(contents)), row
        row = self._tables.prompts.columns.decode(found[0])
        if row.archived_at is not None and one.archived_at is None:
            raise Settled(
                f"Prompt '{row.id}' was deleted here. Restore it first: POST /v1/prompts/{row.id}/restore.",
                param="data",
                code="prompt_deleted",
            )
        new: list[int] = []
        for version in sorted(one.versions, key=lambda version: version.version):
            new += yield from self._added(who, row, version, contents[version.version])
        if not new:
            return Imported(id=one.id, status="unchanged", versions=[]), row
        row = yield from self._extended(who, Held(row, change), new)
        return Imported(id=one.id, status="extended", versions=new), row

    def _made(self, who: Who, change: int, one: ImportedPrompt, contents: dict[int, Content]) -> Script[PromptRow]:
        row = _row(one, contents)
        if row.name is not None and (yield self._tables.by_name(who.tenant, row.name)):
            raise Exists("name", f"Another prompt has the name '{row.name}' of '{row.id}'.")
        yield self._tables.prompts.insert_do(who.tenant, row)
        for version in one.versions:
            yield self._tables.add_version(who.tenant, _version(who, one.id, version, contents[version.version]))
        yield from self._ledger.record(who, change, one.id, "prompt.imported", {"versions": sorted(contents)})
        return row

    def _added(self, who: Who, row: PromptRow, version: ImportedVersion, content: Content) -> Script[list[int]]:
        there = yield self._tables.version(who.tenant, row.id, version.version)
        if not there:
            yield self._tables.add_version(who.tenant, _version(who, row.id, version, content))
            return [version.version]
        if self._tables.versions.decode(there[0]).hash != content.hash:
            raise Settled(
                f"Prompt '{row.id}' has a version {version.version} with other content.",
                param="data",
                code="prompt_version_conflict",
            )
        return []

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
                "prompt.imported",
                {"versions": new},
                last_version=last,
                latest_version=latest,
                default_version=latest if follows else row.default_version,
                text=text_of(unpacked(newest.spec))[:TEXT],
                notes=noted(newest.note, row.notes),
            )
        )


def _exported(row: VersionRow) -> ExportedVersion:
    return ExportedVersion(
        version=row.version,
        hash=row.hash,
        parent_version=row.parent_version,
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
        yanked=row.yanked,
        yank_reason=row.yank_reason,
        spec=unpacked(row.spec),
    )


def _contents(one: ImportedPrompt, place: int) -> dict[int, Content]:
    """Return the versions' contents by number. `InvalidRequest` names the prompt when something does not fit."""
    checked_name(one.name)
    contents: dict[int, Content] = {}
    for version in one.versions:
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
    return contents


def _refused(place: int, one: ImportedPrompt, why: str) -> InvalidRequest:
    return InvalidRequest(f"Prompt '{one.id}' cannot be imported: {why}", param=f"data[{place}]")


def _row(one: ImportedPrompt, contents: dict[int, Content]) -> StoredPrompt:
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
