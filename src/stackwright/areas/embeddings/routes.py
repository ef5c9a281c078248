"""The Embeddings API."""

from stackwright.areas.embeddings.service import EmbeddingService
from stackwright.areas.embeddings.types import EmbeddingRequest
from stackwright.http.call import Call, Json
from stackwright.http.operation import Api
from stackwright.wire.answers import EmbeddingList

api = Api("Embeddings")


@api.post("/v1/embeddings", body=EmbeddingRequest, answer=EmbeddingList)
async def create_embedding(call: Call[EmbeddingRequest], embeddings: EmbeddingService) -> Json:
    """Embed texts: 1 to 2,048 inputs, as floats or base64."""
    return await embeddings.create(call.tenant, call.body, call.raw)
