"""What the routes of prompts take and answer."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from stackwright.areas.prompts.spec import Declaration, Spec, TemplateMessage, VariableName
from stackwright.kit.page import Order
from stackwright.wire.metadata import Metadata

Policy = Literal["follow", "pinned"]
PromptId = Annotated[str, Meta(pattern=r"^pmpt_[A-Za-z0-9_-]{1,128}$")]
Name = Annotated[str, Meta(pattern=r"^[^\s/?#%][^/?#%\n]{0,127}$")]
LabelName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.-]{0,62}$")]
Tag = Annotated[str, Meta(min_length=1, max_length=64)]
Tags = Annotated[list[Tag], Meta(max_length=32)]
Note = Annotated[str, Meta(max_length=2000)]
Description = Annotated[str, Meta(max_length=2000)]
Selector = str | int | None
"""Null or "" is the default; a number is exactly that version; else `latest`, `draft` or a label."""
Limit = Annotated[int, Meta(ge=1, le=100)]


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


class PromptVersion(Struct, kw_only=True):
    """A version. It never changes, but for being yanked."""

    object: Literal["prompt.version"] = "prompt.version"
    prompt_id: str
    version: int
    hash: str
    parent_version: int | None
    note: str | None
    created_by: str
    created_at: int
    yanked: bool
    yank_reason: str | None
    spec: Spec
    prompt: str
    variables: list[str]
    is_default: bool


class PromptList(Struct, kw_only=True):
    """One page of prompts."""

    object: Literal["list"] = "list"
    data: list[Prompt]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VersionList(Struct, kw_only=True):
    """One page of versions; the cursors are their numbers."""

    object: Literal["list"] = "list"
    data: list[PromptVersion]
    first_id: str | None
    last_id: str | None
    has_more: bool


class PromptDeleted(Struct, kw_only=True):
    """A prompt that is deleted, and can be restored."""

    id: str
    object: Literal["prompt.deleted"] = "prompt.deleted"
    deleted: bool = True


class Flat(Struct, kw_only=True):
    """A version's content: `spec`, or its fields beside it, where `prompt` means `instructions`."""

    spec: Spec | None = None
    prompt: str | None = None
    instructions: str | None = None
    messages: list[TemplateMessage] | None = None
    model: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    variables: dict[VariableName, Declaration] | list[VariableName] | None = None


class NewPrompt(Flat, kw_only=True, forbid_unknown_fields=True):
    """A prompt to create; its content becomes version 1."""

    id: PromptId | None = None
    name: Name | None = None
    description: Description | None = None
    tags: Tags = []
    metadata: Metadata | None = None
    default_policy: Policy = "follow"
    labels: list[LabelName] = []
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
    labels: list[LabelName] = []


class NewDefault(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which version the default shall be: a number pins it there, `latest` lets it follow."""

    version: str | int
    expected_version: int | None = None


class NewLabel(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which version a label shall name. `expected_version` null: the label must not exist yet."""

    version: str | int
    expected_version: int | UnsetType | None = UNSET


class OldLabel(Struct, kw_only=True):
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


class EventList(Struct, kw_only=True):
    """One page of changes, newest first."""

    object: Literal["list"] = "list"
    data: list[Event]
    first_id: str | None
    last_id: str | None
    has_more: bool


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


class ListQuery(Struct, kw_only=True):
    """Which prompts to list."""

    limit: Limit = 20
    after: str | None = None
    before: str | None = None
    order: Order = "desc"
    q: str | None = None
    tag: str | None = None
    label: str | None = None
    archived: bool = False


class PageQuery(Struct, kw_only=True):
    """Which part of a list."""

    limit: Limit = 20
    after: str | None = None
    order: Order = "desc"


class OneQuery(Struct, kw_only=True):
    """Which version of a prompt."""

    version: str | None = None


class DiffQuery(Struct, kw_only=True, rename={"from_": "from"}):
    """Which two versions to compare: the one before the latest, and the latest, when not said."""

    from_: str | None = None
    to: str | None = None


class ExportQuery(Struct, kw_only=True):
    """Which prompts to export."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    after: str | None = None
    prompt: str | None = None
    """One prompt, by id or name; absent: all of them, a page at a time."""


class ImportedVersion(Flat, kw_only=True):
    """A version under a number of its own."""

    version: Annotated[int, Meta(ge=1, le=2**31)] = 1
    note: Note | None = None
    parent_version: int | None = None
    created_at: int | None = None
    created_by: str | None = None
    yanked: bool = False
    yank_reason: str | None = None


class ImportedPrompt(Struct, kw_only=True):
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
    object: Literal["list"] | UnsetType = UNSET
    first_id: str | UnsetType | None = UNSET
    last_id: str | UnsetType | None = UNSET
    has_more: bool | UnsetType = UNSET


class ExportedVersion(Struct, kw_only=True):
    """A version in an export."""

    version: int
    hash: str
    parent_version: int | None
    note: str | None
    created_by: str
    created_at: int
    yanked: bool
    yank_reason: str | None
    spec: Spec


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


class Export(Struct, kw_only=True):
    """One page of an export; what `import` takes."""

    object: Literal["list"] = "list"
    data: list[ExportedPrompt]
    first_id: str | None
    last_id: str | None
    has_more: bool


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


class LlamaUpdate(Struct, kw_only=True):
    """Llama Stack's way to publish: `version` is the latest, which this one follows."""

    prompt: str
    version: int
    variables: list[VariableName] | None = None
    set_as_default: bool = True


class LlamaDefault(Struct, kw_only=True):
    """Llama Stack's way to set the default."""

    version: int


class TextChange(Struct, kw_only=True):
    """A text that differs: the instructions, or a message."""

    path: str
    change: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None
    lines: list[str] = []
    """What differs, line by line, as in a unified diff."""


class ValueChange(Struct, kw_only=True):
    """A setting or a tool that differs."""

    name: str
    change: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None


class VariableChange(Struct, kw_only=True):
    """A variable that differs, and whether today's callers would break."""

    name: str
    change: Literal["added", "removed", "changed"]
    breaking: bool
    reasons: list[str]


class Diff(Struct, kw_only=True):
    """What differs between two versions."""

    object: Literal["prompt.diff"] = "prompt.diff"
    prompt_id: str
    from_version: str
    to_version: str
    identical: bool
    breaking: bool
    messages: list[TextChange]
    variables: list[VariableChange]
    settings: list[ValueChange]
    tools: list[ValueChange]
