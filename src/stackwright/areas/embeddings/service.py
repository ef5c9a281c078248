"""One embedding request: find who serves the model, call, answer."""

from stackwright.areas.embeddings.types import EmbeddingRequest
from stackwright.areas.models import Catalog, call_of
from stackwright.http.call import Json


class EmbeddingService:
    """Embeddings over the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def create(self, tenant: str, request: EmbeddingRequest, raw: bytes) -> Json:
        """Answer one request; `raw` is its body as it came."""
        request.check()
        target = self._catalog.resolve(tenant, request.model)
        return Json(await target.embeddings.create(call_of(target, raw)))
