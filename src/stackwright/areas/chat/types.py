"""What the routes of chat completions take and answer."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from stackwright.kit.page import Order, Page
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


class NewMetadata(Struct, kw_only=True):
    """The one thing of a stored completion that can change."""

    metadata: Metadata | None


class ListQuery(Struct, kw_only=True):
    """Which stored completions to list."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Order = "asc"
    model: str | None = None
    metadata: Metadata = {}


class MessagesQuery(Struct, kw_only=True):
    """Which messages to list."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Order = "asc"
