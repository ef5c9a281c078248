"""From a prompt and a request to the request in effect."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from stackwright.areas.prompts.compiled import Compiled, Rendered


class Resolved(Struct, frozen=True):
    """The version that a reference led to."""

    prompt_id: str
    version: str
    """Its number as a string, or `draft`."""
    hash: str
    compiled: Compiled


class Merged(Struct, frozen=True):
    """A request after its prompt was merged in."""

    fields: dict[str, Any]
    """The request's top-level fields, those of the prompt where the request has none, `instructions` included."""
    messages: list[dict[str, Any]]
    """The frame's messages: before the history, in this request only, never stored in a conversation."""
    shown: dict[str, Any]
    """`fields` fit for storing and echoing: sensitive values are masked. The same object when there are none."""
    shown_messages: list[dict[str, Any]]
    """`messages`, masked in the same way."""
    prompt: dict[str, Any]
    """What the answer echoes as `prompt`."""


def apply(resolved: Resolved, variables: Mapping[str, Any] | None, request: Mapping[str, Any]) -> Merged:
    """Merge a prompt into a request.

    Args:
        resolved: The prompt's version.
        variables: What the caller gave for its variables.
        request: The request's top-level fields as sent, without `prompt`. A field that is null counts as not sent.

    Raises:
        InvalidRequest: Something is wrong with the variables; the message says everything that is.
    """
    compiled = resolved.compiled
    given = variables or {}
    rendered, masked = _rendered(compiled, given)
    fields = merged(rendered, request)
    echo = {"id": resolved.prompt_id, "version": resolved.version, "variables": dict(given)}
    if masked is rendered:
        return Merged(fields, rendered.messages, fields, rendered.messages, echo)
    echo["variables"] = compiled.variables.without_secrets(given)
    return Merged(fields, rendered.messages, merged(masked, request), masked.messages, echo)


def _rendered(compiled: Compiled, given: Mapping[str, Any]) -> tuple[Rendered, Rendered]:
    """Return a version filled in, and as it may be shown: the very same when nothing given is sensitive."""
    at_once = compiled.at_once(given)
    if at_once is not None:
        return at_once, at_once
    values = compiled.variables.check(given)
    rendered = compiled.render(values.texts, values.parts)
    shown = values.shown
    return rendered, rendered if shown is None else compiled.render(shown.texts, shown.parts)


def merged(rendered: Rendered, request: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a request's fields over a prompt's: deeper only for `text`, `reasoning` and `metadata`."""
    fields = rendered.settings
    if rendered.instructions is not None:
        fields["instructions"] = rendered.instructions
    for name, value in request.items():
        if value is None:
            continue
        if type(value) is dict and name in _DEEPER and type(below := fields.get(name)) is dict:
            value = below | {key: one for key, one in value.items() if one is not None}
        fields[name] = value
    return fields


_DEEPER = ("text", "reasoning", "metadata")
