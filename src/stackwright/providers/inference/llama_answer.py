"""What llama.cpp says, and the chunks and objects a caller gets for it."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from stackwright.errors import InvalidRequest, StackwrightError, Unavailable, UpstreamError
from stackwright.ports.inference import Chunk, Usage
from stackwright.providers.inference.llama_calls import HeldCall
from stackwright.providers.inference.llama_parameters import Kind
from stackwright.providers.inference.llama_request import TOO_LONG, Request


class _Logprobs(msgspec.Struct):
    content: list[dict[str, Any]] = []


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] = []


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    text: str = ""
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None


class _Cached(msgspec.Struct):
    cached_tokens: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Cached = msgspec.field(default_factory=_Cached)


class _Error(msgspec.Struct):
    message: str
    type: str = ""
    code: int = 500
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class _Progress(msgspec.Struct):
    total: int


class _Event(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _Error | None = None
    prompt_progress: msgspec.Raw = msgspec.Raw()


class Piece(msgspec.Struct, frozen=True):
    """What llama.cpp said of one choice at one moment."""

    index: int
    text: str = ""
    thought: str = ""
    tool_calls: list[dict[str, Any]] = []
    logprobs: list[dict[str, Any]] = []
    finish_reason: str | None = None
    usage: _Usage | None = None

    @property
    def says_something(self) -> bool:
        return bool(self.text or self.thought or self.tool_calls or self.logprobs or self.finish_reason)


_EVENT: msgspec.json.Decoder[_Event | None] = msgspec.json.Decoder(_Event | None)
_PROGRESS = msgspec.json.Decoder(_Progress)


def read(event: str, index: int, kind: Kind) -> Piece | None:
    """Return what an event adds to choice `index`, or None when it only reports progress. An error event raises."""
    said = _EVENT.decode(event)
    if said is None or said.prompt_progress:
        return None
    if said.error is not None:
        raise _failure(said.error, kind)
    choice = said.choices[0] if said.choices else _Choice()
    piece = Piece(
        index=index,
        text=choice.delta.content or choice.text,
        thought=choice.delta.reasoning_content or "",
        tool_calls=choice.delta.tool_calls,
        logprobs=choice.logprobs.content if choice.logprobs else [],
        finish_reason=choice.finish_reason,
        usage=said.usage,
    )
    return piece if piece.says_something or piece.usage else None


def as_call(piece: Piece, call: HeldCall) -> Piece:
    """Return a piece whose text is part of a call."""
    return msgspec.structs.replace(
        piece,
        text="",
        logprobs=[],
        tool_calls=[*piece.tool_calls, *call.deltas(piece.text, piece.finish_reason)],
        finish_reason="tool_calls" if piece.finish_reason == "stop" else piece.finish_reason,
    )


def counted(event: str) -> int | None:
    """Return how many tokens the prompt has, as soon as an event says it. An error event raises, unless it is that
    they are too many."""
    said = _EVENT.decode(event)
    if said is None:
        return None
    if said.error is not None:
        if said.error.n_prompt_tokens is None:
            raise _failure(said.error, "chat")
        return said.error.n_prompt_tokens
    if not said.prompt_progress:
        return None
    return _PROGRESS.decode(said.prompt_progress).total


def _failure(error: _Error, kind: Kind) -> StackwrightError:
    if error.type == "exceed_context_size_error":
        return InvalidRequest(
            f"The prompt has {error.n_prompt_tokens} tokens, more than the {error.n_ctx} of this model's context. "
            "Shorten it, or ask a model with a longer one.",
            param="messages" if kind == "chat" else "prompt",
            code=TOO_LONG,
        )
    if 400 <= error.code < 500:
        return invalid(error.message)
    if error.code == 503:
        return Unavailable(f"The local model cannot answer now: {error.message}")
    return UpstreamError(f"llama.cpp failed: {error.message}")


def invalid(message: str) -> InvalidRequest:
    """Return llama.cpp's complaint about a request, without the marks of its JSON library."""
    words = re.sub(r"\[json\.exception\.\S+\] ", "", message)
    return InvalidRequest(f"llama.cpp refuses this request: {words}")


