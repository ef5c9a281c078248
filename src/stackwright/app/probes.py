"""What an orchestrator, Prometheus and a curious developer ask: alive, ready, metrics, the API's description."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import msgspec
import prometheus_client
from msgspec import Struct
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Receive, Scope, Send

from stackwright.errors import Unavailable
from stackwright.http.call import Call
from stackwright.http.lifecycle import Lifecycle
from stackwright.http.operation import Api, respond

api = Api("Health")


class Health(Struct):
    """The process answers."""

    status: str = "ok"


class Readiness(Struct):
    """The process can do its work."""

    status: str = "ready"


class NotReady(Unavailable):
    """Some part is away, or the process is about to stop."""

    code = "not_ready"


class Probes:
    """Answers `/ready` from the backends' state and the process's own."""

    def __init__(self, lifecycle: Lifecycle, troubles: Callable[[], Mapping[str, str]]) -> None:
        """`troubles` returns what is not usable now, by name."""
        self._lifecycle = lifecycle
        self._troubles = troubles

    def ready(self) -> Readiness:
        if self._lifecycle.draining:
            raise NotReady("Not ready: the server is shutting down.")
        troubles = self._troubles()
        if troubles:
            # Anybody may ask, so where a database is, and who we are there, is for the log.
            raise NotReady(f"Not ready: {', '.join(troubles)} cannot be used now. The server's log says why.")
        return Readiness()


@api.get("/health", answer=Health)
async def health(call: Call[None]) -> Health:
    """Tell that the process lives. It says nothing of its databases: see /ready."""
    return Health()


@api.get("/ready", answer=Readiness)
async def ready(call: Call[None], probes: Probes) -> Readiness:
    """Tell whether work is welcome; 503 names what is away."""
    return probes.ready()


def metrics(*, workers: int) -> ASGIApp:
    """Serve Prometheus metrics, of all workers when there are several."""

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        registry: Any = prometheus_client.REGISTRY
        if workers > 1:
            registry = prometheus_client.CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        body = prometheus_client.generate_latest(registry)
        await respond(send, 200, body, content_type=prometheus_client.CONTENT_TYPE_LATEST.encode())

    return endpoint


def openapi(document: Mapping[str, Any]) -> ASGIApp:
    """Serve the OpenAPI document."""
    body = msgspec.json.encode(document)

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, body)

    return endpoint


def page(name: str, content_type: str) -> ASGIApp:
    """Serve one shipped file. It may load what this server serves, and nothing from elsewhere."""
    body = files("stackwright.app").joinpath("pages", name).read_bytes()
    headers = [(b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'")]

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, body, content_type=content_type.encode(), headers=headers)

    return endpoint
