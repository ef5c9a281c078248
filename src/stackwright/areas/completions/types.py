"""The body of `POST /v1/completions`, as far as it is checked here. Other fields pass through unread."""

from typing import Annotated

from msgspec import Meta, Struct


class CompletionRequest(Struct, kw_only=True):
    """A prompt to be continued."""

    model: str
    prompt: str | list[str | int | list[int]] | None = None
    stream: bool | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, Meta(ge=1, le=20)] | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    suffix: str | None = None
    user: str | None = None
