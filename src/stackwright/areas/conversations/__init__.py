"""Conversations: items in the order in which they came, kept until they are deleted.

Another area reads and extends a conversation through `Conversations`:

    items = await conversations.history(tenant, conversation_id)

    def script() -> Script[None]:
        yield responses.update_do(...)
        yield from conversations.appending(tenant, conversation_id, items)
    await backend.transact(script)

The script must run in the database of the conversations: one transaction is one database. A run file that keeps
responses and conversations in different ones is refused.
"""

from stackwright.areas.conversations.items import ItemRow
from stackwright.areas.conversations.routes import api
from stackwright.areas.conversations.service import Conversations
from stackwright.areas.conversations.store import ConversationStore, StoredConversation

__all__ = ["ConversationStore", "Conversations", "ItemRow", "StoredConversation", "api"]
