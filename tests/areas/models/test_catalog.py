"""The catalog: whose names lead where."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec
import pytest

from stackwright.areas.models import Catalog, Registration, Registry, Served
from stackwright.areas.models.index import Index
from stackwright.areas.models.registry import Registered
from stackwright.areas.models.types import Model
from stackwright.errors import InvalidRequest, Unavailable, UnknownModel
from stackwright.ports.inference import BodyPort, CountPort, Offer, TextPort
from stackwright.storage.kv import Entry
from stackwright.testing.memory_kv import MemoryDatabase, MemoryKV
from tests.storage.sql.databases import eventually


class Provider:
    """A provider that offers what it is told to, and serves nothing."""

    chat: TextPort | None = None
    completions: TextPort | None = None
    embeddings: BodyPort | None = None
    moderations: BodyPort | None = None
    counting: CountPort | None = None
    hears_reasoning = True

    def __init__(self, *names: str) -> None:
        self._names = names

    async def models(self) -> Sequence[Offer]:
        return [Offer(name=name) for name in self._names]


def _served(**providers: Provider) -> dict[str, Served]:
    return {name: Served(name, provider, closed=True) for name, provider in providers.items()}


def _index(providers: Mapping[str, Served], *models: tuple[str, str, str]) -> Index:
    return Index(
        providers,
        [
            Model(id=model, created=0, owned_by="", model_type="llm", provider_id=provider, provider_model_id=name)
            for model, provider, name in models
        ],
    )


def test_a_bare_name_that_two_providers_have_must_be_said_whole() -> None:
    index = _index(_served(a=Provider(), b=Provider()), ("a/m", "a", "m"), ("b/m", "b", "m"))
    with pytest.raises(InvalidRequest, match=r"say which: a/m, b/m\."):
        index.find("m")
    target = index.find("b/m")
    assert target is not None
    assert (target.provider_id, target.name) == ("b", "m")


def test_a_registered_name_outranks_a_bare_one() -> None:
    index = _index(_served(a=Provider(), b=Provider()), ("a/m", "a", "m"), ("b/m", "b", "m"), ("m", "b", "other"))
    target = index.find("m")
    assert target is not None
    assert (target.provider_id, target.name) == ("b", "other")


def test_only_a_vendor_that_may_know_more_is_asked_for_a_name_nobody_listed() -> None:
    providers = {"open": Served("open", Provider(), closed=False), "shut": Served("shut", Provider(), closed=True)}
    index = _index(providers)
    target = index.find("open/new/model")
    assert target is not None
    assert target.name == "new/model"
    assert index.find("shut/new") is None


@pytest.mark.parametrize("other", ["default/x", "defaul", "default\0"])
async def test_tenants_never_see_each_others_names(other: str) -> None:
    catalog = Catalog(_served(demo=Provider("poet")), [], Registry(MemoryDatabase().namespace("registry")))
    await catalog.register(other, Registration(model_id="x/secret", provider_id="demo", provider_model_id="poet"))
    assert catalog.get(other, "x/secret").provider_model_id == "poet"
    for name in ("secret", "x/secret"):
        with pytest.raises(UnknownModel):
            catalog.resolve("default", name)


async def test_a_registration_nobody_can_read_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    kv = MemoryDatabase().namespace("registry")
    await kv.set("models/of/broken", b"{")
    catalog = Catalog(_served(demo=Provider("poet")), [], Registry(kv))
    await catalog.register("default", Registration(model_id="mine", provider_model_id="poet"))
    assert catalog.resolve("default", "mine").name == "poet"
    assert "models/of/broken" in caplog.text


async def test_what_the_run_file_no_longer_registers_is_gone_after_a_restart() -> None:
    registry = Registry(MemoryDatabase().namespace("registry"))
    for names in (("one", "two"), ("two",)):
        declared = [Registration(model_id=name, provider_id="demo") for name in names]
        catalog = Catalog(_served(demo=Provider()), declared, registry)
        async with catalog.kept_fresh():
            await catalog.settled(1)
            kept = {one.registration.model_id for one in (await _eventually(registry, len(names)))}
        assert kept == set(names)


async def _eventually(registry: Registry, count: int) -> list[Registered]:
    found: list[Registered] = []
    for _ in range(500):
        found = (await registry.everything()).get("*", [])
        if len(found) == count:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"there are {len(found)} registrations, not {count}")


async def test_old_registrations_go_and_those_of_the_run_file_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(MemoryDatabase().namespace("registry"))
    declared = [Registration(model_id="declared", provider_id="demo")]
    catalog = Catalog(_served(demo=Provider("poet")), declared, registry)
    async with catalog.kept_fresh():
        await _eventually(registry, 1)
        old = await catalog.register("ada", Registration(model_id="old", provider_model_id="poet"))
        await catalog.register("ada", Registration(model_id="renewed", provider_model_id="poet"))
        start = time.time()
        assert abs(old.created - start) < 60
        monkeypatch.setattr(time, "time", lambda: start + 100)
        await catalog.register("ada", Registration(model_id="renewed", provider_model_id="poet"))
        assert await registry.delete_older(50) == 1
        assert await registry.delete_older(50) == 0

        async def noticed() -> bool:
            return "old" not in {one.id for one in catalog.models("ada").data}

        await eventually(noticed)
        assert {one.id for one in catalog.models("ada").data} == {"declared", "demo/poet", "renewed"}
        assert {one.registration.model_id for one in (await registry.everything())["*"]} == {"declared"}


async def test_what_is_registered_anew_while_the_old_goes_stays() -> None:
    kv = Renewed()
    registry = Registry(kv)
    await registry.put("ada", Registration(model_id="mine"))
    assert await registry.delete_older(-10) == 0
    assert [one.registration.provider_id for one in (await registry.everything())["ada"]] == ["anew"]


class Renewed(MemoryKV):
    """Somebody registers again what was just looked at."""

    def __init__(self) -> None:
        super().__init__(time.monotonic)

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None) -> bool:
        await Registry(self).put("ada", Registration(model_id="mine", provider_id="anew"))
        return await super().compare_and_set(key, expected, value)


class Leaving(MemoryKV):
    """A store that can be away for all but so many calls."""

    def __init__(self) -> None:
        super().__init__(time.monotonic)
        self.calls = 1_000_000

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None) -> bool:
        self._count()
        return await super().compare_and_set(key, expected, value)

    async def scan(
        self, *, prefix: str = "", start: str = "", end: str | None = None, limit: int = 1000
    ) -> Sequence[Entry]:
        self._count()
        return await super().scan(prefix=prefix, start=start, end=end, limit=limit)

    def _count(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise Unavailable("away")


async def test_what_went_before_the_store_was_away_is_told_when_it_is_back() -> None:
    kv = Leaving()
    registry = Registry(kv)
    for name in ("one", "two"):
        await registry.put("ada", Registration(model_id=name))
    before = await registry.generation()
    kv.calls = 2
    with pytest.raises(Unavailable):
        await registry.delete_older(-10)
    assert await registry.generation() == before
    kv.calls = 1
    assert await registry.delete_older(1000) == 0
    told = await registry.generation()
    assert told != before
    kv.calls = 1
    assert await registry.delete_older(1000) == 0
    assert await registry.generation() == told


async def test_registrations_that_could_not_be_loaded_are_loaded_later() -> None:
    kv = Leaving()
    await Registry(kv).put("ada", Registration(model_id="mine", provider_id="demo", provider_model_id="poet"))
    catalog = Catalog(_served(demo=Provider("poet")), [], Registry(kv))
    # The declared ones are looked at; the store goes away before the others are.
    kv.calls = 1

    async def tried() -> bool:
        return kv.calls < 0

    async def known() -> bool:
        return "mine" in {one.id for one in catalog.models("ada").data}

    async with catalog.kept_fresh():
        await eventually(tried)
        await catalog.loaded(5)
        assert list(catalog.troubles()) == ["registered models"]
        kv.calls = 1_000_000
        await eventually(known)
        assert catalog.troubles() == {}


class Waiting(MemoryKV):
    """A store that answers when it may."""

    def __init__(self) -> None:
        super().__init__(time.monotonic)
        self.may = asyncio.Event()

    async def get(self, key: str) -> bytes | None:
        await self.may.wait()
        return await super().get(key)


async def test_a_start_waits_for_registrations_and_not_for_ever() -> None:
    kv = Waiting()
    await Registry(kv).put("ada", Registration(model_id="mine", provider_id="demo", provider_model_id="poet"))
    catalog = Catalog(_served(demo=Provider("poet")), [], Registry(kv))
    async with catalog.kept_fresh():
        await catalog.loaded(0.05)
        assert list(catalog.troubles()) == ["registered models"]
        kv.may.set()
        await catalog.loaded(5)
        assert catalog.troubles() == {}
        assert catalog.resolve("ada", "mine").name == "poet"


async def test_a_tenant_registers_so_many_models_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackwright.areas.models.catalog.MOST", 2)
    catalog = Catalog(_served(demo=Provider("poet")), [], Registry(MemoryDatabase().namespace("registry")))
    for name in ("one", "two", "two"):
        await catalog.register("ada", Registration(model_id=name, provider_model_id="poet"))
    with pytest.raises(InvalidRequest, match=r"2 registered models, the most is 2\. Delete some first") as refused:
        await catalog.register("ada", Registration(model_id="three", provider_model_id="poet"))
    assert (refused.value.param, refused.value.code) == ("model_id", "too_many_models")
    await catalog.register("eve", Registration(model_id="three", provider_model_id="poet"))
    await catalog.unregister("ada", "one")
    await catalog.register("ada", Registration(model_id="three", provider_model_id="poet"))
    assert {one.id for one in catalog.models("ada").data} == {"two", "three"}


async def test_registrations_made_at_once_are_all_known() -> None:
    catalog = Catalog(_served(demo=Provider("poet")), [], Registry(MemoryDatabase().namespace("registry")))
    names = {f"model-{number}" for number in range(50)}
    await asyncio.gather(
        *(catalog.register("ada", Registration(model_id=name, provider_model_id="poet")) for name in names)
    )
    assert {one.id for one in catalog.models("ada").data} == names


def test_what_only_another_server_can_serve_is_no_model_and_hides_none() -> None:
    index = _index(_served(a=Provider()), ("a/m", "a", "m"), ("a/m", "elsewhere", "x"), ("mine", "elsewhere", "x"))
    assert list(index.models) == ["a/m"]
    target = index.find("a/m")
    assert target is not None
    assert (target.provider_id, target.name) == ("a", "m")
    assert index.find("mine") is None


def test_a_misspelt_name_is_understood_among_many() -> None:
    index = _index(_served(demo=Provider()), *((f"model-{number:05}", "demo", f"m{number}") for number in range(5000)))
    for name in ("modell-00000", "model-0420O", "model-04999-"):
        assert "Did you mean 'model-0" in index.unknown(name).message


def test_a_registration_needs_a_name() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"model_id": ""}, Registration)
