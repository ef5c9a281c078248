"""What all items have in common: a type, an id that tells it, mostly a status."""

from functools import partial
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from stackwright.ids import mint

Status = Literal["in_progress", "completed", "incomplete"]
CallId = Annotated[str, Meta(min_length=1)]
"""What ties a call to its output: the model's, so its form is the vendor's business."""


class ItemKind(Struct, omit_defaults=True, tag_field="type"):
    """One item of a conversation, or of what goes into or comes out of a response."""


def minted(prefix: str) -> Any:
    """Declare an id that is minted when none is given."""
    return field(default_factory=partial(mint, prefix))
