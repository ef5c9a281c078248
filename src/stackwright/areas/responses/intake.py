"""A request made ready: checked in OpenAI's order, its history read, its model found."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from stackwright import ids
from stackwright.areas.conversations import Conversations
from stackwright.areas.models import Catalog, fields
from stackwright.areas.prompts import Prompts, apply
from stackwright.areas.responses.memory import Memory
from stackwright.areas.responses.messages import ChatMessage, last_turn, messages_of, unthought
from stackwright.areas.responses.model import ChatModel
from stackwright.areas.responses.offering import Kit
from stackwright.areas.responses.remote import Remote, approved, pathless, recall
from stackwright.areas.responses.sealing import Seals
from stackwright.areas.responses.store import ResponseStore
from stackwright.areas.responses.toolbox import Toolbox
from stackwright.engine.ports import Tools
from stackwright.engine.state import AskModel, Frame, Turn
from stackwright.errors import InvalidRequest, NotFound
from stackwright.kit.decoding import from_decoding
from stackwright.wire.items import Item, ItemReference, decode, decode_many, parse_input
from stackwright.wire.responses import (
    ConversationRef,
    JsonObject,
    JsonSchema,
    PlainText,
    PromptCacheOptions,
    PromptRef,
    Reasoning,
    Response,
    ResponseRequest,
    TextConfig,
)
from stackwright.wire.tools import McpTool, Tool

_KNOWN = frozenset(ResponseRequest.__struct_fields__)
_PASSED_ON = (
    "temperature",
    "top_p",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "user",
)
"""Fields that chat completions know under the same name."""
_NOBODYS = ("moderation", "context_management", "background_options", "image", "access_programs")
"""What OpenAI does with its own models and machines."""
_LOGPROBS = "message.output_text.logprobs"
_ENCRYPTED = "reasoning.encrypted_content"


class Ready(NamedTuple):
    """A request that can be run."""

    turn: Turn
    model: ChatModel
    tools: Tools
    new: list[Item]
    """Its own input: what it adds to the history."""
    history: Sequence[Item]
    """What was said before."""
    stored: bool
    conversation: str | None
    prompt_hash: str | None = None
    secret: bool = False
    """Whether the request holds what must never be written down, unlike everything else of it."""


class Accepted(NamedTuple):
    """What of a background response was settled when its request came."""

    id: str
    created_at: int
    new: list[Item]
    """Its own input, as it is stored."""


class _Effective(NamedTuple):
    """A request after its prompt was merged in."""

    request: ResponseRequest
    shown: ResponseRequest
    """Without what the prompt's declaration calls sensitive."""
    frame: list[Item]
    """The prompt's own messages: before the history, and no part of it."""
    echo: PromptRef | None
    hash: str | None
    secret: bool


