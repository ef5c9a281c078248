"""The Models API, with Llama Stack's way to register one."""

from stackwright.areas.models.catalog import Catalog
from stackwright.areas.models.types import Model, ModelDeleted, ModelList, NewRegistration
from stackwright.http.call import Call
from stackwright.http.operation import Api

api = Api("Models")


@api.get("/v1/models", answer=ModelList)
async def list_models(call: Call[None], catalog: Catalog) -> ModelList:
    """List the models that can be named in a request."""
    return catalog.models(call.tenant)


@api.get("/v1/models/{model:path}", answer=Model)
async def retrieve_model(call: Call[None], catalog: Catalog) -> Model:
    """Retrieve a model."""
    return catalog.get(call.tenant, call.path["model"])


@api.post("/v1/models", body=NewRegistration, answer=Model)
async def register_model(call: Call[NewRegistration], catalog: Catalog) -> Model:
    """Register a name for one of a provider's models."""
    return await catalog.register(call.tenant, call.body)


@api.delete("/v1/models/{model:path}", answer=ModelDeleted)
async def delete_model(call: Call[None], catalog: Catalog) -> ModelDeleted:
    """Take back a registered name."""
    return await catalog.unregister(call.tenant, call.path["model"])
