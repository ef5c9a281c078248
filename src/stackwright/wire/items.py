"""The items of the Responses and Conversations APIs.

Every item is whole: it has an id, a status where its kind has one, and its content as a list of parts. So it is stored,
answered and given to the engine in one and the same form. `wire.given` makes such items of what a caller wrote.

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

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

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
"""An item as a request holds it: for `wire.given`, which forgives what the union would not."""
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
