"""What the tables hold. The default and the labels are columns of the prompt: changing one is one statement."""

from typing import Any

import msgspec
from msgspec import Struct

SEARCHED = ("id", "name", "description", "notes", "text")
"""What `q` looks through, the most telling first."""
TEXT, NOTES = 8000, 4000
"""Characters of a prompt's text, and of its versions' notes, that `q` searches."""

_labels = msgspec.json.Decoder(dict[str, int]).decode
_tags = msgspec.json.Decoder(list[str]).decode
_metadata = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class PromptRow(Struct):
    """A prompt."""

    id: str
    name: str | None
    description: str | None
    tags: str
    metadata: str
    labels: str
    """Label to version, as JSON."""
    default_version: int
    default_policy: str
    latest_version: int
    """The newest that is not yanked."""
    last_version: int
    """The newest there ever was; the next one's number is one more."""
    archived_at: int | None
    created_at: int
    updated_at: int
    revision: int
    """Grows with every change; the etag."""

    @property
    def label_versions(self) -> dict[str, int]:
        return _labels(self.labels)

    @property
    def tag_list(self) -> list[str]:
        return _tags(self.tags)

    @property
    def pairs(self) -> dict[str, str]:
        return _metadata(self.metadata)

    @property
    def etag(self) -> str:
        return f'"{self.revision}"'


class StoredPrompt(PromptRow):
    """A prompt, and what `q` looks through."""

    text: str
    """Of the newest version, as much as is searched."""
    notes: str
    searched: str


class PointerRow(Struct):
    """Of a prompt, what selectors need."""

    id: str
    name: str | None
    labels: str
    default_version: int
    latest_version: int
    archived_at: int | None
    revision: int

    @property
    def label_versions(self) -> dict[str, int]:
        return _labels(self.labels)


class VersionRow(Struct):
    """A version. Only the two columns about yanking ever change."""

    prompt_id: str
    version: int
    hash: str
    parent_version: int | None
    note: str | None
    created_by: str
    created_at: int
    yanked: bool
    yank_reason: str | None
    spec: bytes


class DraftRow(Struct):
    """A draft."""

    prompt_id: str
    revision: int
    base_version: int
    updated_at: int
    updated_by: str
    spec: bytes


class EventRow(Struct):
    """One change, and its place in the order of all changes."""

    id: str
    prompt_id: str
    change: int
    type: str
    actor: str
    request_id: str
    created_at: int
    data: str


def json_text(value: Any) -> str:
    """Return a value as it is kept in a text column."""
    return _encode(value).decode()


def searched(row: StoredPrompt, **changes: Any) -> str:
    """Return what `q` looks through, as it is after some changes."""
    told = [changes.get(name, getattr(row, name)) for name in SEARCHED]
    return "\n".join(filter(None, told)).casefold()


def noted(note: str | None, before: str = "") -> str:
    """Return the notes of all versions, the newest first, as many as are searched."""
    return f"{note}\n{before}"[:NOTES] if note else before
