"""One page of a list, in OpenAI's list shape."""

from typing import Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")

Order = Literal["asc", "desc"]


class Page(msgspec.Struct, Generic[T], kw_only=True):
    """A slice of an ordered list. `first_id` and `last_id` are cursors for `before` and `after`."""

    object: Literal["list"] = "list"
    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool
