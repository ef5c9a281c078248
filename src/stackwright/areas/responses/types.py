"""What the routes of responses take and answer."""

from typing import Literal

from msgspec import Struct, field

from stackwright.kit.page import Page, PageQuery
from stackwright.wire.include import Include
from stackwright.wire.items import Item
from stackwright.wire.responses import Response


class ResponseList(Page[Response]):
    """One page of stored responses."""


class InputItemList(Page[Item]):
    """Some of the items that a response answers."""


class ResponseDeleted(Struct, kw_only=True):
    """A stored response that is gone."""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True


class InputTokens(Struct, kw_only=True):
    """How many tokens a request would cost."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


class ListQuery(PageQuery, kw_only=True):
    """Which responses to list."""

    model: str | None = None


class RetrieveQuery(Struct, kw_only=True):
    """What to show of a response, and whether as the stream that made it."""

    include: list[Include] = []
    stream: bool = False
    starting_after: int | None = None
    include_obfuscation: bool | None = None


class InputItemsQuery(PageQuery, kw_only=True):
    """Which items to list, and what to show of them."""

    include: list[Include] = field(default_factory=list)
