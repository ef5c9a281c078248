"""Calls that a model is held to.

llama.cpp holds a model to a call in the formats that it knows, and lets it answer in words in all others. So where a
`tool_choice` asks for a call, the model is held to a schema of those that may be made, and its JSON is told as a call.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stackwright.ids import mint
from stackwright.providers.inference.llama_schema import NAMED, PLAIN, Schema

_BY_NAME = (*NAMED, "$defs", "definitions")
_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)')
_END = " \t\r\n}"
"""What the arguments end with, or what follows them."""


def call_of(tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the `response_format` whose JSON is a call of one of the tools."""
    functions = [tool["function"] for tool in tools]
    arguments = {str(number): _arguments(function, number) for number, function in enumerate(functions)}
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": function["name"]}, "arguments": {"$ref": f"#/$defs/{number}"}},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for number, function in enumerate(functions)
    ]
    schema = {"anyOf": calls, "$defs": arguments}
    return {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}


def _arguments(function: Mapping[str, Any], number: int) -> Schema:
    moved: Schema = _moved(function.get("parameters") or {}, f"#/$defs/{number}")
    return {"type": "object", **moved}


def _moved(part: Any, to: str) -> Any:
    """Return a schema whose references lead to where it is now."""
    if isinstance(part, list):
        return [_moved(one, to) for one in part]
    if not isinstance(part, dict):
        return part
    moved = {name: _within(name, one, to) for name, one in part.items()}
    if isinstance(reference := part.get("$ref"), str) and reference.startswith("#"):
        moved["$ref"] = to + reference[1:]
    return moved


def _within(keyword: str, part: Any, to: str) -> Any:
    # A property may be called as a keyword is.
    if keyword in _BY_NAME and isinstance(part, dict):
        return {name: _moved(one, to) for name, one in part.items()}
    return part if keyword in PLAIN else _moved(part, to)


class HeldCall:
    """Turns the JSON of a call into OpenAI's deltas of it, as it comes."""

    def __init__(self) -> None:
        self._text = ""
        self._named = False

    def deltas(self, text: str, finish_reason: str | None) -> list[dict[str, Any]]:
        """Return what some more text adds. What was cut before its arguments began adds nothing."""
        self._text += text
        if self._named:
            arguments = self._taken(finish_reason)
            return [{"index": 0, "function": {"arguments": arguments}}] if arguments else []
        head = _HEAD.match(self._text)
        if head is None:
            return []
        self._named, self._text = True, self._text[head.end() :]
        function = {"name": msgspec.json.decode(head[1]), "arguments": self._taken(finish_reason)}
        return [{"index": 0, "id": mint("call_"), "type": "function", "function": function}]

    def _taken(self, finish_reason: str | None) -> str:
        """Take what is sure to be of the arguments: the last brace is not."""
        sure = len(self._text.rstrip(_END))
        taken, self._text = self._text[:sure], self._text[sure:]
        if finish_reason == "stop":
            taken += self._text.rstrip()[:-1].rstrip()
        elif finish_reason is not None:
            taken += self._text
        return taken
