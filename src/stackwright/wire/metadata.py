"""The 16 key-value pairs that any stored object may carry."""

from typing import Annotated

from msgspec import Meta

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
