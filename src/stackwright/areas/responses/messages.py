"""Items as chat messages: what a model that speaks chat completions is shown of a conversation."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from stackwright.areas.responses.offering import APPLY_PATCH, LOCAL_SHELL, SEPARATOR, SHELL, mcp_name
from stackwright.errors import InvalidRequest
from stackwright.wire.content import InputFile, InputImage, InputPart, InputText, OutputText, Refusal
from stackwright.wire.items import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    Item,
    LocalShellCall,
    LocalShellCallOutput,
    MCPApprovalRequest,
    MCPApprovalResponse,
    MCPCall,
    Message,
    Reasoning,
    ShellCall,
    ShellCallOutput,
)

THOUGHTS = "reasoning_content"
"""The field in which chat vendors have what the model thought before it said something."""
ChatMessage = dict[str, Any]

_ROLES = {"developer": "system"}
"""Chat vendors know `system`, many do not know `developer`."""
_SILENT = frozenset({"mcp_list_tools", "mcp_approval_response"})


def messages_of(items: Iterable[Item]) -> list[ChatMessage]:
    """Return the messages that items are.

    Raises:
        InvalidRequest: A call has no output, an output no call, or an item is of a kind that cannot be shown.
    """
    said = _Said()
    for item in items:
        said.add(item)
    said.check()
    return said.messages


def shortened(messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
    """Return messages without the older half of the talk. Systems' words stay, the last question too, and an output
    never stands without its call. The same messages when nothing can be left out."""
    talk = [place for place, message in enumerate(messages) if message["role"] != "system"]
    start = (len(talk) + 1) // 2
    while start < len(talk) and messages[talk[start]]["role"] != "user":
        start += 1
    if start >= len(talk):
        users = [at for at, place in enumerate(talk) if messages[place]["role"] == "user"]
        start = users[-1] if users else 0
    dropped = set(talk[:start])
    return [message for place, message in enumerate(messages) if place not in dropped]


def unthought(messages: Sequence[ChatMessage], *, before: int | None = None) -> list[ChatMessage]:
    """Return messages without what the model thought, in those before a place or in all."""
    return [
        {name: value for name, value in message.items() if name != THOUGHTS}
        if before is None or place < before
        else message
        for place, message in enumerate(messages)
    ]


def last_turn(messages: Sequence[ChatMessage]) -> int:
    """Return the place of the user's latest message."""
    return max((place for place, message in enumerate(messages) if message["role"] == "user"), default=0)


class _Said:
    """Messages so far, and the calls that wait for their outputs."""

    def __init__(self) -> None:
        self.messages: list[ChatMessage] = []
        self._called: set[str] = set()
        self._waiting: dict[str, None] = {}
        self._asked: dict[str, MCPApprovalRequest] = {}
        self._thoughts: list[str] = []

    def add(self, item: Item) -> None:
        match item:
            case Message():
                self._say(_message(item))
            case Reasoning():
                self._thoughts += [part.text for part in item.content or item.summary]
            case FunctionCall():
                self._call(item.call_id, _named(item.namespace, item.name), item.arguments)
            case FunctionCallOutput() | CustomToolCallOutput():
                self._output(item.call_id, _output(item.output))
            case CustomToolCall():
                self._call(item.call_id, _named(item.namespace, item.name), _json({"input": item.input}))
            case LocalShellCall():
                self._call(item.call_id, LOCAL_SHELL, _json(item.action))
            case ShellCall():
                self._call(item.call_id, SHELL, _json(item.action))
            case ApplyPatchCall():
                self._call(item.call_id, APPLY_PATCH, _json({"operation": item.operation}))
            case LocalShellCallOutput():
                self._output(item.call_id, item.output)
            case ShellCallOutput():
                self._output(item.call_id, _json(item.output))
            case ApplyPatchCallOutput():
                self._output(item.call_id, item.output or item.status)
            case MCPCall():
                self._called_and_told(item, item.output or (_json(item.error) if item.error else ""))
            case MCPApprovalRequest():
                self._asked[item.id] = item
            case MCPApprovalResponse(approve=False) if request := self._asked.get(item.approval_request_id):
                self._called_and_told(request, _refused(item))
            case _:
                self._skip(item)

    def check(self) -> None:
        """Raise `InvalidRequest` when a call has no output: models do not bear that."""
        for call_id in self._waiting:
            raise InvalidRequest(f"No tool output found for function call {call_id}.", param="input")

    def _say(self, message: ChatMessage) -> None:
        if self._thoughts and message["role"] == "assistant":
            message[THOUGHTS] = "\n".join(self._thoughts)
        # What was thought before somebody else spoke led to nothing.
        self._thoughts = []
        self.messages.append(message)

    def _call(self, call_id: str, name: str, arguments: str) -> None:
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        last = self.messages[-1] if self.messages else None
        if last is None or last["role"] != "assistant" or self._thoughts:
            last = {"role": "assistant", "content": None}
            self._say(last)
        last.setdefault("tool_calls", []).append(call)
        self._called.add(call_id)
        self._waiting[call_id] = None

    def _called_and_told(self, call: MCPCall | MCPApprovalRequest, output: str) -> None:
        self._call(call.id, mcp_name(call.server_label, call.name), call.arguments or "{}")
        self._output(call.id, output)

    def _output(self, call_id: str, content: Any) -> None:
        if call_id not in self._called:
            raise InvalidRequest(f"No tool call found for function call output with call_id {call_id}.", param="input")
        self._waiting.pop(call_id, None)
        self._say({"role": "tool", "tool_call_id": call_id, "content": content})

    def _skip(self, item: Item) -> None:
        kind = str(item.__struct_config__.tag)
        if kind not in _SILENT:
            raise InvalidRequest(
                f"Items of type '{kind}' cannot be shown to models here. Leave them out.",
                param="input",
                code="unsupported_item",
            )


def _message(message: Message) -> ChatMessage:
    role = _ROLES.get(message.role, message.role)
    parts = message.content
    if len(parts) == 1 and isinstance(parts[0], InputText | OutputText):
        return {"role": role, "content": parts[0].text}
    if role == "assistant":
        return {"role": role, "content": message.text}
    return {"role": role, "content": [_part(part) for part in parts]}


def _part(part: InputPart | OutputText | Refusal) -> dict[str, Any]:
    match part:
        case InputText() | OutputText():
            return {"type": "text", "text": part.text}
        case Refusal():
            return {"type": "text", "text": part.refusal}
        case InputImage():
            return _image(part)
        case InputFile():
            return _file(part)


def _image(image: InputImage) -> dict[str, Any]:
    # What had an id has been put in by `attachments`.
    assert image.image_url is not None
    # `original` is the Responses API's own word; chat's for the same is `high`.
    detail = "high" if image.detail == "original" else image.detail
    return {"type": "image_url", "image_url": {"url": image.image_url, "detail": detail}}


def _file(file: InputFile) -> dict[str, Any]:
    # What had an id or a URL has been put in by `attachments`.
    assert file.file_data is not None
    return {"type": "file", "file": {"filename": file.filename or "file", "file_data": file.file_data}}


def _refused(decision: MCPApprovalResponse) -> str:
    return f"The user refused this call. {decision.reason or ''}".rstrip()


def _output(output: str | list[InputPart]) -> Any:
    return output if isinstance(output, str) else [_part(part) for part in output]


def _named(group: str | None, name: str) -> str:
    return f"{group}{SEPARATOR}{name}" if group else name


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
