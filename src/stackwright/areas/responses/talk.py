"""What was said before a response, and what its request adds."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from stackwright.areas.conversations import Conversations
from stackwright.areas.responses.beginning import Accepted
from stackwright.areas.responses.checking import check_unstored, conversation_of, not_found
from stackwright.areas.responses.memory import Memory
from stackwright.areas.responses.sealing import Seals
from stackwright.areas.responses.store import ResponseStore
from stackwright.errors import InvalidRequest, NotFound
from stackwright.wire.given import parse_input
from stackwright.wire.items import Item, ItemReference, decode, decode_many
from stackwright.wire.responses import ResponseRequest


class Talk(NamedTuple):
    """What was said, and where it goes on."""

    conversation: str | None
    history: Sequence[Item]
    """What was said before."""
    new: list[Item]
    """A request's own input: what it adds to the history."""


class Talks:
    """Finds what was said: by a previous response, in a conversation, on the caller's connection."""

    def __init__(self, store: ResponseStore, conversations: Conversations, seals: Seals) -> None:
        self._store = store
        self._conversations = conversations
        self._seals = seals

    async def read(
        self, tenant: str, request: ResponseRequest, accepted: Accepted | None, memory: Memory | None
    ) -> Talk:
        """Return the talk that a request goes on with.

        Raises:
            InvalidRequest: The request, or what it names, is none that can be gone on with.
        """
        conversation = conversation_of(request)
        history = await self._history(tenant, request, conversation, memory)
        new = accepted.new if accepted else await self._input(tenant, request.input)
        return Talk(conversation, history, new)

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