class Intake:
    """Makes requests ready."""

    def __init__(
        self,
        catalog: Catalog,
        store: ResponseStore,
        conversations: Conversations,
        prompts: Prompts,
        kit: Kit,
        remote: Remote,
        seals: Seals,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._conversations = conversations
        self._prompts = prompts
        self._kit = kit
        self._remote = remote
        self._seals = seals

    async def ready(
        self,
        tenant: str,
        request: ResponseRequest,
        raw: bytes,
        *,
        accepted: Accepted | None = None,
        memory: Memory | None = None,
    ) -> Ready:
        """Return what to run.

        Args:
            tenant: Whose request.
            request: The request.
            raw: Its body as it came, for fields that only the vendor knows.
            accepted: What was settled when the request was taken on before, to be run now.
            memory: What the caller's connection remembers of responses that are not stored.
        """
        effective = await self._effective(tenant, request, raw)
        request = effective.request
        _refuse_what_nobody_does(request)
        conversation = _conversation(request)
        history = await self._history(tenant, request, conversation, memory)
        new = accepted.new if accepted else await self._input(tenant, request.input)
        target = self._catalog.resolve(tenant, _model(request))
        port = target.chat
        offered = self._kit.offered(request.tools or ())
        tools = await self._remote.servers(request.tools or (), offered)
        unheard = recall(tools, offered, [*history, *new])
        allowed = approved(history, new, offered)
        toolbox = Toolbox(request.tool_choice, offered, parallel=request.parallel_tool_calls)
        response = _response(effective, conversation, accepted)
        model = ChatModel(
            port,
            target.name,
            _messages(request, [*effective.frame, *history, *new]),
            {**_extras(raw), **_params(request)},
            toolbox,
            stream=bool(request.stream),
            logprobs=bool(request.top_logprobs) or _LOGPROBS in (request.include or ()),
            truncates=request.truncation == "auto",
            hears_reasoning=target.inference.hears_reasoning,
        )
        seal = await self._seals.sealer(tenant) if _ENCRYPTED in (request.include or ()) else None
        frame = Frame(response=response, seal=seal, servers=unheard, approved=allowed)
        turn = Turn(frame=frame, offers=dict(offered.offers))
        return Ready(turn, model, tools, new, history, response.store, conversation, effective.hash, effective.secret)

    async def count(self, tenant: str, request: ResponseRequest, raw: bytes) -> int:
        """Return how many tokens the model would read first."""
        ready = await self.ready(tenant, request, raw)
        response = ready.turn.frame.response
        counter = self._catalog.resolve(tenant, response.model).counting
        if ready.turn.frame.servers:
            raise InvalidRequest(
                "The tools of an MCP server are not known before it is asked for them. Leave it out, or count with a "
                "'previous_response_id' whose response has its 'mcp_list_tools' item.",
                param="tools",
            )
        first = AskModel((), response.max_output_tokens, server_tools=True)
        return await counter.count(ready.model.call(first))

    async def _effective(self, tenant: str, request: ResponseRequest, raw: bytes) -> "_Effective":
        if request.prompt is None:
            _model(request)
            _refuse_nothing(request)
            return _Effective(request, request, [], None, None, _has_secrets(request))
        resolved = await self._prompts.resolve(tenant, request.prompt)
        sent = msgspec.json.decode(raw)
        del sent["prompt"]
        merged = apply(resolved, request.prompt.variables, sent)
        effective = _request(merged.fields)
        shown = effective if merged.shown is merged.fields else _request(merged.shown)
        echo = PromptRef(**merged.prompt)
        secret = shown is not effective or _has_secrets(request)
        return _Effective(effective, shown, parse_input(merged.messages), echo, resolved.hash, secret)

    async def _history(
        self, tenant: str, request: ResponseRequest, conversation: str | None, memory: Memory | None
    ) -> Sequence[Item]:
        if request.previous_response_id is not None:
            remembered = memory.find(request.previous_response_id) if memory else None
            if remembered is not None:
                _refuse_gap(request)
                return remembered
            return await self._chain(tenant, request.previous_response_id)
        if conversation is None:
            return []
        try:
            return await self._conversations.history(tenant, conversation)
        except NotFound:
            raise _not_found("Conversation", conversation, "conversation", None, 404) from None

    async def _chain(self, tenant: str, previous: str) -> list[Item]:
        links = await self._store.items.chain(tenant, previous)
        missing = links[0].previous_id if links else previous
        if missing is not None:
            raise _not_found("Previous response", missing, "previous_response_id", "previous_response_not_found", 400)
        if links[-1].status in ("queued", "in_progress"):
            raise InvalidRequest(
                f"Previous response with id '{previous}' is still being made.",
                param="previous_response_id",
                code="previous_response_in_progress",
            )
        return decode_many([link.body for link in links if link.body is not None])

    async def _input(self, tenant: str, given: str | Sequence[dict[str, Any]] | None) -> list[Item]:
        items = [] if given is None else parse_input(given)
        for place, item in enumerate(items):
            await self._seals.open(tenant, item, f"input[{place}]")
            if isinstance(item, ItemReference):
                found = await self._store.items.find(tenant, item.id)
                if found is None:
                    raise _not_found("Item", item.id, f"input[{place}].id", None, 404)
                items[place] = decode(found)
        return items


def _refuse_what_nobody_does(request: ResponseRequest) -> None:
    for name in _NOBODYS:
        if getattr(request, name):
            raise InvalidRequest(
                f"Unsupported parameter: '{name}' is not supported here.", param=name, code="unsupported_parameter"
            )
    if request.stream_options is not None and not request.stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if request.reasoning is not None:
        _refuse_reasoning(request.reasoning)
    if request.background and request.store is False:
        raise InvalidRequest("Background responses must be stored: leave 'store' out.", param="store")


def _refuse_reasoning(wanted: Reasoning) -> None:
    for name in ("summary", "generate_summary"):
        if getattr(wanted, name) in ("concise", "detailed"):
            raise InvalidRequest(
                "Nobody here writes summaries of what a model thought. Leave it out, or ask for 'auto', which is the "
                "best there is: none. What a model shows of its reasoning is in the 'content' of its reasoning item.",
                param=f"reasoning.{name}",
                code="unsupported_value",
            )
    if wanted.mode not in (UNSET, None, "standard"):
        raise InvalidRequest(
            f"Unsupported value: '{wanted.mode}'. Models here reason in 'standard' mode.",
            param="reasoning.mode",
            code="unsupported_value",
        )


def _refuse_nothing(request: ResponseRequest) -> None:
    sources = [request.input, request.previous_response_id, request.conversation]
    if all(source is None for source in sources):
        raise InvalidRequest(
            "One of 'input', 'previous_response_id', 'prompt' or 'conversation' must be provided.",
            param="input",
            code="missing_required_parameter",
        )


def _refuse_gap(request: ResponseRequest) -> None:
    if request.store is not False:
        raise InvalidRequest(
            f"Previous response with id '{request.previous_response_id}' is not stored, so a response that continues "
            "it cannot be either: send 'store: false'.",
            param="store",
        )


def _conversation(request: ResponseRequest) -> str | None:
    given = request.conversation
    if given is not None and request.previous_response_id is not None:
        raise InvalidRequest(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. A conversation has its own "
            "history.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )
    return given.id if isinstance(given, ConversationRef) else given


def _not_found(what: str, id: str, param: str, code: str | None, status: int) -> InvalidRequest:
    error = InvalidRequest(f"{what} with id '{id}' not found.", param=param, code=code)
    error.status = status
    return error


def _request(merged: dict[str, Any]) -> ResponseRequest:
    try:
        return msgspec.convert(merged, ResponseRequest)
    except msgspec.ValidationError as error:
        raise from_decoding(error) from None


def _model(request: ResponseRequest) -> str:
    if request.model is None:
        raise InvalidRequest("Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
    return request.model


def _response(effective: _Effective, conversation: str | None, accepted: Accepted | None) -> Response:
    """Return the response as it begins."""
    request = effective.shown
    return Response(
        id=accepted.id if accepted else ids.mint("resp_"),
        created_at=accepted.created_at if accepted else int(time.time()),
        status="in_progress",
        background=bool(request.background),
        instructions=request.instructions,
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        model=_model(request),
        parallel_tool_calls=request.parallel_tool_calls is not False,
        previous_response_id=request.previous_response_id,
        conversation=None if conversation is None else ConversationRef(id=conversation),
        prompt=effective.echo,
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


def _has_secrets(request: ResponseRequest) -> bool:
    return any(isinstance(tool, McpTool) and bool(tool.authorization or tool.headers) for tool in request.tools or ())


def _messages(request: ResponseRequest, items: Sequence[Item]) -> list[ChatMessage]:
    before = [{"role": "system", "content": request.instructions}] if request.instructions else []
    messages = [*before, *messages_of(items)]
    if not messages:
        raise InvalidRequest("There is nothing to answer: 'input' and the history are empty.", param="input")
    if request.reasoning is not None and request.reasoning.context == "current_turn":
        return unthought(messages, before=last_turn(messages))
    return messages


def _extras(raw: bytes) -> dict[str, Raw]:
    """Return the fields that we do not know: they go to the vendor as they came."""
    return {name: value for name, value in fields(raw).items() if name not in _KNOWN}


def _params(request: ResponseRequest) -> dict[str, Any]:
    """Return the fields of a chat request, without what is the same for every round of the turn."""
    params: dict[str, Any] = {name: value for name in _PASSED_ON if (value := getattr(request, name)) is not None}
    if request.reasoning and request.reasoning.effort is not None:
        params["reasoning_effort"] = request.reasoning.effort
    if request.text is not None:
        params |= _text_params(request.text)
    if _LOGPROBS in (request.include or ()) or request.top_logprobs:
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
