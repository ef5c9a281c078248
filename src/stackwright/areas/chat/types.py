"""What the routes of chat completions take and answer."""

from typing import Any, Literal

from msgspec import Struct, field

from stackwright.kit.page import Order, Page, PageQuery
from stackwright.wire.metadata import Metadata

Completion = dict[str, Any]
"""A `chat.completion` as the model's vendor made it, under our id, with its metadata."""


class CompletionList(Page[Completion]):
    """One page of stored completions."""


class MessageList(Page[dict[str, Any]]):
    """One page of the messages that a stored completion answers."""


class CompletionDeleted(Struct, kw_only=True):
    """A stored completion that is gone."""

    object: Literal["chat.completion.deleted"] = "chat.completion.deleted"
    id: str
    deleted: bool = True


class NewMetadata(Struct, kw_only=True, forbid_unknown_fields=True):
    """The one thing of a stored completion that can change."""

    metadata: Metadata | None


class ListQuery(PageQuery, kw_only=True):
    """Which stored completions to list."""

    order: Order = "asc"
    model: str | None = None
    metadata: Metadata = field(default_factory=dict)


class MessagesQuery(PageQuery, kw_only=True):
    """Which messages to list."""

    order: Order = "asc"
