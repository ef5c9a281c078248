"""What the prompts resource takes and gives."""

from typing import Any, Literal, TypedDict
from urllib.parse import quote

from openai import BaseModel

Policy = Literal["follow", "pinned"]
Change = Literal["added", "removed", "changed"]


class Prompt(BaseModel):
    """A prompt, and the text and number of the version that was asked for."""

    id: str
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
    prompt: str
    version: int
    is_default: bool


class PromptVersion(BaseModel):
    """A version."""

    prompt_id: str
    version: int
    hash: str
    parent_version: int | None
    note: str | None
    created_by: str
    created_at: int
    yanked: bool
    yank_reason: str | None
    spec: dict[str, Any]
    prompt: str
    variables: list[str]
    is_default: bool


class PromptDeleted(BaseModel):
    """A prompt that is deleted, and can be restored."""

    id: str
    deleted: bool


class PromptEvent(BaseModel):
    """One change: who did what, when."""

    id: str
    prompt_id: str
    type: str
    actor: str
    request_id: str
    created_at: int
    data: dict[str, Any]


class RenderedPrompt(BaseModel):
    """The request that a model would get."""

    prompt_id: str
    version: str
    hash: str
    request: dict[str, Any]


class TextChange(BaseModel):
    """A text that differs."""

    path: str
    change: Change
    before: Any = None
    after: Any = None
    lines: list[str]


class ValueChange(BaseModel):
    """A setting or a tool that differs."""

    name: str
    change: Change
    before: Any = None
    after: Any = None


class VariableChange(BaseModel):
    """A variable that differs, and whether today's callers would break."""

    name: str
    change: Change
    breaking: bool
    reasons: list[str]


class PromptDiff(BaseModel):
    """What differs between two versions."""

    prompt_id: str
    from_version: str
    to_version: str
    identical: bool
    breaking: bool
    messages: list[TextChange]
    variables: list[VariableChange]
    settings: list[ValueChange]
    tools: list[ValueChange]


class PromptExport(BaseModel):
    """One page of an export; its `data` is what `import_` takes."""

    data: list[dict[str, Any]]
    last_id: str | None
    has_more: bool


class PromptImported(BaseModel):
    """How one prompt's import went."""

    id: str
    status: Literal["created", "extended", "unchanged"]
    versions: list[int]


class PromptImport(BaseModel):
    """How an import went."""

    data: list[PromptImported]
    dry_run: bool


class Content(TypedDict, total=False):
    """A version's content: `spec`, or its fields; `prompt` is another name of `instructions`."""

    spec: dict[str, Any]
    prompt: str
    instructions: str
    messages: list[dict[str, Any]]
    model: str
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    text: dict[str, Any]
    reasoning: dict[str, Any]
    temperature: float
    top_p: float
    max_output_tokens: int
    variables: dict[str, Any] | list[str]


class NewPrompt(Content, total=False):
    """A prompt to create."""

    id: str
    name: str
    description: str
    tags: list[str]
    metadata: dict[str, str]
    default_policy: Policy
    labels: list[str]
    note: str


class NewVersion(Content, total=False):
    """A version to publish."""

    from_draft: bool
    base_version: int
    note: str
    set_default: bool
    labels: list[str]


class PromptChanges(TypedDict, total=False):
    """What of a prompt is not versioned."""

    name: str | None
    description: str | None
    tags: list[str]
    metadata: dict[str, str] | None
    default_policy: Policy


class Which(TypedDict, total=False):
    """Which prompts to list."""

    limit: int
    after: str
    before: str
    order: Literal["asc", "desc"]
    q: str
    tag: str
    label: str
    archived: bool


class Part(TypedDict, total=False):
    """Which part of a list."""

    limit: int
    after: str
    order: Literal["asc", "desc"]


def path(prompt_id: str, *steps: str | int) -> str:
    """Return the path of a prompt, or of something that belongs to it."""
    return "/prompts/" + "/".join(quote(str(step), safe="") for step in (prompt_id, *steps))


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
