"""What a caller may ask of llama.cpp: OpenAI's parameters, checked, in llama.cpp's words."""

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from typing import Any

import msgspec

from stackwright.errors import InvalidRequest
from stackwright.ids import mint
from stackwright.kit.decoding import from_decoding, unknown
from stackwright.ports.inference import ModelCall
from stackwright.providers.inference.llama_calls import call_of
from stackwright.providers.inference.llama_parameters import (
    CANNOT,
    HINTS,
    READ,
    Kind,
    Message,
    Options,
    ResponseFormat,
    Tool,
    known,
)
from stackwright.providers.inference.llama_schema import Schema, Schemas

TOO_LONG = "context_length_exceeded"
DEEPEST = 100
MOST_CHOICES = 2048
BYTES_PER_TOKEN = 16
"""More than any text needs, so that only what cannot fit is refused by its size: llama.cpp cannot stop counting."""
PROMPTS = {"messages", "tools"}
"""What is put into one prompt. Each of the prompts in `prompt` is a prompt of its own."""


def request(kind: Kind, call: ModelCall, *, context_length: int, max_tokens: int, cache: bool) -> "Request":
    """Check a call and put it in llama.cpp's words. `InvalidRequest` names the parameter."""
    _refuse(call.params, context_length)
    values = _values(kind, call.params)
    # The caller's own JSON goes on, not our reading of it.
    body: dict[str, Any] = {name: call.params[name] for name in values if name not in READ and name != "logprobs"}
    body["max_tokens"] = values.get("max_completion_tokens", values.get("max_tokens", max_tokens))
    body |= {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
    # A cached prefix was computed in other batches and rounds differently: whoever fixes a seed gets none.
    body["cache_prompt"] = cache and "seed" not in values
    alternatives = _logprobs(kind, values, body)
    _choose_tool(values, body)
    if (kept := values.get("response_format")) and kept.type == "json_schema" and kept.json_schema is None:
        raise InvalidRequest("'response_format' of type json_schema needs 'json_schema'.", param="response_format")
    schemas = Schemas()
    for schema, place in _schemas(values):
        schemas.check(schema, place)
    return Request(
        kind=kind,
        model=call.model,
        bodies=list(_bodies(body, values, _prompts(values, context_length))),
        choices_per_prompt=values.get("n", 1),
        alternatives=alternatives,
        include_usage=values.get("stream_options", Options()).include_usage,
        tools=bool(values.get("tools")) and values.get("tool_choice") != "none",
        held=_needs_call(values),
    )


def _values(kind: Kind, params: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """Return what the parameters say; a null says nothing."""
    types = known(kind)
    _refuse_unknown(params.keys() - CANNOT.keys() - HINTS, types)
    values = {name: _read(name, raw, types[name]) for name, raw in params.items() if name in types}
    values = {name: value for name, value in values.items() if value is not None}
    if (needed := "messages" if kind == "chat" else "prompt") not in values:
        raise InvalidRequest(
            f"Missing required parameter: '{needed}'.", param=needed, code="missing_required_parameter"
        )
    _refuse_unread(values.get("messages", ()))
    return values


def _refuse(params: Mapping[str, msgspec.Raw], context_length: int) -> None:
    for name in PROMPTS & params.keys():
        _check_size(name, len(bytes(params[name])), context_length)
    for name, raw in params.items():
        if _deep(bytes(raw)):
            raise InvalidRequest(f"'{name}' nests more than {DEEPEST} deep.", param=name, code="invalid_value")
    for name in CANNOT.keys() & params.keys():
        if (value := msgspec.json.decode(params[name])) is not None and value not in CANNOT[name]:
            raise InvalidRequest(f"'{name}' is not supported by this model.", param=name, code="unsupported_parameter")


def _refuse_unknown(names: Set[str], known: Collection[str]) -> None:
    for name in sorted(names - set(known)):
        raise unknown(name, known, otherwise="This model knows no parameter of that name.")


def _refuse_unread(messages: Sequence[Message]) -> None:
    for number, message in enumerate(messages):
        parts = message.content if isinstance(message.content, list) else []
        for place, part in enumerate(parts):
            if part.type != "text":
                raise InvalidRequest(
                    f"This model reads text alone, and a part of a message is of type {part.type!r}. "
                    "Leave it out, or ask a model that can read it.",
                    param=f"messages[{number}].content[{place}]",
                    code="unsupported_value",
                )


def _check_size(name: str, size: int, context_length: int) -> None:
    if size > context_length * BYTES_PER_TOKEN:
        raise InvalidRequest(
            f"'{name}' of {size} bytes is longer than the model's {context_length} tokens of context.",
            param=name,
            code=TOO_LONG,
        )


def _read(name: str, raw: msgspec.Raw, type: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=type | None)
    except msgspec.ValidationError as error:
        raise from_decoding(error, type, name) from None


def _deep(json: bytes) -> bool:
    """Whether JSON nests deeper than `DEEPEST`: llama.cpp recurses, and its stack's end is this process's end."""
    if json.count(b"[") + json.count(b"{") <= DEEPEST:
        return False
    depth = 0
    for bracket in re.findall(rb"[][{}]", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", json)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            return True
    return False


def _schemas(values: dict[str, Any]) -> Iterator[tuple[Schema, str]]:
    """Yield every schema of a request, and its place there."""
    for index, tool in enumerate(values.get("tools", ())):
        if tool.function.parameters is not None:
            yield tool.function.parameters, f"tools[{index}].function.parameters"
    kept = values.get("response_format", ResponseFormat("text"))
    if kept.schema is not None:
        yield kept.schema, "response_format.schema"
    if kept.json_schema is not None:
        yield kept.json_schema.schema, "response_format.json_schema.schema"


def _logprobs(kind: Kind, values: dict[str, Any], body: dict[str, Any]) -> int | None:
    """Ask llama.cpp for log probabilities. Returns how many alternatives to a token to tell; None: tell nothing."""
    if kind == "text":
        wanted: int | None = values.get("logprobs")
        # llama.cpp takes 0 for "none at all", OpenAI for "only the chosen one".
        if wanted is not None:
            body["logprobs"] = max(wanted, 1)
        return wanted
    if "top_logprobs" in values and not values.get("logprobs"):
        raise InvalidRequest("'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
    if not values.get("logprobs"):
        return None
    body |= {"logprobs": True, "top_logprobs": max(values.get("top_logprobs", 0), 1)}
    return int(values.get("top_logprobs", 0))


def _choose_tool(values: dict[str, Any], body: dict[str, Any]) -> None:
    """Hold the model to a call if one is asked for: of the named tool, or of any."""
    if not _needs_call(values):
        return
    tools = msgspec.json.decode(body.get("tools", b"[]"))
    if not tools:
        raise InvalidRequest("'tool_choice' asks for a tool, and there are no 'tools'.", param="tool_choice")
    if isinstance(choice := values["tool_choice"], Tool):
        tools = [tool for tool in tools if tool["function"]["name"] == choice.function.name]
    if not tools:
        raise InvalidRequest(f"'tool_choice' names no tool in 'tools': {choice.function.name!r}.", param="tool_choice")
    body |= {"tools": tools, "tool_choice": "auto", "response_format": call_of(tools)}


def _needs_call(values: Mapping[str, Any]) -> bool:
    choice = values.get("tool_choice")
    return choice == "required" or isinstance(choice, Tool)


def _prompts(values: dict[str, Any], context_length: int) -> list[Any]:
    """Return each prompt by itself; one None where there are messages instead."""
    prompt = values.get("prompt")
    prompts = prompt if isinstance(prompt, list) and not isinstance(prompt[0], int) else [prompt]
    if len(prompts) * values.get("n", 1) > MOST_CHOICES:
        raise InvalidRequest(f"'prompt' and 'n' ask for more than {MOST_CHOICES} choices.", param="prompt")
    for one in prompts:
        if isinstance(one, str):
            _check_size("prompt", len(one), context_length)
    return prompts


def _bodies(body: dict[str, Any], values: dict[str, Any], prompts: list[Any]) -> Iterator[bytes]:
    """Yield one llama.cpp request per choice: it counts the tokens of the first one only when it makes several."""
    for one in prompts:
        if one is not None:
            body["prompt"] = one
        for number in range(values.get("n", 1)):
            if "seed" in values:
                # 2**32 - 1 means "random" to llama.cpp.
                body["seed"] = (values["seed"] + number) % (2**32 - 1)
            yield msgspec.json.encode(body)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A checked call: what to run, one after the other, and how to tell the outcome."""

    kind: Kind
    model: str
    bodies: list[bytes]
    choices_per_prompt: int
    alternatives: int | None
    include_usage: bool
    tools: bool
    held: bool
    """Whether what comes is a call, in JSON."""
    id: str = msgspec.field(default_factory=lambda: mint("chatcmpl-"))
    created: int = msgspec.field(default_factory=lambda: int(time.time()))
