"""A request made ready: checked in OpenAI's order, its history read, its model found."""

from contextlib import closing
from typing import Any, NamedTuple

import msgspec

from stackwright.areas.models import Catalog
from stackwright.areas.prompts import Prompts, apply
from stackwright.areas.responses.asking import asked
from stackwright.areas.responses.attachments import Attachments
from stackwright.areas.responses.beginning import Accepted, begun
from stackwright.areas.responses.checking import check, check_input, model_of
from stackwright.areas.responses.memory import Memory
from stackwright.areas.responses.model import ChatModel
from stackwright.areas.responses.offering import Kit
from stackwright.areas.responses.remote import Remote, approved, recall
from stackwright.areas.responses.room import Hold
from stackwright.areas.responses.sealing import Seals
from stackwright.areas.responses.talk import Talk, Talks
from stackwright.areas.responses.toolbox import Toolbox
from stackwright.areas.responses.tooling import Servers
from stackwright.engine.ports import Tools
from stackwright.engine.state import Approved, AskModel, Frame, Turn
from stackwright.errors import InvalidRequest
from stackwright.kit.decoding import from_decoding
from stackwright.kit.tenant import TENANT
from stackwright.wire.given import parse_input
from stackwright.wire.items import Item
from stackwright.wire.responses import PromptRef, Response, ResponseRequest
from stackwright.wire.tools import McpTool

_ENCRYPTED = "reasoning.encrypted_content"


class Ready(NamedTuple):
    """A request that can be run. To be closed when it is over."""

    turn: Turn
    model: ChatModel
    tools: Tools
    talk: Talk
    hold: Hold
    stored: bool
    prompt_hash: str | None = None
    secret: bool = False
    """Whether the request holds what must never be written down, unlike everything else of it."""

    def close(self) -> None:
        """Let go of the request's files."""
        self.hold.close()


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


class _Equipment(NamedTuple):
    """What the model may use."""

    servers: Servers
    unheard: list[str]
    """Servers that must be asked for their tools first."""
    approved: list[Approved]
    """Calls that the caller has just allowed."""
    toolbox: Toolbox


class Intake:
    """Makes requests ready."""

    def __init__(
        self,
        catalog: Catalog,
        prompts: Prompts,
        talks: Talks,
        kit: Kit,
        remote: Remote,
        seals: Seals,
        attachments: Attachments,
    ) -> None:
        self._catalog = catalog
        self._prompts = prompts
        self._talks = talks
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
        later: bool = False,
    ) -> Ready:
        """Return what to run.

        Args:
            tenant: Whose request.
            request: The request.
            raw: Its body as it came, for fields that only the vendor knows.
            accepted: What was settled when the request was taken on before, to be run now.
            memory: What the caller's connection remembers of responses that are not stored.
            later: It is not run now, but made ready once more before that: nothing is fetched for it yet.
        """
        # For what is fetched on the way, far from anybody who knows whose it is.
        TENANT.set(tenant)
        effective = await self._effective(tenant, request, raw)
        request = effective.request
        check(request)
        talk = await self._talks.read(tenant, request, accepted, memory)
        target = self._catalog.resolve(tenant, model_of(request))
        # Looked at first: no server is asked for its tools on behalf of a model that does not chat.
        port = target.chat
        equipment = await self._equipment(request, talk)
        response = begun(effective.shown, effective.echo, talk.conversation, accepted)
        turn = await self._turn(tenant, request, response, equipment)
        items = [*effective.frame, *talk.history, *talk.new]
        hold = self._attachments.hold(patient=accepted is not None)
        try:
            read = await self._attachments.attached(tenant, items, hold, later=later)
            model = asked(port, target, request, raw, read, equipment.toolbox)
        except BaseException:
            hold.close()
            raise
        return Ready(turn, model, equipment.servers, talk, hold, response.store, effective.hash, effective.secret)

    async def count(self, tenant: str, request: ResponseRequest, raw: bytes) -> int:
        """Return how many tokens the model would read first."""
        with closing(await self.ready(tenant, request, raw)) as ready:
            response = ready.turn.frame.response
            counter = self._catalog.resolve(tenant, response.model).counting
            if ready.turn.frame.servers:
                raise InvalidRequest(
                    "The tools of an MCP server are not known before it is asked for them. Leave it out, or count with "
                    "a 'previous_response_id' whose response has its 'mcp_list_tools' item.",
                    param="tools",
                )
            first = AskModel((), response.max_output_tokens, server_tools=True)
            return await counter.count(ready.model.call(first))

    async def _effective(self, tenant: str, request: ResponseRequest, raw: bytes) -> _Effective:
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

    async def _turn(self, tenant: str, request: ResponseRequest, response: Response, equipment: _Equipment) -> Turn:
        seal = await self._seals.sealer(tenant) if _ENCRYPTED in (request.include or ()) else None
        frame = Frame(response=response, seal=seal, servers=equipment.unheard, approved=equipment.approved)
        return Turn(frame=frame, offers=dict(equipment.toolbox.offered.offers))

    async def _equipment(self, request: ResponseRequest, talk: Talk) -> _Equipment:
        tools = request.tools or ()
        offered = self._kit.offered(tools)
        servers = await self._remote.servers(tools, offered)
        unheard = recall(servers, offered, [*talk.history, *talk.new])
        allowed = approved(talk.history, talk.new, offered)
        toolbox = Toolbox(request.tool_choice, offered, parallel=request.parallel_tool_calls)
        return _Equipment(servers, unheard, allowed, toolbox)


def _request(merged: dict[str, Any]) -> ResponseRequest:
    try:
        return msgspec.convert(merged, ResponseRequest)
    except msgspec.ValidationError as error:
        raise from_decoding(error, ResponseRequest) from None


def _has_secrets(request: ResponseRequest) -> bool:
    return any(isinstance(tool, McpTool) and bool(tool.authorization or tool.headers) for tool in request.tools or ())
