"""From a body that carries a version's content to that content, checked."""

from typing import NamedTuple

import msgspec

from stackwright.areas.prompts.compiled import Compiled
from stackwright.areas.prompts.spec import Fields, Spec, hash_of, normalized, packed
from stackwright.areas.prompts.types import Flat
from stackwright.errors import InvalidRequest


class Content(NamedTuple):
    """A version's content, checked, packed and ready to use."""

    spec: bytes
    hash: str
    compiled: Compiled
    note: str | None

    @property
    def text(self) -> str:
        return self.compiled.text


def spec_of(body: Flat) -> Spec:
    """Return the spec a body carries, whole or flat. `InvalidRequest` when it does both."""
    # Not `metadata`: beside a spec it is the prompt's own.
    flat = {name: value for name in Fields.__struct_fields__ if (value := getattr(body, name)) is not None}
    if body.prompt is not None:
        if body.instructions is not None:
            raise InvalidRequest("'prompt' is another name of 'instructions': give one of them.", param="prompt")
        flat["instructions"] = body.prompt
    if body.spec is None:
        return Spec(**flat)
    if flat:
        raise InvalidRequest(
            f"'spec' is the whole content, so {', '.join(sorted(flat))} beside it would be ignored.", param="spec"
        )
    return body.spec


def content_of(body: Flat, note: str | None = None) -> Content:
    """Return what a body carries, compiled once to see that it can be."""
    return content(spec_of(body), note)


def content(spec: Spec, note: str | None = None) -> Content:
    """Return a spec as it is stored. `InvalidRequest` when it cannot be rendered."""
    compiled = Compiled(normalized(spec))
    raw = packed(compiled.spec)
    return Content(raw, hash_of(raw), compiled, note)


def with_text(spec: Spec, text: str, variables: list[str] | None) -> Spec:
    """Return a spec with another text, as Llama Stack's clients change it; their variables are names only."""
    spec = msgspec.structs.replace(spec, instructions=text)
    if variables is None:
        return spec
    known = spec.variables if isinstance(spec.variables, dict) else {}
    declared = {name: known[name] for name in variables if name in known}
    return msgspec.structs.replace(spec, variables=declared or None)
