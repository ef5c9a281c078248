"""What the routes of conversations take and answer."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from stackwright.kit.page import Page, PageQuery
from stackwright.wire.include import Include
from stackwright.wire.items import InputItem, Item
from stackwright.wire.metadata import Metadata

MAX_ITEMS = 20

NewItemList = Annotated[list[InputItem], Meta(max_length=MAX_ITEMS)]


class NewConversation(Struct, kw_only=True, forbid_unknown_fields=True):
    """A conversation to be made."""

    items: NewItemList | None = None
    metadata: Metadata | None = None


class NewMetadata(Struct, kw_only=True, forbid_unknown_fields=True):
    """The one thing of a conversation itself that can change."""

    metadata: Metadata | None


class NewItems(Struct, kw_only=True, forbid_unknown_fields=True):
    """Items to be added at the end: all of them, or none."""

    items: NewItemList


class Conversation(Struct, kw_only=True):
    """A conversation, without its items."""

    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, str]


class ConversationDeleted(Struct, kw_only=True):
    """A conversation that is gone, with its items."""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: bool = True


class ConversationList(Page[Conversation]):
    """One page of conversations."""


class ConversationItemList(Page[Item]):
    """Some items of a conversation."""


class ItemsQuery(PageQuery, kw_only=True):
    """Which items to list, and what to show of them."""

    include: list[Include] = field(default_factory=list)


class ItemQuery(Struct, kw_only=True):
    """What to show of an item."""

    include: list[Include] = []
