"""Versions: published, listed, compared, yanked; never changed."""

from operator import attrgetter
from typing import Any

import msgspec

from stackwright.areas.prompts import shown
from stackwright.areas.prompts.apply import Resolved
from stackwright.areas.prompts.content import Content, content, content_of, spec_of, with_text
from stackwright.areas.prompts.diff import Diff, DiffQuery, compare
from stackwright.areas.prompts.drafts import Drafts
from stackwright.areas.prompts.failures import Moved, UnknownVersion
from stackwright.areas.prompts.ledger import Ledger, Who, Written
from stackwright.areas.prompts.memory import Memory
from stackwright.areas.prompts.publishing import Publication, Publishing
from stackwright.areas.prompts.rows import PromptRow
from stackwright.areas.prompts.selecting import DRAFT, LATEST, number_of
from stackwright.areas.prompts.spec import Spec, unpacked
from stackwright.areas.prompts.tables import Tables
from stackwright.areas.prompts.types import (
    LlamaUpdate,
    NewVersion,
    Prompt,
    PromptVersion,
    VersionList,
)
from stackwright.areas.prompts.writes import Writes
from stackwright.errors import InvalidRequest
from stackwright.kit.page import PageQuery
from stackwright.storage.sql import Script


class Versions:
    """The versions of all prompts."""

    def __init__(self, tables: Tables, ledger: Ledger, memory: Memory, drafts: Drafts) -> None:
        self._tables = tables
        self._backend = tables.backend
        self._publishing, self._writes = Publishing(ledger), Writes(ledger)
        self._memory = memory
        self._drafts = drafts

    async def publish(self, who: Who, reference: str, body: NewVersion) -> PromptVersion:
        """Publish a version; earlier ones stay readable for ever."""
        if not body.from_draft:
            return self._shown(who.tenant, await self._publish(who, reference, content_of(body, body.note), body))
        if spec_of(body) != Spec():
            raise InvalidRequest("'from_draft' takes the draft's content, not the request's.", param="from_draft")
        draft = await self._drafts.row(who.tenant, reference)
        if body.base_version is None:
            body.base_version = draft.base_version
        written = await self._publish(who, reference, content(unpacked(draft.spec), body.note), body)
        await self._drafts.published(who, draft)
        return self._shown(who.tenant, written)

    async def publish_text(self, who: Who, reference: str, body: LlamaUpdate) -> Prompt:
        """Publish the latest version with another text, if it is the one the caller names."""
        row = await self._memory.row(who.tenant, reference)
        base = await self._memory.of(who.tenant, row, row.last_version)
        text = content(with_text(base.compiled.spec, body.prompt, body.variables))
        version = NewVersion(base_version=body.version, set_default=body.set_as_default)
        written = await self._publish(who, reference, text, version)
        return shown.prompt(written.prompt, self._memory.hold(who.tenant, written.version))

    async def _publish(self, who: Who, reference: str, new: Content, body: NewVersion) -> Written:
        wanted = Publication(new, body.base_version, body.set_default, body.labels)

        def script() -> Script[Written]:
            return self._publishing.publish(who, reference, wanted)

        try:
            written = await self._backend.transact(script)
        except Moved as moved:
            raise moved.with_details(await self._differs(who.tenant, reference, moved)) from None
        self._memory.apply(who.tenant, written.prompt)
        self._memory.hold(who.tenant, written.version, new.compiled)
        return written

    async def _differs(self, tenant: str, reference: str, moved: Moved) -> dict[str, Any]:
        row = await self._memory.row(tenant, reference)
        base = await self._memory.of(tenant, row, moved.base)
        latest = await self._memory.of(tenant, row, moved.latest)
        differs: dict[str, Any] = msgspec.to_builtins(_compared(row.id, base, latest))
        return differs

    async def page(self, tenant: str, reference: str, query: PageQuery) -> VersionList:
        """Return some versions, newest first if not asked otherwise."""
        row = await self._memory.row(tenant, reference)
        after = None if query.after is None else number_of(row, query.after)
        descending = query.order == "desc"
        do = self._tables.versions_of(tenant, row.id, after=after, descending=descending, limit=query.limit + 1)
        found = await self._backend.fetch(do.sql, *do.args)
        rows = [self._tables.versions.decode(one) for one in found[: query.limit]]
        data = [shown.version(row, one, self._memory.hold(tenant, one)) for one in rows]
        return VersionList.of(data, has_more=len(found) > query.limit, cursor=attrgetter("version"))

    async def get(self, tenant: str, reference: str, selector: str) -> PromptVersion:
        """Return one version."""
        row = await self._memory.row(tenant, reference)
        number = number_of(row, selector)
        do = self._tables.version(tenant, row.id, number)
        found = await self._backend.fetch(do.sql, *do.args)
        if not found:
            raise UnknownVersion(row.id, str(number), row.latest_version)
        version = self._tables.versions.decode(found[0])
        return shown.version(row, version, self._memory.hold(tenant, version))

    async def yank(self, who: Who, reference: str, selector: str, reason: str | None) -> PromptVersion:
        """Mark a version as not to be chosen any more."""
        number = number_of(await self._memory.row(who.tenant, reference), selector)
        written = await self._backend.transact(lambda: self._writes.yank(who, reference, number, reason))
        self._memory.apply(who.tenant, written.prompt)
        return self._shown(who.tenant, written)

    async def diff(self, tenant: str, reference: str, query: DiffQuery) -> Diff:
        """Return what differs between two versions."""
        row = await self._memory.row(tenant, reference)
        after = await self._either(tenant, row, query.to or LATEST)
        before = await self._either(tenant, row, query.from_) if query.from_ else await self._before_latest(tenant, row)
        return _compared(row.id, before, after)

    async def _before_latest(self, tenant: str, row: PromptRow) -> Resolved:
        """Return the version before the latest; the latest itself when it is the first. Imported ones leave gaps."""
        latest = row.latest_version
        do = self._tables.versions_of(tenant, row.id, after=latest, descending=True, limit=1)
        found = await self._backend.fetch(do.sql, *do.args)
        if not found:
            return await self._memory.of(tenant, row, latest)
        return self._memory.hold(tenant, self._tables.versions.decode(found[0]))

    async def _either(self, tenant: str, row: PromptRow, selector: str) -> Resolved:
        if selector == DRAFT:
            return await self._drafts.resolve(tenant, row.id)
        return await self._memory.of(tenant, row, number_of(row, selector))

    def _shown(self, tenant: str, written: Written) -> PromptVersion:
        return shown.version(written.prompt, written.version, self._memory.hold(tenant, written.version))


def _compared(prompt_id: str, before: Resolved, after: Resolved) -> Diff:
    return compare(prompt_id, (before.version, before.compiled), (after.version, after.compiled))
