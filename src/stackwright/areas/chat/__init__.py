"""Chat completions: made by a model, kept when asked to."""

from stackwright.areas.chat.routes import api
from stackwright.areas.chat.service import ChatService
from stackwright.areas.chat.store import CompletionStore, StoredCompletion

__all__ = ["ChatService", "CompletionStore", "StoredCompletion", "api"]
