"""Make OpenAI objects of what vendors send who speak the API with an accent.

The slow path: most answers never come here. Only what the schema requires is added or corrected; fields of the
vendor's own stay as they are.
"""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from stackwright.errors import UpstreamError
from stackwright.ids import mint

Object = dict[str, Any]

FINISHES = {"stop", "length", "tool_calls", "content_filter", "function_call"}
SYNONYMS = {
    "max_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "safety": "content_filter",
    "recitation": "content_filter",
    "content_filtered": "content_filter",
}
BROKEN_OFF = {"error", "abort", "insufficient_system_resource", "network_error"}
"""Reasons by which vendors say that they did not finish."""


def complaint(body: Any) -> str | None:
    """Return the message of an object that is an error and no answer."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if isinstance(error, dict):
        error = error.get("message") or error
    if not error and "choices" not in body and "data" not in body:
        error = body.get("message") or body.get("detail")
    if error and not isinstance(error, str):
        try:
            error = msgspec.json.encode(error).decode()
        except RecursionError:
            error = "an error that nests too deep to be told"
    return error or None


def chat(body: Object, model: str) -> Object:
    """Repair a chat completion."""
    _head(body, "chat.completion", "chatcmpl-", model)
    for choice in _choices(body):
        message = choice.setdefault("message", {})
        _message(message)
        choice.setdefault("logprobs", None)
        _logprobs(choice)
        called = "tool_calls" if message.get("tool_calls") else "stop"
        choice["finish_reason"] = _finish(choice.get("finish_reason")) or called
    return body


def chat_chunk(body: Object, model: str) -> Object:
    """Repair a chunk of a chat completion."""
    _head(body, "chat.completion.chunk", "chatcmpl-", model)
    for choice in _choices(body):
        delta = choice["delta"] = choice.get("delta") or {}
        _drop_nulls(delta, "role", "tool_calls", "function_call")
        _text(delta)
        for index, call in enumerate(delta.get("tool_calls", ())):
            _call_delta(call, index)
        _logprobs(choice)
        choice["finish_reason"] = _finish(choice.get("finish_reason"))
    return body


def text(body: Object, model: str) -> Object:
    """Repair a text completion."""
    text_chunk(body, model)
    for choice in body["choices"]:
        choice["finish_reason"] = choice["finish_reason"] or "stop"
    return body


def text_chunk(body: Object, model: str) -> Object:
    """Repair a chunk of a text completion."""
    _head(body, "text_completion", "cmpl-", model)
    for choice in _choices(body):
        if not isinstance(choice.get("text"), str):
            choice["text"] = ""
        choice.setdefault("logprobs", None)
        choice["finish_reason"] = _finish(choice.get("finish_reason"))
    return body


def embeddings(body: Object, model: str) -> Object:
    """Repair an embeddings answer."""
    body["object"] = "list"
    _string(body, "model", model)
    for index, item in enumerate(body.get("data", ())):
        item.setdefault("index", index)
        item["object"] = "embedding"
    usage = _counts(body.get("usage"), "prompt_tokens", "total_tokens")
    usage["total_tokens"] = usage["total_tokens"] or usage["prompt_tokens"]
    body["usage"] = usage
    return body


def moderation(body: Object, model: str) -> Object:
    """Repair a moderation: the input types arrived later than the rest."""
    _string(body, "id", mint("modr-"))
    _string(body, "model", model)
    for result in body.get("results", ()):
        result.setdefault("category_applied_input_types", {name: ["text"] for name in result.get("categories", ())})
    return body


def attempt(repair: Callable[[Object, str], Object], body: Any, model: str) -> Object:
    """Run a repair; `UpstreamError` when the vendor's object is beyond it."""
    if not isinstance(body, dict):
        raise UpstreamError("The vendor's answer is JSON, but no object.")
    try:
        return repair(body, model)
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise UpstreamError("The vendor's answer is not an OpenAI object: its parts have the wrong types.") from error


def _head(body: Object, object: str, prefix: str, model: str) -> None:
    if not isinstance(body.get("id"), str):
        body["id"] = mint(prefix)
    body["object"] = object
    created = body.get("created")
    body["created"] = int(created if isinstance(created, int | float) else time.time())
    _string(body, "model", model)
    _drop_nulls(body, "system_fingerprint")
    if body.get("service_tier") not in (None, "auto", "default", "flex", "scale", "priority", "fast"):
        del body["service_tier"]
    if isinstance(body.get("usage"), dict):
        _tokens(body["usage"])
    elif object == "chat.completion" or object == "text_completion":
        body.pop("usage", None)


def _choices(body: Object) -> list[Object]:
    choices: list[Object] = body.get("choices") or []
    for index, choice in enumerate(choices):
        if not isinstance(choice.get("index"), int):
            choice["index"] = index
    body["choices"] = choices
    return choices


def _message(message: Object) -> None:
    message["role"] = "assistant"
    message.setdefault("content", None)
    message.setdefault("refusal", None)
    _drop_nulls(message, "tool_calls", "function_call", "annotations")
    _text(message)
    for call in message.get("tool_calls", ()):
        _call(call)


def _text(message: Object) -> None:
    """Join the text of content that came in parts; the rest of the parts has no place in the schema."""
    if isinstance(message.get("content"), list):
        message["content"] = "".join(part.get("text", "") for part in message["content"] if part.get("type") == "text")


def _call(call: Object) -> None:
    if not isinstance(call.get("id"), str) or not call["id"]:
        call["id"] = mint("call_")
    if call.get("type") != "custom":
        call["type"] = "function"
        call["function"]["arguments"] = _json(call["function"].get("arguments"))


def _call_delta(call: Object, index: int) -> None:
    _drop_nulls(call, "index", "id", "type", "function")
    call.setdefault("index", index)
    if function := call.get("function"):
        _drop_nulls(function, "name", "arguments")
        if "arguments" in function:
            function["arguments"] = _json(function["arguments"])


def _json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()


def _logprobs(choice: Object) -> None:
    if isinstance(choice.get("logprobs"), dict):
        choice["logprobs"].setdefault("content", None)
        choice["logprobs"].setdefault("refusal", None)


def _finish(reason: Any) -> str | None:
    if not reason:
        return None
    word = str(reason).lower()
    if word in BROKEN_OFF:
        raise UpstreamError(f"The vendor broke the answer off: finish_reason {word!r}.")
    return word if word in FINISHES else SYNONYMS.get(word, "stop")


def _tokens(usage: Object) -> None:
    counts = _counts(usage, "prompt_tokens", "completion_tokens", "total_tokens")
    counts["total_tokens"] = counts["total_tokens"] or counts["prompt_tokens"] + counts["completion_tokens"]
    usage.update(counts)
    _drop_nulls(usage, "prompt_tokens_details", "completion_tokens_details")


def _counts(usage: Any, *names: str) -> Object:
    said: Object = usage if isinstance(usage, dict) else {}
    return said | {name: int(said.get(name) or 0) for name in names}


def _string(body: Object, name: str, value: str) -> None:
    if not isinstance(body.get(name), str) or not body[name]:
        body[name] = value


def _drop_nulls(body: Object, *names: str) -> None:
    for name in names:
        if name in body and body[name] is None:
            del body[name]
