"""Prompts: what the routes do, and the front door for whoever uses a prompt in a request."""

import time
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from stackwright import ids
from stackwright.areas.prompts import shown
from stackwright.areas.prompts.apply import Resolved, apply
from stackwright.areas.prompts.content import content_of
from stackwright.areas.prompts.drafts import Drafts
from stackwright.areas.prompts.failures import UnknownPrompt
from stackwright.areas.prompts.ledger import Ledger, Who, Written
from stackwright.areas.prompts.listing import Listing
from stackwright.areas.prompts.memory import Memory
from stackwright.areas.prompts.pointing import Pointing
from stackwright.areas.prompts.rows import PromptRow, StoredPrompt, json_text
from stackwright.areas.prompts.selecting import DRAFT, checked_name, number_of
from stackwright.areas.prompts.spec import check_request
from stackwright.areas.prompts.tables import Tables
from stackwright.areas.prompts.transfer import Transfer
from stackwright.areas.prompts.types import (
    EventList,
    ListQuery,
    NewDefault,
    NewLabel,
    NewPrompt,
    Prompt,
    PromptChanges,
    PromptDeleted,
    PromptList,
    RenderedPrompt,
    RenderRequest,
    Selector,
)
from stackwright.areas.prompts.versions import Versions
from stackwright.areas.prompts.writes import Writes
from stackwright.errors import InvalidRequest
from stackwright.kit.page import PageQuery
from stackwright.storage.sql import Migration, Script, SqlBackend
from stackwright.storage.sql.aging import Sweep
from stackwright.wire.given import parse_input
from stackwright.wire.responses import PromptRef


