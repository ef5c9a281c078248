"""Drafts: content on its way to a version, one for each prompt."""

import time

from stackwright.areas.prompts import shown
from stackwright.areas.prompts.apply import Resolved
from stackwright.areas.prompts.compiled import Compiled
from stackwright.areas.prompts.content import spec_of
from stackwright.areas.prompts.failures import Settled, UnknownDraft
from stackwright.areas.prompts.ledger import Ledger, Who
from stackwright.areas.prompts.memory import Memory
from stackwright.areas.prompts.rows import DraftRow
from stackwright.areas.prompts.spec import hash_of, normalized, packed, unpacked
from stackwright.areas.prompts.tables import Tables
from stackwright.areas.prompts.types import Draft, DraftDeleted, NewDraft
from stackwright.storage.sql import Script


class Drafts:
    """The drafts of all tenants. Saving one is no event: nobody's request sees it unless it asks for `draft`."""

    def __init__(self, tables: Tables, ledger: Ledger, memory: Memory) -> None:
        self._tables = tables
        self._ledger = ledger
        self._memory = memory

    async def get(self, tenant: str, reference: str) -> Draft:
        """Return the draft."""
        return shown.draft(await self.row(tenant, reference))

    async def row(self, tenant: str, reference: str) -> DraftRow:
        """Return the draft's row. `UnknownDraft` when there is none."""
        prompt = await self._memory.row(tenant, reference)
        do = self._tables.draft(tenant, prompt.id)
        found = await self._tables.backend.fetch(do.sql, *do.args)
        if not found:
            raise UnknownDraft(prompt.id)
        return self._tables.drafts.decode(found[0])

    async def resolve(self, tenant: str, reference: str) -> Resolved:
        """Return the draft as what a request can use, read anew each time."""
        row = await self.row(tenant, reference)
        return Resolved(row.prompt_id, "draft", hash_of(row.spec), Compiled(normalized(unpacked(row.spec))))

    async def keep(self, who: Who, reference: str, body: NewDraft) -> Draft:
        """Save a draft. It need not be fit for publishing yet. Conflict when a newer one was saved."""
        spec = packed(spec_of(body))

        def script() -> Script[DraftRow]:
            prompt = (yield from self._ledger.held(who, reference)).row
            found = yield self._tables.draft(who.tenant, prompt.id)
            revision = self._tables.drafts.decode(found[0]).revision if found else 0
            if body.revision is not None and body.revision != revision:
                raise Settled(
                    f"The draft is at revision {revision}, not {body.revision}.",
                    param="revision",
                    code="prompt_draft_conflict",
                )
            row = DraftRow(
                prompt_id=prompt.id,
                revision=revision + 1,
                base_version=prompt.last_version if body.base_version is None else body.base_version,
                updated_at=int(time.time()),
                updated_by=who.actor,
                spec=spec,
            )
            yield self._tables.keep_draft(who.tenant, row)
            return row

        return shown.draft(await self._tables.backend.transact(script))

    async def published(self, who: Who, draft: DraftRow) -> None:
        """Delete a draft that is a version now. One that was saved since stays."""
        await self._tables.backend.commit(self._tables.drop_draft(who.tenant, draft.prompt_id, draft.revision))

    async def drop(self, who: Who, reference: str) -> DraftDeleted:
        """Delete the draft."""

        def script() -> Script[str]:
            prompt = (yield from self._ledger.held(who, reference)).row
            if not (yield self._tables.drop_draft(who.tenant, prompt.id, None)):
                raise UnknownDraft(prompt.id)
            return prompt.id

        return DraftDeleted(prompt_id=await self._tables.backend.transact(script))
