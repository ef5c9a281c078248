"""The legacy Completions API."""

from stackwright.areas.completions.service import CompletionService
from stackwright.areas.completions.types import CompletionRequest
from stackwright.http.call import Call, Json, Stream
from stackwright.http.operation import Api
from stackwright.wire.answers import TextCompletion

api = Api("Completions")


@api.post("/v1/completions", body=CompletionRequest, answer=TextCompletion, streams=True)
async def create_completion(call: Call[CompletionRequest], completions: CompletionService) -> Json | Stream:
    """Continue a prompt."""
    return await completions.create(call.tenant, call.body, call.raw)