class Prompts:
    """Prompts of all tenants."""

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._backend = backend
        self._tables = Tables(backend, table_name)
        ledger = Ledger(self._tables)
        self._writes, self._pointing = Writes(ledger), Pointing(ledger)
        self._listing = Listing(self._tables)
        self.memory = Memory(self._tables)
        self.drafts = Drafts(self._tables, ledger, self.memory)
        self.versions = Versions(self._tables, ledger, self.memory, self.drafts)
        self.transfer = Transfer(self._tables, ledger, self.memory)

    @property
    def name(self) -> str:
        """What migrations call this store."""
        return self._tables.name

    @property
    def migrations(self) -> Sequence[Migration]:
        """Every step from nothing to the present schema."""
        return self._tables.migrations

    @property
    def old(self) -> Sequence[Sweep]:
        """What removes old rows."""
        return self._tables.old

    async def prepare(self) -> None:
        """Make the tables, now or as soon as the database is there."""
        await self._backend.migrate(self.name, self._tables.migrations)

    async def resolve(self, tenant: str, reference: PromptRef) -> Resolved:
        """Return the version that a request's `prompt` means; from memory, when it was used before.

        Raises:
            UnknownPrompt: The tenant has no such prompt.
            UnknownVersion, UnknownLabel, UnknownDraft: The prompt has no such version.
            InvalidRequest: The reference names no prompt.
        """
        prompt_id = reference.id or reference.prompt_id
        if not prompt_id:
            raise InvalidRequest(
                "Missing required parameter: 'prompt.id'.", param="prompt.id", code="missing_required_parameter"
            )
        if reference.version == DRAFT:
            return await self.drafts.resolve(tenant, prompt_id)
        version = reference.version
        return self.memory.warm(tenant, prompt_id, version) or await self.memory.resolve(tenant, prompt_id, version)

    async def render(self, tenant: str, reference: str, body: RenderRequest) -> RenderedPrompt:
        """Return the request a model would get. Sensitive values are masked."""
        resolved = await self.resolve(tenant, PromptRef(id=reference, version=body.version))
        merged = apply(resolved, body.variables, {})
        items: list[dict[str, Any]] = [*merged.shown_messages]
        if isinstance(body.input, str):
            items.append({"type": "message", "role": "user", "content": body.input})
        else:
            items += body.input or ()
        request = merged.shown | {"input": items, "prompt": merged.prompt}
        check_request(request)
        parse_input(items)
        return RenderedPrompt(
            prompt_id=resolved.prompt_id, version=resolved.version, hash=resolved.hash, request=request
        )

    async def create(self, who: Who, body: NewPrompt) -> Prompt:
        """Create a prompt; its content is version 1."""
        content = content_of(body, body.note)
        prompt_id = body.id or ids.mint("pmpt_")

        def script() -> Script[Written]:
            return self._writes.create(who, _new_row(prompt_id, body), content, body.labels)

        written = await self._backend.transact(script)
        self.memory.hold(who.tenant, written.version, content.compiled)
        return self._shown(who.tenant, written)

    async def get(self, tenant: str, reference: str, selector: Selector = None) -> Prompt:
        """Return a prompt with the text of the version that was asked for."""
        row = await self.memory.row(tenant, reference)
        return shown.prompt(row, await self.memory.of(tenant, row, number_of(row, selector)))

    async def page(self, tenant: str, query: ListQuery) -> PromptList:
        """Return some prompts, each with its default's text."""
        found = await self._listing.page(tenant, query)
        data = [shown.prompt(row, await self.memory.of(tenant, row, row.default_version)) for row in found.rows]
        return PromptList.of(data, has_more=found.has_more)

    async def update(self, who: Who, reference: str, changes: PromptChanges, etag: str | None) -> Prompt:
        """Change what is not versioned. `etag` is the caller's `If-Match`."""
        fields = _fields(changes)
        row = await self._backend.transact(lambda: self._writes.update(who, reference, etag, fields))
        return await self._after(who.tenant, row)

    async def set_default(self, who: Who, reference: str, body: NewDefault) -> Prompt:
        """Point the default at a version."""
        written = await self._backend.transact(
            lambda: self._pointing.set_default(who, reference, body.version, body.expected_version)
        )
        return self._shown(who.tenant, written)

    async def set_label(self, who: Who, reference: str, label: str, body: NewLabel) -> Prompt:
        """Point a label at a version."""
        checked = body.expected_version is not UNSET
        expected = None if body.expected_version is UNSET else body.expected_version
        row = await self._backend.transact(
            lambda: self._pointing.set_label(who, reference, label, body.version, expected, checked=checked)
        )
        return await self._after(who.tenant, row)

    async def drop_label(self, who: Who, reference: str, label: str, expected: int | None) -> Prompt:
        """Take a label away."""
        row = await self._backend.transact(lambda: self._pointing.drop_label(who, reference, label, expected))
        return await self._after(who.tenant, row)

    async def delete(self, who: Who, reference: str) -> PromptDeleted:
        """Delete a prompt softly."""
        row = await self._backend.transact(lambda: self._writes.archive(who, reference))
        self.memory.apply(who.tenant, row)
        return PromptDeleted(id=row.id)

    async def restore(self, who: Who, reference: str) -> Prompt:
        """Bring a deleted prompt back."""
        row = await self._backend.transact(lambda: self._writes.restore(who, reference))
        return await self._after(who.tenant, row)

    async def events(self, tenant: str, reference: str, query: PageQuery) -> EventList:
        """Return the changes of a prompt, a deleted one's too."""
        row = await self.memory.find(tenant, reference)
        if row is None:
            raise UnknownPrompt(reference)
        found = await self._tables.events.page(
            tenant, after=query.after, limit=query.limit, order=query.order, where={"prompt_id": row.id}
        )
        return EventList.of([shown.event(one) for one in found.rows], has_more=found.has_more)

    async def _after(self, tenant: str, row: PromptRow) -> Prompt:
        """Take over a change before it is answered."""
        self.memory.apply(tenant, row)
        return shown.prompt(row, await self.memory.of(tenant, row, row.default_version))

    def _shown(self, tenant: str, written: Written) -> Prompt:
        self.memory.apply(tenant, written.prompt)
        return shown.prompt(written.prompt, self.memory.hold(tenant, written.version))


def _new_row(prompt_id: str, body: NewPrompt) -> StoredPrompt:
    now = int(time.time())
    return StoredPrompt(
        id=prompt_id,
        name=checked_name(body.name),
        description=body.description,
        tags=json_text(body.tags),
        metadata=json_text(body.metadata or {}),
        labels="{}",
        default_version=1,
        default_policy=body.default_policy,
        latest_version=1,
        last_version=1,
        archived_at=None,
        created_at=now,
        updated_at=now,
        revision=1,
        text="",
        notes="",
        searched="",
    )


def _fields(changes: PromptChanges) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: value for name in changes.__struct_fields__ if (value := getattr(changes, name)) is not UNSET
    }
    checked_name(fields.get("name"))
    for name, empty in (("tags", []), ("metadata", {})):
        if name in fields:
            fields[name] = json_text(fields[name] or empty)
    if not fields:
        raise InvalidRequest(f"Nothing to change: give some of {', '.join(changes.__struct_fields__)}.")
    return fields
