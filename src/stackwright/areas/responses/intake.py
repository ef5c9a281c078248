"""A request made ready: checked in OpenAI's order, its history read, its model found."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from stackwright.areas.conversations import Conversations
from stackwright.areas.models import Catalog
from stackwright.areas.prompts import Prompts, apply
from stackwright.areas.responses.asking import asked
from stackwright.areas.responses.attachments import Attachments
from stackwright.areas.responses.beginning import Accepted, begun
from stackwright.areas.responses.checking import (
    check,
    check_input,
    check_unstored,
    conversation_of,
    model_of,
    not_found,
)
from stackwright.areas.responses.memory import Memory
from stackwright.areas.responses.model import ChatModel
from stackwright.areas.responses.offering import Kit
from stackwright.areas.responses.remote import Remote, approved, recall
from stackwright.areas.responses.sealing import Seals
from stackwright.areas.responses.store import ResponseStore
from stackwright.areas.responses.toolbox import Toolbox
from stackwright.engine.ports import Tools
from stackwright.engine.state import AskModel, Frame, Turn
from stackwright.errors import InvalidRequest, NotFound
from stackwright.kit.decoding import from_decoding
from stackwright.wire.items import Item, ItemReference, decode, decode_many, parse_input
from stackwright.wire.responses import PromptRef, ResponseRequest
from stackwright.wire.tools import McpTool

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
        attachments: Attachments,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._conversations = conversations
        self._prompts = prompts
        self._kit = kit
        self._remote = remote
        self._seals = seals
        self._attachments = attachments

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
        check(request)
        conversation = conversation_of(request)
        history = await self._history(tenant, request, conversation, memory)
        new = accepted.new if accepted else await self._input(tenant, request.input)
        target = self._catalog.resolve(tenant, model_of(request))
        port = target.chat
        offered = self._kit.offered(request.tools or ())
        tools = await self._remote.servers(request.tools or (), offered)
        unheard = recall(tools, offered, [*history, *new])
        allowed = approved(history, new, offered)
        toolbox = Toolbox(request.tool_choice, offered, parallel=request.parallel_tool_calls)
        response = begun(effective.shown, effective.echo, conversation, accepted)
        read = await self._attachments.attached(tenant, [*effective.frame, *history, *new])
        model = asked(port, target, request, raw, read, toolbox)
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
            model_of(request)
            check_input(request)
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
                check_unstored(request)
                return remembered
            return await self._chain(tenant, request.previous_response_id)
        if conversation is None:
            return []
        try:
            return await self._conversations.history(tenant, conversation)
        except NotFound:
            raise not_found("Conversation", conversation, "conversation", None, 404) from None

    async def _chain(self, tenant: str, previous: str) -> list[Item]:
        links = await self._store.items.chain(tenant, previous)
        missing = links[0].previous_id if links else previous
        if missing is not None:
            raise not_found("Previous response", missing, "previous_response_id", "previous_response_not_found", 400)
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
                    raise not_found("Item", item.id, f"input[{place}].id", None, 404)
                items[place] = decode(found)
        return items


def _request(merged: dict[str, Any]) -> ResponseRequest:
    try:
        return msgspec.convert(merged, ResponseRequest)
    except msgspec.ValidationError as error:
        raise from_decoding(error) from None


def _has_secrets(request: ResponseRequest) -> bool:
    return any(isinstance(tool, McpTool) and bool(tool.authorization or tool.headers) for tool in request.tools or ())
