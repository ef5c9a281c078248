"""One page of a list, in OpenAI's list shape, and how a caller asks for one."""

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")

Order = Literal["asc", "desc"]
Limit = Annotated[int, Meta(ge=1, le=100)]


class PageQuery(Struct, kw_only=True):
    """Which part of a list."""

    after: str | None = None
    limit: Limit = 20
    order: Order = "desc"


class Page(Struct, Generic[T], kw_only=True):
    """A slice of an ordered list. `first_id` and `last_id` are cursors for `before` and `after`."""

    object: Literal["list"] = "list"
    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, data: list[T], *, has_more: bool, cursor: Callable[[T], Any] = attrgetter("id")) -> Self:
        """Return a page of these; `cursor` tells one from the others."""
        first, last = (str(cursor(data[0])), str(cursor(data[-1]))) if data else (None, None)
        return cls(data=data, first_id=first, last_id=last, has_more=has_more)
