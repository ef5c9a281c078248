"""The body of `POST /v1/moderations`."""

from typing import Any

from msgspec import Struct


class ModerationRequest(Struct, kw_only=True):
    """Text or images to be judged."""

    input: str | list[str | dict[str, Any]]
    model: str | None = None
