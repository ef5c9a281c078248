"""The Moderations API."""

from stackwright.areas.moderations.service import ModerationService
from stackwright.areas.moderations.types import ModerationRequest
from stackwright.http.call import Call, Json
from stackwright.http.operation import Api
from stackwright.wire.answers import ModerationList

api = Api("Moderations")


@api.post("/v1/moderations", body=ModerationRequest, answer=ModerationList)
async def create_moderation(call: Call[ModerationRequest], moderations: ModerationService) -> Json:
    """Classify text or images as harmful or not."""
    return await moderations.create(call.tenant, call.body, call.raw)
