"""The Conversations API. Listing conversations is ours; the rest is OpenAI's."""

from stackwright.areas.conversations.service import Conversations
from stackwright.areas.conversations.types import (
    Conversation,
    ConversationDeleted,
    ConversationItemList,
    ConversationList,
    ItemQuery,
    ItemsQuery,
    NewConversation,
    NewItems,
    NewMetadata,
)
from stackwright.http.call import Call, Json
from stackwright.http.operation import Api
from stackwright.kit.page import PageQuery
from stackwright.wire.items import Item

api = Api("Conversations")


@api.post("/v1/conversations", body=NewConversation, answer=Conversation)
async def create_conversation(call: Call[NewConversation], conversations: Conversations) -> Conversation:
    """Create a conversation, with up to 20 items."""
    return await conversations.create(call.tenant, call.body)


@api.get("/v1/conversations", query=PageQuery, answer=ConversationList)
async def list_conversations(call: Call[PageQuery], conversations: Conversations) -> ConversationList:
    """List conversations. Not in OpenAI's API."""
    return await conversations.page(call.tenant, call.query)


@api.get("/v1/conversations/{conversation_id}", answer=Conversation)
async def retrieve_conversation(call: Call[None], conversations: Conversations) -> Conversation:
    """Retrieve a conversation, without its items."""
    return await conversations.get(call.tenant, call.path["conversation_id"])


@api.post("/v1/conversations/{conversation_id}", body=NewMetadata, answer=Conversation)
async def update_conversation(call: Call[NewMetadata], conversations: Conversations) -> Conversation:
    """Replace a conversation's metadata."""
    return await conversations.update(call.tenant, call.path["conversation_id"], call.body.metadata or {})


@api.delete("/v1/conversations/{conversation_id}", answer=ConversationDeleted)
async def delete_conversation(call: Call[None], conversations: Conversations) -> ConversationDeleted:
    """Delete a conversation and its items."""
    return await conversations.delete(call.tenant, call.path["conversation_id"])


@api.post("/v1/conversations/{conversation_id}/items", body=NewItems, answer=ConversationItemList)
async def create_conversation_items(call: Call[NewItems], conversations: Conversations) -> Json:
    """Add up to 20 items at the end of a conversation: all of them, or none."""
    return await conversations.append(call.tenant, call.path["conversation_id"], call.body)


@api.get("/v1/conversations/{conversation_id}/items", query=ItemsQuery, answer=ConversationItemList)
async def list_conversation_items(call: Call[ItemsQuery], conversations: Conversations) -> Json:
    """List the items of a conversation, newest first unless asked otherwise."""
    return await conversations.items(call.tenant, call.path["conversation_id"], call.query)


@api.get("/v1/conversations/{conversation_id}/items/{item_id}", query=ItemQuery, answer=Item)
async def retrieve_conversation_item(call: Call[ItemQuery], conversations: Conversations) -> Json:
    """Retrieve an item of a conversation."""
    return await conversations.item(call.tenant, call.path["conversation_id"], call.path["item_id"], call.query.include)


@api.delete("/v1/conversations/{conversation_id}/items/{item_id}", answer=Conversation)
async def delete_conversation_item(call: Call[None], conversations: Conversations) -> Conversation:
    """Delete an item of a conversation, which is answered without it."""
    return await conversations.delete_item(call.tenant, call.path["conversation_id"], call.path["item_id"])
