"""From a run file to a running application: every part opened once, and closed in the opposite order."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from starlette.types import ASGIApp

from stackwright.app import gauges, probes, retention, routing, stores
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
from stackwright.config.runfile import RunFile
from stackwright.http.body import Bodies
from stackwright.http.layers import Boundary, Principal
from stackwright.http.lifecycle import Lifecycle
from stackwright.http.metrics import Requests
from stackwright.http.origins import Origins
from stackwright.http.router import Router
from stackwright.jobs import Worker
from stackwright.ports.tools import ToolAddress
from stackwright.providers.downloads import Downloader
from stackwright.providers.registry import TYPES, opened
from stackwright.providers.tool_runtime.reach import Reach
from stackwright.storage.backends import NamedBackends, open_backends


@dataclass(frozen=True, kw_only=True)
class App:
    """A running application, and what the process around it needs to know."""

    asgi: ASGIApp
    lifecycle: Lifecycle
    backends: NamedBackends
    catalog: models.Catalog
    providers: Mapping[str, models.Served]
    chat: chat.ChatService
    responses: responses.Responses

    async def settle(self) -> None:
        """Wait for what is still being kept. Called when no request is left."""
        await self.chat.settle()
        await self.responses.settle()


@asynccontextmanager
async def open_app(run: RunFile, *, workers: int, log_requests: bool) -> AsyncIterator[App]:
    """Open backends and providers, and put the areas on them."""
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(open_backends(run.storage, label=run.image_name))
        providers = await _open_providers(run, backends, stack)
        areas = await _open_areas(run, backends, _catalog(run, providers, backends), stack)
        await stack.enter_async_context(retention.kept(run, backends))
        requests = Requests()
        lifecycle = Lifecycle(requests, areas.worker)
        services = {**_services(run, areas), probes.Probes: _probes(lifecycle, backends, areas)}
        bodies = Bodies(run.server.max_body_bytes, run.server.max_body_bytes_at_once)
        routes = routing.routes(run, services, bodies, workers)
        router = Router([*routes, *routing.sockets(run, services, bodies, lifecycle, requests)])
        yield App(
            asgi=Boundary(_guarded(router, run), requests=requests, log_requests=log_requests),
            lifecycle=lifecycle,
            backends=backends,
            catalog=areas.catalog,
            providers=providers,
            chat=areas.chat,
            responses=areas.responses,
        )


async def _open_providers(run: RunFile, backends: NamedBackends, stack: AsyncExitStack) -> dict[str, models.Served]:
    served: dict[str, models.Served] = {}
    for api, entries in run.providers.items():
        if api == stores.FILES:
            continue  # They are opened by `_files`, whether the run file names one or not.
        for entry in entries:
            adapter = await stack.enter_async_context(opened(TYPES[entry.provider_type], entry.config, backends))
            if api == "inference":
                # What runs in this process knows all it serves; a vendor may know more than it lists.
                closed = entry.provider_type.startswith("inline::")
                served[entry.provider_id] = models.Served(
                    entry.provider_id, models.Metered(entry.provider_id, adapter), closed
                )
    return served


class _Areas(NamedTuple):
    """What the areas stand on, opened, and who works for them beside the requests."""

    catalog: models.Catalog
    store: chat.CompletionStore
    chat: chat.ChatService
    conversations: conversations.Conversations
    prompts: prompts.Prompts
    files: files.Files
    responses: responses.Responses
    worker: Worker


async def _open_areas(run: RunFile, backends: NamedBackends, catalog: models.Catalog, stack: AsyncExitStack) -> _Areas:
    await stack.enter_async_context(catalog.kept_fresh())
    store, talks = stores.completion_store(run, backends), stores.conversation_store(run, backends)
    templates, answers = stores.prompts(run, backends), stores.response_store(run, backends)
    for one in (store, talks, templates, answers):
        await one.prepare()
    depths = {"inference": lambda: store.waiting, "responses": lambda: answers.waiting}
    await stack.enter_async_context(gauges.kept(backends, depths))
    await stack.enter_async_context(templates.memory.kept_fresh())
    service = chat.ChatService(catalog, store, store_by_default=run.storage.stores.inference.store_by_default)
    history = conversations.Conversations(talks)
    uploads = await _files(run, backends, stack)
    reach = await _reach(run, stack)
    intake = _intake(run, backends, answers, catalog, history, templates, uploads, reach)
    made, worker = await _responses(run, backends, answers, intake, history, stack)
    return _Areas(catalog, store, service, history, templates, uploads, made, worker)


async def _files(run: RunFile, backends: NamedBackends, stack: AsyncExitStack) -> files.Files:
    store = stores.file_store(run, backends)
    await store.prepare()
    provider = stores.files_provider(run)
    blobs = await stack.enter_async_context(opened(TYPES[provider.provider_type], provider.config, backends))
    uploads = files.Files(store, blobs)
    await stack.enter_async_context(uploads.kept_tidy())
    if stores.FILES in run.providers:
        # Who names no place may never have a file, and none is made for them before the first.
        await stack.enter_async_context(uploads.watched())
    return uploads


def _probes(lifecycle: Lifecycle, backends: NamedBackends, areas: _Areas) -> probes.Probes:
    whole = (backends.troubles, areas.catalog.troubles, areas.files.troubles)
    return probes.Probes(lifecycle, lambda: {name: why for one in whole for name, why in one().items()})


def _services(run: RunFile, areas: _Areas) -> dict[type, object]:
    return {
        models.Catalog: areas.catalog,
        chat.CompletionStore: areas.store,
        chat.ChatService: areas.chat,
        conversations.Conversations: areas.conversations,
        prompts.Prompts: areas.prompts,
        files.Files: areas.files,
        responses.Responses: areas.responses,
        responses.Sockets: responses.Sockets(areas.responses, run.responses.websockets),
        completions.CompletionService: completions.CompletionService(areas.catalog),
        embeddings.EmbeddingService: embeddings.EmbeddingService(areas.catalog),
        moderations.ModerationService: moderations.ModerationService(areas.catalog),
    }


def _intake(
    run: RunFile,
    backends: NamedBackends,
    store: responses.ResponseStore,
    catalog: models.Catalog,
    history: conversations.Conversations,
    templates: prompts.Prompts,
    uploads: files.Files,
    reach: Reach,
) -> responses.Intake:
    kit = responses.Kit(run.responses.ignore_tools)
    remote = responses.Remote(reach, _connectors(run))
    seals = responses.Seals(backends.kv(run.storage.stores.metadata))
    talks = responses.Talks(store, history, seals)
    downloads = Downloader(run.responses.file_urls)
    limits = run.responses
    room = responses.Room(limits.max_file_bytes_at_once)
    attachments = responses.Attachments(uploads, downloads, room, limits.max_file_bytes)
    return responses.Intake(catalog, templates, talks, kit, remote, seals, attachments)


async def _responses(
    run: RunFile,
    backends: NamedBackends,
    store: responses.ResponseStore,
    intake: responses.Intake,
    history: conversations.Conversations,
    stack: AsyncExitStack,
) -> tuple[responses.Responses, Worker]:
    queue = stores.response_jobs(run, backends)
    await queue.prepare()
    maker = responses.Maker(intake, store, history)
    limits = run.responses.background
    worker = Worker(queue, {responses.KIND: maker.work}, slots=limits.workers, seconds=limits.seconds)
    await stack.enter_async_context(worker.running())
    await stack.enter_async_context(gauges.watched(queue))
    return responses.Responses(intake, store, history, responses.Background(store, queue, worker)), worker


async def _reach(run: RunFile, stack: AsyncExitStack) -> Reach:
    """Return the way to MCP servers. Who names some in the run file means to use them."""
    reach = Reach(run.responses.mcp)
    if run.registered_resources.connectors:
        await stack.enter_async_context(reach.opened_soon())
    return reach


def _connectors(run: RunFile) -> dict[str, ToolAddress]:
    return {
        one.connector_id: ToolAddress(
            label=one.connector_id,
            url=one.url,
            headers={name: value.reveal() for name, value in one.headers.items()},
            trusted=True,
        )
        for one in run.registered_resources.connectors
    }


def _catalog(run: RunFile, providers: Mapping[str, models.Served], backends: NamedBackends) -> models.Catalog:
    declared = [
        models.Registration(
            model_id=one.model_id,
            provider_id=one.provider_id,
            provider_model_id=one.provider_model_id,
            model_type=one.model_type,
            metadata=dict(one.metadata),
        )
        for one in run.registered_models
    ]
    return models.Catalog(providers, declared, models.Registry(backends.kv(run.storage.stores.metadata)))


def _guarded(router: Router, run: RunFile) -> ASGIApp:
    tenants = _tenants(run)
    guarded = tenants is not None
    any_host = guarded or run.server.auth.i_understand
    return Origins(Principal(router, tenants=tenants), run.server.allow_origins, guarded=guarded, any_host=any_host)


def _tenants(run: RunFile) -> dict[str, str] | None:
    auth = run.server.auth
    return {one.key.reveal(): one.tenant for one in auth.api_keys} if auth.mode == "api_keys" else None
