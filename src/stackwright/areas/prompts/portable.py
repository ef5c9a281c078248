"""Prompts on their way from one server to another: what `import` takes and `export` gives."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from stackwright.areas.prompts.types import Description, Flat, LabelName, Name, Note, Policy, PromptId, Tags, Version
from stackwright.kit.page import Page
from stackwright.wire.metadata import Metadata

NEWEST = 2**31 - 1
"""The highest number of a version. None is published above it, so every export can be imported."""


class ExportQuery(Struct, kw_only=True):
    """Which prompts to export."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    after: str | None = None
    prompt: str | None = None
    """One prompt, by id or name; absent: all of them, a page at a time."""


class ImportedVersion(Flat, kw_only=True, forbid_unknown_fields=True):
    """A version under a number of its own."""

    version: Annotated[int, Meta(ge=1, le=NEWEST)] = 1
    note: Note | None = None
    parent_version: int | None = None
    created_at: int | None = None
    created_by: str | None = None
    yanked: bool = False
    yank_reason: str | None = None
    hash: str | UnsetType = UNSET
    """As exports have it; made anew of the content."""


class ImportedPrompt(Struct, kw_only=True, forbid_unknown_fields=True):
    """A prompt with its versions, as `export` writes it; little of it is required."""

    id: PromptId
    name: Name | None = None
    description: Description | None = None
    tags: Tags = []
    metadata: Metadata = {}
    default_version: int | None = None
    default_policy: Policy | None = None
    labels: dict[LabelName, int] = {}
    archived_at: int | None = None
    created_at: int | None = None
    versions: Annotated[list[ImportedVersion], Meta(min_length=1)]


class Import(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to import: an export, or prompts written by hand."""

    data: list[ImportedPrompt]
    dry_run: bool = False
    """Write nothing; say what would come of it."""
    object: Literal["list"] | UnsetType = UNSET
    first_id: str | UnsetType | None = UNSET
    last_id: str | UnsetType | None = UNSET
    has_more: bool | UnsetType = UNSET


class ExportedVersion(Version, kw_only=True):
    """A version in an export."""


class ExportedPrompt(Struct, kw_only=True):
    """A prompt with all its versions."""

    id: str
    name: str | None
    description: str | None
    tags: list[str]
    metadata: dict[str, str]
    default_version: int
    default_policy: Policy
    labels: dict[str, int]
    archived_at: int | None
    created_at: int
    versions: list[ExportedVersion]


class Export(Page[ExportedPrompt]):
    """One page of an export; what `import` takes."""


class Imported(Struct, kw_only=True):
    """How one prompt's import went."""

    id: str
    object: Literal["prompt.imported"] = "prompt.imported"
    status: Literal["created", "extended", "unchanged"]
    versions: list[int]
    """The versions that are new."""


class ImportResult(Struct, kw_only=True):
    """How an import went."""

    object: Literal["list"] = "list"
    data: list[Imported]
    dry_run: bool = False
    """Nothing was written: this is what would have come of it."""
