"""The items of the Responses and Conversations APIs.

`parse_input` turns what a caller sent into items. Every item it returns is whole: it has an id (the caller's, else one
minted in the style of its kind), a status where its kind has one, and its content as a list of parts, also where the
caller wrote a string. So an item is stored, answered and given to the engine in one and the same form:

    items = parse_input(body.input)               # str | list[dict]; InvalidRequest with `param` "input[3].content[0]"
    raw = encode(item)                            # JSON bytes, the stored and the answered form
    item = decode(raw)                            # back
    items = decode_many([raw, raw])               # one call, cheaper than many

    match item:
        case Message(role="user", content=parts): ...
        case FunctionCall(call_id=call_id, name=name, arguments=arguments): ...

New items are made by naming the fields; id and status come by themselves:

    Message(role="assistant", content=[OutputText(text="Hello")], status="in_progress")
    FunctionCall(call_id="call_1", name="weather", arguments='{"city":"Paris"}')

A field whose default is None is absent from the JSON while it is None, except where OpenAI requires a null.
`hide` takes out what a caller sees only when `include` names it.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal, NoReturn, get_args

import msgspec

from stackwright.errors import InvalidRequest
from stackwright.kit.decoding import from_decoding
from stackwright.wire.client_tools import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    LocalShellCall,
    LocalShellCallOutput,
    ShellCall,
    ShellCallOutput,
)
from stackwright.wire.content import (
    InputFile,
    InputImage,
    InputPart,
    InputText,
    MessagePart,
    OutputText,
    ReasoningText,
    Refusal,
    SummaryText,
    shown,
)
from stackwright.wire.item import ItemKind, Status, minted
from stackwright.wire.server_tools import (
    AdditionalTools,
    CodeInterpreterCall,
    ComputerCall,
    ComputerCallOutput,
    FileSearchCall,
    ImageGenerationCall,
    MCPApprovalRequest,
    MCPApprovalResponse,
    MCPCall,
    MCPListTools,
    Program,
    ProgramOutput,
    ToolSearchCall,
    ToolSearchOutput,
    WebSearchCall,
)

__all__ = [
    "AdditionalTools",
    "ApplyPatchCall",
    "ApplyPatchCallOutput",
    "CodeInterpreterCall",
    "Compaction",
    "ComputerCall",
    "ComputerCallOutput",
    "CustomToolCall",
    "CustomToolCallOutput",
    "FileSearchCall",
    "FunctionCall",
    "FunctionCallOutput",
    "ImageGenerationCall",
    "InputFile",
    "InputImage",
    "InputItem",
    "InputPart",
    "InputText",
    "Item",
    "ItemReference",
    "LocalShellCall",
    "LocalShellCallOutput",
    "MCPApprovalRequest",
    "MCPApprovalResponse",
    "MCPCall",
    "MCPListTools",
    "Message",
    "MessagePart",
    "OutputItem",
    "OutputText",
    "Program",
    "ProgramOutput",
    "Reasoning",
    "ReasoningText",
    "Refusal",
    "Role",
    "ShellCall",
    "ShellCallOutput",
    "Status",
    "SummaryText",
    "ToolSearchCall",
    "ToolSearchOutput",
    "WebSearchCall",
    "decode",
    "decode_many",
    "encode",
    "parse_input",
]

Role = Literal["user", "assistant", "system", "developer"]


class Message(ItemKind, kw_only=True, tag="message"):
    """Something said, by anybody."""

    id: str = minted("msg_")
    role: Role
    content: list[MessagePart]
    status: Status = shown("completed")
    phase: Literal["commentary", "final_answer"] | None = None

    @property
    def text(self) -> str:
        """All of its text, refusals too."""
        return "".join(
            part.refusal if isinstance(part, Refusal) else part.text
            for part in self.content
            if isinstance(part, InputText | OutputText | Refusal)
        )


class Reasoning(ItemKind, kw_only=True, tag="reasoning"):
    """What a model thought before it spoke."""

    id: str = minted("rs_")
    summary: list[SummaryText] = shown([])
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class Compaction(ItemKind, kw_only=True, tag="compaction"):
    """What is left of the items before it."""

    id: str = minted("cmp_")
    encrypted_content: str


class ItemReference(ItemKind, kw_only=True, tag="item_reference"):
    """Another item, by its id. Never stored: whoever takes input puts the item in its place."""

    id: str


Item = (
    Message
    | FunctionCall
    | FunctionCallOutput
    | Reasoning
    | ItemReference
    | CustomToolCall
    | CustomToolCallOutput
    | LocalShellCall
    | LocalShellCallOutput
    | ShellCall
    | ShellCallOutput
    | ApplyPatchCall
    | ApplyPatchCallOutput
    | MCPListTools
    | MCPCall
    | MCPApprovalRequest
    | MCPApprovalResponse
    | FileSearchCall
    | WebSearchCall
    | CodeInterpreterCall
    | ImageGenerationCall
    | ComputerCall
    | ComputerCallOutput
    | ToolSearchCall
    | ToolSearchOutput
    | AdditionalTools
    | Program
    | ProgramOutput
    | Compaction
)

InputItem = dict[str, Any]
"""An item as a request holds it: for `parse_input`, which forgives what the union would not."""
OutputItem = Item

encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)
_decode_many = msgspec.json.Decoder(list[Item])


def decode(raw: bytes) -> Item:
    """Return the item that `encode` wrote."""
    return _decode.decode(raw)


def decode_many(raws: Sequence[bytes]) -> list[Item]:
    """Return the items that `encode` wrote."""
    return _decode_many.decode(b"[" + b",".join(raws) + b"]")


def parse_input(given: str | Sequence[dict[str, Any]], *, param: str = "input") -> list[Item]:
    """Return the items of a caller's input. A string is a message from the user.

    Raises:
        InvalidRequest: Something is not an item; the error's `param` leads there, beginning with the one given here.
    """
    if isinstance(given, str):
        return [Message(role="user", content=[InputText(text=given)])]
    try:
        # A decoder knows its types; `msgspec.convert` would work them out anew, which takes fifty times as long.
        return _decode_many.decode(encode([_spelled_out(one) for one in given]))
    except msgspec.ValidationError as error:
        _refuse(error, param)


def _spelled_out(given: dict[str, Any]) -> dict[str, Any]:
    """Return an item with its type, without nulls (they mean absent), and with parts for a string."""
    item = {name: value for name, value in given.items() if value is not None}
    if "type" not in item:
        item["type"] = "message" if "role" in item else "item_reference"
    content = item.get("content")
    if isinstance(content, str) and item["type"] == "message":
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        item["content"] = [{"type": kind, "text": content}]
    return item


_UNKNOWN = re.compile(r"^Invalid value '(?P<got>.*)' - at `\$(?P<path>\[\d+\].*)\.type`$", re.DOTALL)


def _refuse(error: msgspec.ValidationError, param: str) -> NoReturn:
    found = _UNKNOWN.match(str(error))
    known = _types_at(found["path"]) if found else ()
    if not (found and known):
        raise from_decoding(error, param) from None
    supported = ", ".join(f"'{one}'" for one in known[:-1]) + f" and '{known[-1]}'"
    raise InvalidRequest(
        f"Invalid value: '{found['got']}'. Supported values are: {supported}.",
        param=param + found["path"],
        code="invalid_value",
    ) from None


def _types_at(path: str) -> Sequence[str]:
    """Return the values that `type` may have at a place such as `[0].content[1]`."""
    for pattern, union in _UNIONS:
        if pattern.fullmatch(path):
            return [one.__struct_config__.tag for one in get_args(union)]
    return ()


_UNIONS = (
    (re.compile(r"\[\d+\]"), Item),
    (re.compile(r"\[\d+\]\.content\[\d+\]"), MessagePart),
    (re.compile(r"\[\d+\]\.output\[\d+\]"), InputPart),
)
