"""Which parameters llama.cpp is asked with: their types, and what of OpenAI's it cannot do."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from stackwright.providers.inference.llama_schema import Schema

Kind = Literal["chat", "text"]
Role = Literal["developer", "system", "user", "assistant", "tool", "function"]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Stops = Annotated[list[str], msgspec.Meta(max_length=4)]


class Part(msgspec.Struct):
    """A part of a message."""

    type: Annotated[str, msgspec.Meta(max_length=64)]
    text: str | None = None


class Message(msgspec.Struct):
    """As much of a message as can be wrong before llama.cpp's own look at it."""

    role: Role
    content: str | list[Part] | None = None


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`stream_options`."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class Function(msgspec.Struct, forbid_unknown_fields=True):
    """A tool's function, or the name of one in a tool choice."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class JsonSchema(msgspec.Struct, forbid_unknown_fields=True):
    """`response_format.json_schema`."""

    schema: Schema
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, forbid_unknown_fields=True):
    """`response_format`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None
    schema: Schema | None = None
    """llama.cpp's own, with type json_object."""


class Tool(msgspec.Struct, forbid_unknown_fields=True):
    """A function the model may call."""

    type: Literal["function"]
    function: Function


COMMON: dict[str, Any] = {
    "temperature": Annotated[float, msgspec.Meta(ge=0, le=2)],
    "top_p": Annotated[float, msgspec.Meta(ge=0, le=1)],
    "presence_penalty": Penalty,
    "frequency_penalty": Penalty,
    "stop": str | Stops,
    "logit_bias": dict[str, Annotated[float, msgspec.Meta(ge=-100, le=100)]],
    # llama.cpp's own samplers, as its server calls them.
    "top_k": Annotated[int, msgspec.Meta(ge=0)],
    "min_p": Annotated[float, msgspec.Meta(ge=0, le=1)],
    "typical_p": Annotated[float, msgspec.Meta(ge=0, le=1)],
    "repeat_penalty": Annotated[float, msgspec.Meta(gt=0)],
}
"""Passed on as they are, once of the right type."""

CHAT: dict[str, Any] = COMMON | {
    "messages": Annotated[list[Message], msgspec.Meta(min_length=1)],
    "tools": list[Tool],
    "tool_choice": Literal["none", "auto", "required"] | Tool,
    "parallel_tool_calls": bool,
    "response_format": ResponseFormat,
    "chat_template_kwargs": dict[str, Any],
}
TEXT: dict[str, Any] = COMMON | {
    "prompt": str | Annotated[list[str | int | list[int]], msgspec.Meta(min_length=1)],
}
READ: dict[str, Any] = {
    "n": Annotated[int, msgspec.Meta(ge=1, le=128)],
    "seed": int,
    "max_tokens": Count,
    "max_completion_tokens": Count,
    "stream_options": Options,
    "top_logprobs": Annotated[int, msgspec.Meta(ge=0, le=20)],
}
"""Read here; what llama.cpp gets for them is computed."""

CANNOT: Mapping[str, tuple[Any, ...]] = {
    "echo": (False,),
    "suffix": ("",),
    "best_of": (1,),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),
    "functions": (),
    "function_call": ("none",),
    "grammar": ("",),
    "json_schema": (),
}
"""Parameters that would change the answer and cannot be had here, with the values that ask for nothing."""

HINTS = {
    "metadata",
    "model",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "user",
    "verbosity",
}
"""OpenAI's parameters that ask this model for nothing: others read them, or they are wishes about cost and style."""


def known(kind: Kind) -> dict[str, Any]:
    """Return the parameters that requests of a kind may have, and their types."""
    logprobs = bool if kind == "chat" else Annotated[int, msgspec.Meta(ge=0, le=5)]
    return (CHAT if kind == "chat" else TEXT) | READ | {"logprobs": logprobs}
