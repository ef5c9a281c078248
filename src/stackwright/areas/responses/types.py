"""What the routes of responses take and answer."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from stackwright.kit.page import Order
from stackwright.wire.include import Include
from stackwright.wire.items import Item
from stackwright.wire.responses import Response


class ResponseList(Struct, kw_only=True):
    """One page of stored responses."""

    object: Literal["list"] = "list"
    data: list[Response]
    first_id: str | None
    last_id: str | None
    has_more: bool


class InputItemList(Struct, kw_only=True):
    """Some of the items that a response answers."""

    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ResponseDeleted(Struct, kw_only=True):
    """A stored response that is gone."""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True


class InputTokens(Struct, kw_only=True):
    """How many tokens a request would cost."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


class ListQuery(Struct, kw_only=True):
    """Which responses to list."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Order = "desc"
    model: str | None = None


class RetrieveQuery(Struct, kw_only=True):
    """What to show of a response, and whether as the stream that made it."""

    include: list[Include] = []
    stream: bool = False
    starting_after: int | None = None
    include_obfuscation: bool | None = None


class InputItemsQuery(Struct, kw_only=True):
    """Which items to list, and what to show of them."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Order = "desc"
    include: list[Include] = []
