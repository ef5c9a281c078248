"""The Chat Completions API."""

from stackwright.areas.chat.service import ChatService
from stackwright.areas.chat.store import CompletionStore
from stackwright.areas.chat.types import (
    Completion,
    CompletionDeleted,
    CompletionList,
    ListQuery,
    MessageList,
    MessagesQuery,
    NewMetadata,
)
from stackwright.http.call import Call, Json, Stream
from stackwright.http.operation import Api
from stackwright.wire.answers import ChatCompletion
from stackwright.wire.chat import ChatRequest

api = Api("Chat")


@api.post("/v1/chat/completions", body=ChatRequest, answer=ChatCompletion, streams=True)
async def create_chat_completion(call: Call[ChatRequest], chat: ChatService) -> Json | Stream:
    """Create a chat completion. Kept with `store: true`; streamed with `stream: true`."""
    return await chat.create(call.tenant, call.body, call.raw)


@api.get("/v1/chat/completions", query=ListQuery, answer=CompletionList)
async def list_chat_completions(call: Call[ListQuery], store: CompletionStore) -> CompletionList:
    """List stored completions."""
    return await store.page(call.tenant, call.query)


@api.get("/v1/chat/completions/{completion_id}", answer=ChatCompletion)
async def retrieve_chat_completion(call: Call[None], store: CompletionStore) -> Completion:
    """Retrieve a stored completion."""
    return await store.get(call.tenant, call.path["completion_id"])


@api.get("/v1/chat/completions/{completion_id}/messages", query=MessagesQuery, answer=MessageList)
async def list_chat_completion_messages(call: Call[MessagesQuery], store: CompletionStore) -> MessageList:
    """List the messages that a stored completion answers."""
    return await store.messages(call.tenant, call.path["completion_id"], call.query)


@api.post("/v1/chat/completions/{completion_id}", body=NewMetadata, answer=ChatCompletion)
async def update_chat_completion(call: Call[NewMetadata], store: CompletionStore) -> Completion:
    """Replace a stored completion's metadata."""
    return await store.update_metadata(call.tenant, call.path["completion_id"], call.body.metadata or {})


@api.delete("/v1/chat/completions/{completion_id}", answer=CompletionDeleted)
async def delete_chat_completion(call: Call[None], store: CompletionStore) -> CompletionDeleted:
    """Delete a stored completion."""
    return await store.delete(call.tenant, call.path["completion_id"])
