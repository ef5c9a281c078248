"""Embeddings."""

from stackwright.areas.embeddings.routes import api
from stackwright.areas.embeddings.service import EmbeddingService

__all__ = ["EmbeddingService", "api"]
