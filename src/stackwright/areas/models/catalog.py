"""The catalog: model id → provider. Look-ups are in memory; a background task keeps them fresh."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from stackwright.areas.models.index import Index, Served, Target
from stackwright.areas.models.registry import SHARED, Registered, Registry
from stackwright.areas.models.types import Model, ModelDeleted, ModelList, Registration
from stackwright.errors import InvalidRequest, NotFound
from stackwright.kit.beside import beside, rounds
from stackwright.ports.inference import Offer

log = logging.getLogger("stackwright.models")

POLL = 0.4
"""Seconds between looks for other replicas' registrations; the promise is one second."""
REFRESH = 300.0
"""Seconds between questions to a vendor which models it has; a failed one is asked again after RETRY."""
RETRY = 10.0

MOST = 10_000
"""Registrations that a tenant may have; servers that register at the same moment may go past it a little. Every change
has every server load all of them."""


class Catalog:
    """Everything that can be named as `model`, per tenant."""

    def __init__(self, providers: Mapping[str, Served], declared: Sequence[Registration], registry: Registry) -> None:
        """`declared` are the run file's registrations: everybody's, and they outrank what providers offer."""
        self._providers = providers
        self._declared = [Registered(SHARED, one) for one in declared]
        self._registry = registry
        self._offers: dict[str, Sequence[Offer]] = {}
        self._registered: dict[str, list[Registered]] = {}
        self._generation: bytes | None = None
        self._loading = asyncio.Lock()
        self._building = asyncio.Lock()
        self._saved = False
        self._unheard = set(providers)
        self._all_heard = asyncio.Event()
        self._tried = asyncio.Event()
        self._loaded = False
        self._common, self._indexes = self._built(self._offers)

    @asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        """Ask providers for their models and poll the registry, for as long as the context lasts."""
        asking = [self._keep_offers(served) for served in self._providers.values()]
        following = rounds(self._follow, POLL, partial(log.warning, "Registered models cannot be loaded: %s"))
        async with beside(*asking, following):
            yield

    async def settled(self, patience: float) -> None:
        """Wait until every provider has said what it offers, or failed to, at most `patience` seconds."""
        if self._unheard:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_heard.wait(), patience)

    async def loaded(self, patience: float) -> None:
        """Wait until the registrations are known, or could not be loaded, at most `patience` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), patience)

    def troubles(self) -> Mapping[str, str]:
        """Return what is not known yet, and what follows from it."""
        return {} if self._loaded else {"registered models": "not loaded yet: their names are not found"}

    def resolve(self, tenant: str, name: str) -> Target:
        """Return who serves `name` for this tenant. `UnknownModel` (404) if nobody does."""
        index = self._indexes.get(tenant, self._common)
        target = index.find(name)
        if target is None:
            raise index.unknown(name)
        return target

    def models(self, tenant: str) -> ModelList:
        """Return what the tenant can name, by id."""
        index = self._indexes.get(tenant, self._common)
        return ModelList(data=[index.models[name] for name in index.ids])

    def get(self, tenant: str, model_id: str) -> Model:
        """Return one model, by its id or its unambiguous bare name."""
        index = self._indexes.get(tenant, self._common)
        if model_id in index.models:
            return index.models[model_id]
        target = index.find(model_id)
        model = index.models.get(f"{target.provider_id}/{target.name}") if target else None
        if model is None:
            raise index.unknown(model_id)
        return model

    async def register(self, tenant: str, registration: Registration) -> Model:
        """Give one of a provider's models a name of the tenant's own. Other replicas know it within a second."""
        if registration.provider_id is None and len(self._providers) == 1:
            registration.provider_id = next(iter(self._providers))
        if registration.provider_id not in self._providers:
            there_are = ", ".join(self._providers) or "none"
            raise InvalidRequest(
                f"No inference provider {registration.provider_id!r}. There are: {there_are}.",
                param="provider_id",
            )
        self._check_room(tenant, registration.model_id)
        await self._registry.put(tenant, registration)
        await self._load_registrations()
        return self.get(tenant, registration.model_id)

    async def unregister(self, tenant: str, model_id: str) -> ModelDeleted:
        """Take a name back. `NotFound` if the tenant registered none such; what providers offer stays."""
        if not await self._registry.delete(tenant, model_id):
            raise NotFound("registered model", model_id, param="model")
        await self._load_registrations()
        return ModelDeleted(id=model_id)

    def _check_room(self, tenant: str, model_id: str) -> None:
        own = self._registered.get(tenant, ())
        if len(own) >= MOST and all(one.registration.model_id != model_id for one in own):
            raise InvalidRequest(
                f"There are {len(own)} registered models, the most is {MOST}. Delete some first.",
                param="model_id",
                code="too_many_models",
            )

    async def _keep_offers(self, served: Served) -> None:
        tell = partial(log.warning, "Provider %s does not say which models it has: %s", served.provider_id)
        await rounds(partial(self._ask, served), REFRESH, tell, retry=RETRY)

    async def _ask(self, served: Served) -> None:
        try:
            self._offers[served.provider_id] = await served.inference.models()
            await self._rebuild()
        finally:
            self._heard(served)

    def _heard(self, served: Served) -> None:
        self._unheard.discard(served.provider_id)
        if not self._unheard:
            self._all_heard.set()

    async def _follow(self) -> None:
        try:
            if not self._saved:
                await self._save_declared()
                self._saved = True
            if await self._registry.generation() != self._generation:
                await self._load_registrations()
            self._loaded = True
        finally:
            self._tried.set()

    async def _save_declared(self) -> None:
        """Keep the run file's registrations where its replicas and tools can see them."""
        stored = await self._registry.everything()
        kept = {one.registration.model_id: one.registration for one in stored.get(SHARED, [])}
        for registration in (one.registration for one in self._declared):
            if kept.pop(registration.model_id, None) != registration:
                await self._registry.put(SHARED, registration)
        for model_id in kept:
            await self._registry.delete(SHARED, model_id)

    async def _load_registrations(self) -> None:
        async with self._loading:
            # The generation is read first: a change in between is seen again at the next poll, never missed.
            generation = await self._registry.generation()
            if generation == self._generation:
                return  # Somebody has loaded what was just changed while this one waited.
            self._registered = await self._registry.everything()
            await self._rebuild()
            self._generation = generation

    async def _rebuild(self) -> None:
        async with self._building:
            # Beside the loop: tens of thousands of registrations take the better part of a second.
            self._common, self._indexes = await asyncio.to_thread(self._built, dict(self._offers))

    def _built(self, offers: Mapping[str, Sequence[Offer]]) -> tuple[Index, dict[str, Index]]:
        offered = [_offered(provider_id, offer) for provider_id, some in offers.items() for offer in some]
        shared = [*self._registered.get(SHARED, ()), *self._declared]
        common = [*offered, *_registered(shared)]
        silent = [provider_id for provider_id in self._providers if provider_id not in offers]
        return Index(self._providers, common, silent), {
            tenant: Index(self._providers, [*common, *_registered(own)], silent)
            for tenant, own in self._registered.items()
            if tenant != SHARED
        }


def _offered(provider_id: str, offer: Offer) -> Model:
    return Model(
        id=f"{provider_id}/{offer.name}",
        created=offer.created,
        owned_by=offer.owned_by or provider_id,
        model_type=offer.kind,
        provider_id=provider_id,
        provider_model_id=offer.name,
        metadata=dict(offer.metadata),
    )


def _registered(entries: Iterable[Registered]) -> list[Model]:
    return [_named(entry.registration, entry.created) for entry in entries]


def _named(one: Registration, created: int) -> Model:
    return Model(
        id=one.model_id,
        created=created,
        owned_by=one.provider_id or "",
        model_type=one.model_type,
        provider_id=one.provider_id or "",
        provider_model_id=one.provider_model_id or one.model_id,
        metadata=one.metadata,
    )
