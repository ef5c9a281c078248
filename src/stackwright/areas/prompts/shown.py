"""Rows as callers see them."""

import msgspec

from stackwright.areas.prompts.apply import Resolved
from stackwright.areas.prompts.rows import DraftRow, EventRow, PromptRow, VersionRow
from stackwright.areas.prompts.spec import unpacked
from stackwright.areas.prompts.types import Draft, Event, Policy, Prompt, PromptVersion

_data = msgspec.json.Decoder(dict[str, object]).decode


def prompt(row: PromptRow, version: Resolved) -> Prompt:
    """Return a prompt, with the text of one of its versions."""
    number = int(version.version)
    return Prompt(
        id=row.id,
        name=row.name,
        description=row.description,
        tags=row.tag_list,
        metadata=row.pairs,
        default_version=row.default_version,
        default_policy=policy(row),
        latest_version=row.latest_version,
        labels=row.label_versions,
        variables=version.compiled.variables.names,
        archived_at=row.archived_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        etag=row.etag,
        prompt_id=row.id,
        prompt=version.compiled.text,
        version=number,
        is_default=number == row.default_version,
    )


def policy(row: PromptRow) -> Policy:
    """Return the default policy as its type."""
    return "follow" if row.default_policy == "follow" else "pinned"


def version(prompt: PromptRow, row: VersionRow, resolved: Resolved) -> PromptVersion:
    """Return a version with its content."""
    return PromptVersion(
        prompt_id=row.prompt_id,
        version=row.version,
        hash=row.hash,
        parent_version=row.parent_version,
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
        yanked=row.yanked,
        yank_reason=row.yank_reason,
        spec=resolved.compiled.spec,
        prompt=resolved.compiled.text,
        variables=resolved.compiled.variables.names,
        is_default=row.version == prompt.default_version,
    )


def draft(row: DraftRow) -> Draft:
    """Return a draft."""
    return Draft(
        prompt_id=row.prompt_id,
        revision=row.revision,
        base_version=row.base_version,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        spec=unpacked(row.spec),
    )


def event(row: EventRow) -> Event:
    """Return a change."""
    return Event(
        id=row.id,
        prompt_id=row.prompt_id,
        type=row.type,
        actor=row.actor,
        request_id=row.request_id,
        created_at=row.created_at,
        data=_data(row.data),
    )