class Telling:
    """Turns the pieces of one request into OpenAI's chunks, or into one whole object."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._chat = request.kind == "chat"
        self._begun: set[int] = set()
        self._offsets: dict[int, int] = {}
        self._usages: list[_Usage] = []

    def chunks(self, pieces: Iterable[Piece]) -> list[Chunk]:
        """Return the chunks that tell `pieces`; the one with the usage comes after the last choice."""
        told = []
        for piece in pieces:
            if piece.says_something:
                choice = self._delta(piece) if self._chat else self._text(piece)
                told.append(self._chunk([choice], finished=piece.finish_reason is not None))
            if piece.usage is not None:
                self._usages.append(piece.usage)
        if self._request.include_usage and len(self._usages) == len(self._request.bodies):
            told.append(self._chunk([], finished=False, usage=self._usage()))
        return told

    def whole(self, pieces: Iterable[Piece]) -> bytes:
        """Return the completion object that `pieces` add up to."""
        sums: dict[int, Piece] = {}
        for piece in pieces:
            sums[piece.index] = _sum(sums[piece.index], piece) if piece.index in sums else piece
        self._usages = [piece.usage for piece in sums.values() if piece.usage]
        choices = [self._message(piece) if self._chat else self._text(piece) for piece in sums.values()]
        body = self._object("chat.completion" if self._chat else "text_completion")
        return msgspec.json.encode(body | {"choices": choices, "usage": self._usage()})

    def _delta(self, piece: Piece) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if piece.index not in self._begun:
            self._begun.add(piece.index)
            delta = {"role": "assistant", "content": "", "refusal": None}
        if piece.text:
            delta["content"] = piece.text
        if piece.thought:
            delta["reasoning_content"] = piece.thought
        if piece.tool_calls:
            delta["tool_calls"] = piece.tool_calls
        return self._choice(piece, "delta", delta)

    def _message(self, piece: Piece) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": piece.text, "refusal": None}
        if piece.thought:
            message["reasoning_content"] = piece.thought
        if piece.tool_calls:
            message |= {"content": piece.text or None, "tool_calls": _whole_calls(piece.tool_calls)}
        return self._choice(piece, "message", message)

    def _choice(self, piece: Piece, name: str, said: dict[str, Any]) -> dict[str, Any]:
        logprobs = None
        if (most := self._request.alternatives) is not None and piece.logprobs:
            logprobs = {"content": [_token(entry, most) for entry in piece.logprobs], "refusal": None}
        return {"index": piece.index, name: said, "logprobs": logprobs, "finish_reason": piece.finish_reason}

    def _text(self, piece: Piece) -> dict[str, Any]:
        logprobs = None
        if (most := self._request.alternatives) is not None and piece.logprobs:
            logprobs = _legacy_logprobs(piece.logprobs, most, self._offsets.get(piece.index, 0))
        self._offsets[piece.index] = self._offsets.get(piece.index, 0) + len(piece.text)
        told = {"index": piece.index, "text": piece.text, "logprobs": logprobs}
        return told | {"finish_reason": piece.finish_reason}

    def _chunk(self, choices: list[Any], *, finished: bool, usage: dict[str, Any] | None = None) -> Chunk:
        body = self._object("chat.completion.chunk" if self._chat else "text_completion") | {"choices": choices}
        if self._request.include_usage:
            body["usage"] = usage
        spent = msgspec.convert(usage, Usage) if usage else None
        return Chunk(data=msgspec.json.encode(body), finished=finished, usage=spent)

    def _object(self, kind: str) -> dict[str, Any]:
        request = self._request
        return {"id": request.id, "object": kind, "created": request.created, "model": request.model}

    def _usage(self) -> dict[str, Any]:
        """Return the tokens spent: a prompt counts once, however many choices it got."""
        prompts = self._usages[:: self._request.choices_per_prompt]
        prompt = sum(usage.prompt_tokens for usage in prompts)
        completion = sum(usage.completion_tokens for usage in self._usages)
        cached = sum(usage.prompt_tokens_details.cached_tokens for usage in prompts)
        predicted = {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": cached, "cache_write_tokens": 0},
            "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": 0} | predicted,
        }


def _sum(before: Piece, piece: Piece) -> Piece:
    return Piece(
        index=piece.index,
        text=before.text + piece.text,
        thought=before.thought + piece.thought,
        tool_calls=before.tool_calls + piece.tool_calls,
        logprobs=before.logprobs + piece.logprobs,
        finish_reason=piece.finish_reason or before.finish_reason,
        usage=piece.usage or before.usage,
    )


def _whole_calls(deltas: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    calls: dict[int, dict[str, Any]] = {}
    for delta in deltas:
        said = delta.get("function", {})
        call = calls.setdefault(
            delta["index"], {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] += delta.get("id") or ""
        call["function"]["name"] += said.get("name") or ""
        call["function"]["arguments"] += said.get("arguments") or ""
    return [calls[index] for index in sorted(calls)]


def _token(entry: dict[str, Any], most: int) -> dict[str, Any]:
    told = {name: entry[name] for name in ("token", "logprob", "bytes")}
    if "top_logprobs" in entry:
        told["top_logprobs"] = [_token(other, 0) for other in entry["top_logprobs"][:most]]
    return told


def _legacy_logprobs(entries: list[dict[str, Any]], most: int, offset: int) -> dict[str, Any]:
    told: dict[str, Any] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for entry in entries:
        told["tokens"].append(entry["token"])
        told["token_logprobs"].append(entry["logprob"])
        told["top_logprobs"].append({top["token"]: top["logprob"] for top in entry["top_logprobs"][:most]})
        told["text_offset"].append(offset)
        offset += len(entry["token"])
    return told
