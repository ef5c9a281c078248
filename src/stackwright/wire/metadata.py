"""The 16 key-value pairs that any stored object may carry."""

from typing import Annotated

from msgspec import Meta

Metadata = dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]]
MAX_PAIRS = 16
