"""Which paths a run file's apis bring, and what answers there."""

from collections.abc import Iterator, Mapping

from stackwright.app import probes
from stackwright.areas import (
    chat,
    completions,
    conversations,
    embeddings,
    files,
    models,
    moderations,
    prompts,
    responses,
)
from stackwright.config.runfile import Api as ApiName
from stackwright.config.runfile import RunFile
from stackwright.http import openapi
from stackwright.http.body import Bodies
from stackwright.http.lifecycle import Lifecycle
from stackwright.http.metrics import Requests
from stackwright.http.operation import Api, Endpoint
from stackwright.http.router import WEBSOCKET, Route
from stackwright.http.websocket import SocketEndpoint

APIS: Mapping[ApiName, tuple[Api, ...]] = {
    "inference": (chat.api, embeddings.api, completions.api, moderations.api, models.api),
    "conversations": (conversations.api,),
    "prompts": (prompts.api,),
    "responses": (responses.api,),
    "files": (files.api,),
}
"""Which operations each entry of the run file's `apis` brings."""
_PAGES = (
    ("/docs", "docs.html", "text/html; charset=utf-8"),
    ("/docs/docs.css", "docs.css", "text/css; charset=utf-8"),
    ("/docs/docs.js", "docs.js", "text/javascript; charset=utf-8"),
)


def routes(run: RunFile, services: Mapping[type, object], bodies: Bodies, workers: int) -> Iterator[Route]:
    """Yield what is asked over HTTP."""
    apis = (*_apis(run), probes.api)
    for api in apis:
        for operation in api.operations:
            endpoint = Endpoint(operation, services, bodies, upload_bytes=run.server.max_upload_bytes)
            yield operation.method, operation.path, operation.name, endpoint
    yield "GET", "/metrics", "metrics", probes.metrics(workers=workers)
    document = openapi.document(apis, keys=run.server.auth.mode == "api_keys")
    yield "GET", "/openapi.json", "openapi", probes.openapi(document)
    for path, name, kind in _PAGES:
        yield "GET", path, "docs", probes.page(name, kind)


def sockets(
    run: RunFile, services: Mapping[type, object], bodies: Bodies, lifecycle: Lifecycle, requests: Requests
) -> Iterator[Route]:
    """Yield what is talked to over a WebSocket."""
    for api in _apis(run):
        for path, handler in api.sockets:
            yield WEBSOCKET, path, handler.__name__, SocketEndpoint(handler, services, lifecycle, requests, bodies)


def _apis(run: RunFile) -> list[Api]:
    return [api for name, group in APIS.items() if run.serves(name) for api in group]
