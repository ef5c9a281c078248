"""The Responses API. Listing responses is ours; the rest is OpenAI's."""

from stackwright.areas.responses.service import Responses
from stackwright.areas.responses.sockets import Sockets
from stackwright.areas.responses.types import (
    InputItemList,
    InputItemsQuery,
    InputTokens,
    ListQuery,
    ResponseDeleted,
    ResponseList,
    RetrieveQuery,
)
from stackwright.http.call import Call, Json, Stream
from stackwright.http.operation import Api
from stackwright.http.websocket import Socket
from stackwright.wire.responses import Response, ResponseRequest

api = Api("Responses")


@api.post("/v1/responses", body=ResponseRequest, answer=Response, streams=True)
async def create_response(call: Call[ResponseRequest], responses: Responses) -> Json | Stream:
    """Create a response. Kept unless `store: false`; streamed with `stream: true`."""
    return await responses.create(call.tenant, call.body, call.raw)


@api.websocket("/v1/responses")
async def converse(socket: Socket, sockets: Sockets) -> None:
    """Create one response after the other over one connection."""
    await sockets.talk(socket)


@api.get("/v1/responses", query=ListQuery, answer=ResponseList)
async def list_responses(call: Call[ListQuery], responses: Responses) -> Json:
    """List stored responses. Not in OpenAI's API."""
    return await responses.page(call.tenant, call.query)


@api.post("/v1/responses/input_tokens", body=ResponseRequest, answer=InputTokens)
async def count_response_input_tokens(call: Call[ResponseRequest], responses: Responses) -> InputTokens:
    """Count the tokens that a request would send to its model."""
    return await responses.input_tokens(call.tenant, call.body, call.raw)


@api.get("/v1/responses/{response_id}", query=RetrieveQuery, answer=Response)
async def retrieve_response(call: Call[RetrieveQuery], responses: Responses) -> Json | Stream:
    """Retrieve a stored response; with `stream`, the rest of the stream that makes it in the background."""
    return await responses.get(call.tenant, call.path["response_id"], call.query)


@api.delete("/v1/responses/{response_id}", answer=ResponseDeleted)
async def delete_response(call: Call[None], responses: Responses) -> ResponseDeleted:
    """Delete a stored response."""
    return await responses.delete(call.tenant, call.path["response_id"])


@api.post("/v1/responses/{response_id}/cancel", answer=Response)
async def cancel_response(call: Call[None], responses: Responses) -> Json:
    """Cancel a response that is being made in the background."""
    return await responses.cancel(call.tenant, call.path["response_id"])


@api.get("/v1/responses/{response_id}/input_items", query=InputItemsQuery, answer=InputItemList)
async def list_response_input_items(call: Call[InputItemsQuery], responses: Responses) -> Json:
    """List the items that a response answers."""
    return await responses.input_items(call.tenant, call.path["response_id"], call.query)
