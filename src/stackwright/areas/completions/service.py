"""One text completion: find who serves the model, call, answer. Nothing is kept: OpenAI keeps none either."""

from collections.abc import AsyncGenerator

from stackwright.areas.completions.types import CompletionRequest
from stackwright.areas.models import Catalog, call_of
from stackwright.http.call import Json, Stream
from stackwright.http.sse import DONE, framed
from stackwright.ports.inference import ModelCall, TextPort


class CompletionService:
    """Text completions over the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def create(self, tenant: str, request: CompletionRequest, raw: bytes) -> Json | Stream:
        """Answer one request; `raw` is its body as it came."""
        target = self._catalog.resolve(tenant, request.model)
        port = target.completions
        call = call_of(target, raw)
        if request.stream:
            return Stream(_stream(port, call))
        return Json(await port.complete(call))


async def _stream(port: TextPort, call: ModelCall) -> AsyncGenerator[bytes, None]:
    async with port.stream(call) as batches:
        async for batch in batches:
            yield framed([chunk.data for chunk in batch])
    yield DONE
