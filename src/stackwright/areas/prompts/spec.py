"""What a version is made of: the fields of a Responses request that a prompt may carry, and its variables."""

import hashlib
from collections.abc import Mapping, Set
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from stackwright.errors import InvalidRequest
from stackwright.kit.decoding import from_decoding, unknown
from stackwright.kit.patterns import whole
from stackwright.wire.items import MessagePart
from stackwright.wire.metadata import Metadata
from stackwright.wire.responses import ResponseRequest

VariableType = Literal["string", "integer", "number", "boolean", "enum", "json", "image", "file"]
Role = Literal["user", "assistant", "system", "developer"]

_encode = msgspec.json.Encoder(order="sorted").encode


class Declaration(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a variable takes."""

    type: VariableType = "string"
    required: bool = True
    default: Any = UNSET
    enum: list[str | int | float | bool] | None = None
    min: float | None = None
    max: float | None = None
    max_length: Annotated[int, Meta(ge=0)] | None = None
    pattern: Annotated[str, Meta(max_length=1000)] | None = None
    """A regular expression that the text must match somewhere; anchor it with ^ and $ to match all of it."""
    description: str | None = None
    example: Any = UNSET
    sensitive: bool = False


class TemplateMessage(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A message that stands between the instructions and the history."""

    role: Role
    content: str | list[dict[str, Any]]
    type: Literal["message"] | UnsetType = UNSET


VariableName = Annotated[str, Meta(pattern=whole("[A-Za-z_][A-Za-z0-9_]*"), max_length=64)]


class Fields(Struct, kw_only=True):
    """What a version's content has in common with a body that carries one."""

    instructions: str | None = None
    messages: list[TemplateMessage] | None = None
    model: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    variables: dict[VariableName, Declaration] | list[VariableName] | None = None


class Spec(Fields, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a version carries into a request. A field left out, or null, leaves the request as it is."""

    metadata: Metadata | None = None


_PARTS: Mapping[str, Set[str]] = {
    str(one.__struct_config__.tag): {"type", *one.__struct_fields__} for one in get_args(MessagePart)
}
SETTINGS = (
    "model",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "temperature",
    "top_p",
    "max_output_tokens",
    "metadata",
)
"""The fields that go into a request as they are called."""

_decode = msgspec.json.Decoder(Spec).decode


def normalized(spec: Spec) -> Spec:
    """Return the spec as it is stored: variables by name, and none when empty. `InvalidRequest` when it is none."""
    if isinstance(spec.variables, list):
        spec = msgspec.structs.replace(spec, variables={name: Declaration() for name in spec.variables})
    if spec.variables is not None and not spec.variables:
        spec = msgspec.structs.replace(spec, variables=None)
    if not spec.instructions and not spec.messages:
        raise InvalidRequest(
            "A prompt needs text: give 'instructions' (or 'prompt'), or 'messages'.",
            param="instructions",
            code="missing_required_parameter",
        )
    for place, message in enumerate(spec.messages or ()):
        _check_message(message, f"messages[{place}]")
    _check_settings(spec)
    return spec


def _check_message(message: TemplateMessage, param: str) -> None:
    """Refuse a part with a field that nothing reads: a template was written here, unlike what input repeats."""
    for place, part in enumerate(message.content if isinstance(message.content, list) else ()):
        known = _PARTS.get(str(part.get("type")), part.keys())
        for name in sorted(part.keys() - known):
            raise unknown(name, known, f"{param}.content[{place}]")


def _check_settings(spec: Spec) -> None:
    """Refuse what `/v1/responses` would refuse, by its own type."""
    check_request({name: value for name in SETTINGS if (value := getattr(spec, name)) is not None})


def check_request(request: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` for what could not be sent to `/v1/responses`."""
    try:
        msgspec.convert(request, ResponseRequest)
    except msgspec.ValidationError as error:
        raise from_decoding(error, ResponseRequest) from None


def packed(spec: Spec) -> bytes:
    """Return the one spelling of a spec as JSON: the same content gives the same bytes."""
    return _encode(spec)


def unpacked(raw: bytes) -> Spec:
    """Read what `packed` wrote."""
    return _decode(raw)


def hash_of(raw: bytes) -> str:
    """Return what identifies a packed spec's content."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def declared(spec: Spec) -> dict[str, Declaration]:
    """Return the declarations of a normalized spec."""
    return spec.variables if isinstance(spec.variables, dict) else {}


def text_of(spec: Spec) -> str:
    """Return the prompt in one text, as Llama Stack's clients know it: the instructions, else the first message."""
    if spec.instructions is not None:
        return spec.instructions
    content = spec.messages[0].content if spec.messages else ""
    return content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in content)
