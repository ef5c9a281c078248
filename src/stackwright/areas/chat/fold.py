"""Folding the chunks of a stream into the completion they spell."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from stackwright.errors import UpstreamError


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None
    # Vendors' own, and not always text: then it is not ours to join.
    reasoning: Any = None
    reasoning_content: Any = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None


class _ChunkChoice(Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _StreamChunk(Struct):
    created: int = 0
    model: str = ""
    choices: list[_ChunkChoice] = []
    usage: dict[str, Any] | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


_TEXTS = ("content", "refusal", "reasoning", "reasoning_content")


class _Spelled:
    """One choice, as far as its deltas have spelled it."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.tool_calls: dict[int, dict[str, Any]] = {}
        self.function_call: dict[str, Any] | None = None
        self.logprobs: dict[str, list[Any] | None] | None = None
        self.finish_reason: str | None = None

    def add(self, choice: _ChunkChoice) -> None:
        self.finish_reason = choice.finish_reason or self.finish_reason
        if choice.logprobs:
            self._add_logprobs(choice.logprobs)
        delta = choice.delta
        if delta is None:
            return
        for name in _TEXTS:
            text = getattr(delta, name)
            if isinstance(text, str):
                self.texts.setdefault(name, []).append(text)
        for part in delta.tool_calls or ():
            self._add_tool_call(part)
        if delta.function_call:
            self.function_call = _join(self.function_call or {"name": "", "arguments": ""}, delta.function_call)

    def _add_logprobs(self, more: dict[str, Any]) -> None:
        known = self.logprobs = self.logprobs or {"content": None, "refusal": None}
        for name in known:
            if isinstance(more.get(name), list):
                known[name] = [*(known[name] or ()), *more[name]]

    def _add_tool_call(self, part: dict[str, Any]) -> None:
        index = part.get("index", 0)
        call = self.tool_calls.setdefault(
            index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = part.get("id") or call["id"]
        call["type"] = part.get("type") or call["type"]
        call["function"] = _join(call["function"], part.get("function") or {})

    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        message.update((name, "".join(parts)) for name, parts in self.texts.items())
        if self.tool_calls:
            message["tool_calls"] = [self.tool_calls[index] for index in sorted(self.tool_calls)]
        if self.function_call:
            message["function_call"] = self.function_call
        return message


def _join(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Append each string of `part` to that of `whole`; a name is given once, arguments come in pieces."""
    return {
        "name": whole["name"] or part.get("name") or "",
        "arguments": whole["arguments"] + (part.get("arguments") or ""),
    }


class Fold:
    """Folds the chunks of one stream into the completion they spell.

    Chunks are decoded some at a time: one call for many is cheaper, and holding them all would cost memory.
    """

    _decode = msgspec.json.Decoder(list[_StreamChunk]).decode
    _BATCH = 64

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._first: _StreamChunk | None = None
        self._usage: dict[str, Any] | None = None
        self._choices: dict[int, _Spelled] = {}

    def feed(self, chunks: Sequence[bytes]) -> None:
        """Take the JSON of some chunks. They must have been checked to be JSON objects."""
        self._waiting.extend(chunks)
        if len(self._waiting) >= self._BATCH:
            self._digest()

    def _digest(self) -> None:
        try:
            chunks = self._decode(b"[" + b",".join(self._waiting) + b"]")
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamError(f"The provider's stream cannot be put together: {error}") from None
        self._waiting.clear()
        for chunk in chunks:
            self._first = self._first or chunk
            self._usage = chunk.usage or self._usage
            for choice in chunk.choices:
                self._choices.setdefault(choice.index, _Spelled()).add(choice)

    def completion(self, id: str) -> dict[str, Any]:
        """Return the completion so far, under our id; a choice that did not finish has a null `finish_reason`."""
        self._digest()
        first = self._first or _StreamChunk()
        body: dict[str, Any] = {
            "id": id,
            "object": "chat.completion",
            "created": first.created,
            "model": first.model,
            "choices": [self._choice(index) for index in sorted(self._choices)],
        }
        optional = (
            ("service_tier", first.service_tier),
            ("system_fingerprint", first.system_fingerprint),
            ("usage", self._usage),
        )
        return body | {name: value for name, value in optional if value is not None}

    def _choice(self, index: int) -> dict[str, Any]:
        spelled = self._choices[index]
        return {
            "index": index,
            "message": spelled.message(),
            "logprobs": spelled.logprobs,
            "finish_reason": spelled.finish_reason,
        }
