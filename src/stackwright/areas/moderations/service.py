"""One moderation: find who judges, call, answer."""

from stackwright.areas.models import Catalog, call_of
from stackwright.areas.moderations.types import ModerationRequest
from stackwright.http.call import Json

DEFAULT_MODEL = "omni-moderation-latest"


class ModerationService:
    """Moderations over the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def create(self, tenant: str, request: ModerationRequest, raw: bytes) -> Json:
        """Answer one request; `raw` is its body as it came."""
        model = request.model or DEFAULT_MODEL
        target = self._catalog.resolve(tenant, model)
        return Json(await target.moderations.create(call_of(target, raw)))
