"""Counting the tokens of a prompt without running it, in the words of the vendors that can."""

from collections.abc import Iterator
from typing import Any

import msgspec

from stackwright.errors import UpstreamError
from stackwright.ports.inference import ModelCall
from stackwright.providers.inference.config import CountStyle
from stackwright.providers.inference.reading import excerpt
from stackwright.providers.inference.vendor import Vendor

_PATHS = {
    "responses": "/responses/input_tokens",
    "chat": "/chat/completions/input_tokens",
    "tokenize": "/tokenize",
}
_PROMPT = ("messages", "tools", "chat_template_kwargs")
"""What vLLM makes a prompt of."""


class _Counted(msgspec.Struct):
    input_tokens: int | None = None
    count: int | None = None


class Counter:
    """A vendor's counter."""

    def __init__(self, vendor: Vendor, style: CountStyle) -> None:
        self._vendor = vendor
        self._style = style

    async def count(self, call: ModelCall) -> int:
        """Return the vendor's count."""
        vendor, beside = self._vendor, self._style == "tokenize"
        connection = await vendor.send(_PATHS[self._style], self._body(call), beside=beside)
        body = await vendor.body(connection, vendor.config.max_response_bytes)
        try:
            said = msgspec.json.decode(body, type=_Counted)
        except (msgspec.DecodeError, UnicodeDecodeError):
            said = _Counted()
        counted = said.count if beside else said.input_tokens
        if counted is None:
            vendor.refusals.raise_named(UpstreamError(f"The vendor did not say a count, but {excerpt(body)}"))
        return counted

    def _body(self, call: ModelCall) -> bytes:
        params: dict[str, Any] = {"model": call.model}
        match self._style:
            case "chat":
                params |= call.params
            case "tokenize":
                params |= {name: call.params[name] for name in _PROMPT if name in call.params}
            case "responses":
                params |= _as_response({name: msgspec.json.decode(value) for name, value in call.params.items()})
        return msgspec.json.encode(params)


def _as_response(chat: dict[str, Any]) -> dict[str, Any]:
    """Return a chat request as one for a response, as far as it makes the prompt."""
    request: dict[str, Any] = {"input": [item for message in chat["messages"] for item in _items(message)]}
    if "tools" in chat:
        request["tools"] = [{"type": "function", **tool["function"]} for tool in chat["tools"]]
    match chat.get("tool_choice"):
        case {"function": {"name": name}}:
            request["tool_choice"] = {"type": "function", "name": name}
        case str() as mode:
            request["tool_choice"] = mode
    if "parallel_tool_calls" in chat:
        request["parallel_tool_calls"] = chat["parallel_tool_calls"]
    if "reasoning_effort" in chat:
        request["reasoning"] = {"effort": chat["reasoning_effort"]}
    wanted = chat.get("response_format")
    if wanted is not None:
        request["text"] = {"format": {"type": wanted["type"], **wanted.get("json_schema", {})}}
    return request


def _items(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    role, content = message["role"], message.get("content")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": _output(content)}
        return
    if content:
        text = "output_text" if role == "assistant" else "input_text"
        parts = [{"type": text, "text": content}] if isinstance(content, str) else [_part(part) for part in content]
        yield {"type": "message", "role": role, "content": parts}
    for call in message.get("tool_calls", ()):
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _output(content: Any) -> Any:
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "image_url", "image_url": {"url": url, **more}}:
            return {"type": "input_image", "image_url": url, "detail": more.get("detail", "auto")}
        case {"type": "file", "file": {"filename": name, "file_data": data}}:
            return {"type": "input_file", "filename": name, "file_data": data}
        case _:
            return {"type": "input_text", "text": part["text"]}
