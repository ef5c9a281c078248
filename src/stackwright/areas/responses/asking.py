"""A request in the words of chat completions."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Raw

from stackwright.areas.models import Target, passed_on
from stackwright.areas.responses.messages import ChatMessage, last_turn, messages_of, unthought
from stackwright.areas.responses.model import ChatModel
from stackwright.areas.responses.toolbox import Toolbox
from stackwright.errors import InvalidRequest
from stackwright.kit.chats import CHATS
from stackwright.kit.decoding import unknown
from stackwright.ports.inference import TextPort
from stackwright.wire.items import Item
from stackwright.wire.responses import JsonObject, JsonSchema, ResponseRequest, TextConfig

_KNOWN = frozenset(ResponseRequest.__struct_fields__) - {"prompt_cache_options"}
_PASSED_ON = (
    "temperature",
    "top_p",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "user",
)
"""Fields that chat completions know under the same name."""
_LOGPROBS = "message.output_text.logprobs"


def asked(
    port: TextPort, target: Target, request: ResponseRequest, raw: bytes, items: Sequence[Item], toolbox: Toolbox
) -> ChatModel:
    """Return the model that a request is for, with what it is asked.

    Args:
        port: The vendor.
        target: What it calls the model, and what that hears.
        request: The request, its prompt merged in.
        raw: Its body as it came, for fields that only the vendor knows.
        items: What was said, the request's own input last.
        toolbox: What the model is offered.
    """
    return ChatModel(
        port,
        target.name,
        _messages(request, items),
        {**_extras(raw), **_params(request)},
        toolbox,
        stream=bool(request.stream),
        logprobs=_wants_logprobs(request),
        truncates=request.truncation == "auto",
        hears_reasoning=target.inference.hears_reasoning,
    )


def _messages(request: ResponseRequest, items: Sequence[Item]) -> list[ChatMessage]:
    before = [{"role": "system", "content": request.instructions}] if request.instructions else []
    messages = [*before, *messages_of(items)]
    if not messages:
        raise InvalidRequest("There is nothing to answer: 'input' and the history are empty.", param="input")
    if request.reasoning is not None and request.reasoning.context == "current_turn":
        return unthought(messages, before=last_turn(messages))
    return messages


def _extras(raw: bytes) -> dict[str, Raw]:
    """Return the fields that the vendor alone acts on: they go there as they came."""
    extras = passed_on(raw, _KNOWN)
    for name in sorted(extras.keys() & CHATS.keys()):
        raise unknown(name, _KNOWN)
    return extras


def _params(request: ResponseRequest) -> dict[str, Any]:
    """Return the fields of a chat request, without what is the same for every round of the turn."""
    params: dict[str, Any] = {name: value for name in _PASSED_ON if (value := getattr(request, name)) is not None}
    if request.reasoning and request.reasoning.effort is not None:
        params["reasoning_effort"] = request.reasoning.effort
    if request.text is not None:
        params |= _text_params(request.text)
    if _wants_logprobs(request):
        params["logprobs"] = True
        params["top_logprobs"] = request.top_logprobs or 0
    return params


def _text_params(text: TextConfig) -> dict[str, Any]:
    params: dict[str, Any] = {} if text.verbosity is None else {"verbosity": text.verbosity}
    match text.format:
        case JsonObject():
            params["response_format"] = {"type": "json_object"}
        case JsonSchema() as given:
            schema: dict[str, Any] = {"name": given.name, "schema": given.schema}
            if given.description is not UNSET:
                schema["description"] = given.description
            if given.strict is not None:
                schema["strict"] = given.strict
            params["response_format"] = {"type": "json_schema", "json_schema": schema}
        case _:
            pass
    return params


def _wants_logprobs(request: ResponseRequest) -> bool:
    return bool(request.top_logprobs) or _LOGPROBS in (request.include or ())
