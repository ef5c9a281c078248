"""What the routes of prompts take and answer."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from stackwright.areas.prompts.spec import Fields, Spec, VariableName
from stackwright.kit.page import Page, PageQuery
from stackwright.kit.patterns import whole
from stackwright.wire.metadata import Metadata

Policy = Literal["follow", "pinned"]
PromptId = Annotated[str, Meta(pattern=whole(r"pmpt_[A-Za-z0-9_-]{1,128}"))]
Name = Annotated[str, Meta(pattern=whole(r"[^\s/?#%][^/?#%\n]{0,127}"))]
LABEL = r"[a-z][a-z0-9_.-]{0,62}"
LabelName = Annotated[str, Meta(pattern=whole(LABEL))]
Tag = Annotated[str, Meta(min_length=1, max_length=64)]
Tags = Annotated[list[Tag], Meta(max_length=32)]
Note = Annotated[str, Meta(max_length=2000)]
Description = Annotated[str, Meta(max_length=2000)]
Selector = str | int | None
"""Null or "" is the default; a number is exactly that version; else `latest`, `draft` or a label."""


class Prompt(Struct, kw_only=True):
    """A prompt, and the text and number of the version that was asked for."""

    id: str
    object: Literal["prompt"] = "prompt"
    name: str | None
    description: str | None
    tags: list[str]
    metadata: dict[str, str]
    default_version: int
    default_policy: Policy
    latest_version: int
    labels: dict[str, int]
    variables: list[str]
    archived_at: int | None
    created_at: int
    updated_at: int
    etag: str
    prompt_id: str
    prompt: str
    version: int
    is_default: bool


class Version(Struct, kw_only=True):
    """What is known of a version wherever it goes."""

    version: int
    hash: str
    parent_version: int | None
    note: str | None
    created_by: str
    created_at: int
    yanked: bool
    yank_reason: str | None
    spec: Spec


class PromptVersion(Version, kw_only=True):
    """A version. It never changes, but for being yanked."""

    object: Literal["prompt.version"] = "prompt.version"
    prompt_id: str
    prompt: str
    variables: list[str]
    is_default: bool


class PromptList(Page[Prompt]):
    """One page of prompts."""


class VersionList(Page[PromptVersion]):
    """One page of versions; the cursors are their numbers."""


class PromptDeleted(Struct, kw_only=True):
    """A prompt that is deleted, and can be restored."""

    id: str
    object: Literal["prompt.deleted"] = "prompt.deleted"
    deleted: bool = True


class Flat(Fields, kw_only=True):
    """A version's content: `spec`, or its fields beside it, where `prompt` means `instructions`."""

    spec: Spec | None = None
    prompt: str | None = None


class NewPrompt(Flat, kw_only=True, forbid_unknown_fields=True):
    """A prompt to create; its content becomes version 1."""

    id: PromptId | None = None
    name: Name | None = None
    description: Description | None = None
    tags: Tags = field(default_factory=list)
    metadata: Metadata | None = None
    default_policy: Policy = "follow"
    labels: list[LabelName] = field(default_factory=list)
    note: Note | None = None


class PromptChanges(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change; a field left out stays as it is."""

    name: Name | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    default_policy: Policy | UnsetType = UNSET


class NewVersion(Flat, kw_only=True, forbid_unknown_fields=True):
    """A version to publish: its content, or `from_draft`."""

    from_draft: bool = False
    base_version: int | None = None
    """The version this one was made from. When another was published since, this is a 409."""
    note: Note | None = None
    set_default: bool | None = None
    """Null: as the prompt's default policy says."""
    labels: list[LabelName] = field(default_factory=list)


class NewDefault(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which version the default shall be: a number pins it there, `latest` lets it follow."""

    version: str | int
    expected_version: int | None = None


class NewLabel(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which version a label shall name. `expected_version` null: the label must not exist yet."""

    version: str | int
    expected_version: int | UnsetType | None = UNSET


class OldLabel(Struct, kw_only=True, forbid_unknown_fields=True):
    """Under which condition a label goes."""

    expected_version: int | None = None


class Yank(Struct, kw_only=True, forbid_unknown_fields=True):
    """Why a version should no longer be chosen."""

    reason: Note | None = None


class NewDraft(Flat, kw_only=True, forbid_unknown_fields=True):
    """A draft to keep. `revision` is the one it was made from: 409 when there is a newer one."""

    revision: int | None = None
    base_version: int | None = None


class Draft(Struct, kw_only=True):
    """A draft: one for each prompt, replaced by every save."""

    object: Literal["prompt.draft"] = "prompt.draft"
    prompt_id: str
    revision: int
    base_version: int
    updated_at: int
    updated_by: str
    spec: Spec


class DraftDeleted(Struct, kw_only=True):
    """A draft that is gone."""

    prompt_id: str
    object: Literal["prompt.draft.deleted"] = "prompt.draft.deleted"
    deleted: bool = True


class Event(Struct, kw_only=True):
    """One change: who did what, when."""

    id: str
    object: Literal["prompt.event"] = "prompt.event"
    prompt_id: str
    type: str
    actor: str
    request_id: str
    created_at: int
    data: dict[str, Any]


class EventList(Page[Event]):
    """One page of changes, newest first."""


class RenderRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to render a prompt with."""

    version: Selector = None
    variables: dict[str, Any] | None = None
    input: str | list[dict[str, Any]] | None = None


class RenderedPrompt(Struct, kw_only=True):
    """The request that a model would get."""

    object: Literal["prompt.rendered"] = "prompt.rendered"
    prompt_id: str
    version: str
    hash: str
    request: dict[str, Any]


class ListQuery(PageQuery, kw_only=True):
    """Which prompts to list."""

    before: str | None = None
    q: str | None = None
    tag: str | None = None
    label: str | None = None
    archived: bool = False


class OneQuery(Struct, kw_only=True):
    """Which version of a prompt."""

    version: str | None = None


class LlamaUpdate(Struct, kw_only=True, forbid_unknown_fields=True):
    """Llama Stack's way to publish: `version` is the latest, which this one follows."""

    prompt: str
    version: int
    variables: list[VariableName] | None = None
    set_as_default: bool = True


class LlamaDefault(Struct, kw_only=True, forbid_unknown_fields=True):
    """Llama Stack's way to set the default."""

    version: int
