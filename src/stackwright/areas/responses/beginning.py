"""A response as it begins: what of the request it shows, and what it never shows."""

import time
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from stackwright import ids
from stackwright.areas.responses.checking import model_of
from stackwright.areas.responses.remote import pathless
from stackwright.wire.items import Item
from stackwright.wire.responses import (
    ConversationRef,
    PlainText,
    PromptCacheOptions,
    PromptRef,
    Reasoning,
    Response,
    ResponseRequest,
    TextConfig,
)
from stackwright.wire.tools import McpTool, Tool


class Accepted(NamedTuple):
    """What of a background response was settled when its request came."""

    id: str
    created_at: int
    new: list[Item]
    """Its own input, as it is stored."""


def begun(
    request: ResponseRequest, prompt: PromptRef | None, conversation: str | None, accepted: Accepted | None
) -> Response:
    """Return the response as it begins.

    Args:
        request: The request as it may be shown, its prompt merged in.
        prompt: What to say of the prompt.
        conversation: The id of its conversation.
        accepted: What was settled when it was taken on before.
    """
    return Response(
        id=accepted.id if accepted else ids.mint("resp_"),
        created_at=accepted.created_at if accepted else int(time.time()),
        status="in_progress",
        background=bool(request.background),
        instructions=request.instructions,
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        model=model_of(request),
        parallel_tool_calls=request.parallel_tool_calls is not False,
        previous_response_id=request.previous_response_id,
        conversation=None if conversation is None else ConversationRef(id=conversation),
        prompt=prompt,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=request.prompt_cache_retention,
        prompt_cache_options=_given(request.prompt_cache_options),
        reasoning=_reasoning(request.reasoning),
        safety_identifier=request.safety_identifier,
        service_tier=request.service_tier,
        store=request.store is not False,
        temperature=request.temperature,
        text=_text(request.text),
        tool_choice=request.tool_choice or "auto",
        tools=[pathless(_shown(tool)) for tool in request.tools or ()],
        top_logprobs=request.top_logprobs,
        top_p=request.top_p,
        truncation=request.truncation or "disabled",
        user=request.user or UNSET,
        metadata=request.metadata or {},
        output=[],
    )


def _given(options: PromptCacheOptions | None) -> PromptCacheOptions | UnsetType:
    """Return options with both of their fields, as answers show them; nothing for none."""
    if options is None:
        return UNSET
    return PromptCacheOptions(ttl=options.ttl or "30m", mode=options.mode or "implicit")


def _reasoning(given: Reasoning | None) -> Reasoning:
    """Return how the model reasons: what of it is `auto` here is nothing."""
    return Reasoning() if given is None else msgspec.structs.replace(given, summary=None, generate_summary=UNSET)


def _text(given: TextConfig | None) -> TextConfig:
    if given is None:
        return TextConfig(format=PlainText())
    return given if given.format is not None else msgspec.structs.replace(given, format=PlainText())


def _shown(tool: Tool) -> Tool:
    """Return a tool without its secrets."""
    if isinstance(tool, McpTool):
        return msgspec.structs.replace(tool, authorization=UNSET, headers=None)
    return tool
