"""Which provider types exist. The folder is the registry: nothing is imported until it is named.

`inference/inline_llama_cpp.py` holds `inline::llama-cpp`, `vector_io/remote_chromadb.py` holds `remote::chromadb`; a
module with another beginning is no type. The vendors that speak OpenAI's API are rows of `inference/presets.py`. Other
packages add theirs by entry point: group `stackwright.providers`, the type as name, a `Provider` as object.
"""

import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from stackwright import providers
from stackwright.errors import MissingExtra, StackwrightError
from stackwright.providers.provider import Backends, Provider

ENTRY_POINTS = "stackwright.providers"

Load = Callable[[], Provider[Any]]


class BrokenProvider(StackwrightError):
    """A provider type that is there and cannot be loaded."""

    def __init__(self, type: str, why: str) -> None:
        super().__init__(f"Provider type '{type}' cannot be loaded: {why}.", code="broken_provider")


class Types(Mapping[str, Provider[Any]]):
    """Provider types by name. Names cost a folder listing; a look-up imports that type's module and no other."""

    def __getitem__(self, type: str) -> Provider[Any]:
        return self._loads[type]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._loads)

    def __len__(self) -> int:
        return len(self._loads)

    def __contains__(self, type: object) -> bool:
        return type in self._loads

    @cached_property
    def _loads(self) -> dict[str, Load]:
        # Later ones win: a package cannot take over a type of ours.
        found = _installed() | _presets() | _files()
        return dict(sorted(found.items()))


TYPES = Types()


@asynccontextmanager
async def opened(provider: Provider[Any], config: Any, backends: Backends) -> AsyncIterator[Any]:
    """Open a provider and yield its port. `MissingExtra` when its library is not installed."""
    async with AsyncExitStack() as stack:
        try:
            port = await stack.enter_async_context(provider.open(config, backends))
        except ModuleNotFoundError as error:
            raise MissingExtra(f"Provider type '{provider.type}'", error.name, provider.extra) from error
        yield port


def type_of(module: str) -> str | None:
    """Return the type that a module of this name holds: `remote_chromadb` holds `remote::chromadb`."""
    place, _, name = module.partition("_")
    return f"{place}::{name.replace('_', '-')}" if place in ("inline", "remote") and name else None


def _files() -> dict[str, Load]:
    found: dict[str, Load] = {}
    for folder in pkgutil.iter_modules(providers.__path__, f"{providers.__name__}."):
        if not folder.ispkg:
            continue
        for module in pkgutil.iter_modules(import_module(folder.name).__path__):
            if name := type_of(module.name):
                found[name] = partial(_from_file, f"{folder.name}.{module.name}")
    return found


def _from_file(module: str) -> Provider[Any]:
    provider: Provider[Any] = import_module(module).PROVIDER
    return provider


def _presets() -> dict[str, Load]:
    from stackwright.providers.inference.presets import PRESETS, provider

    return {name: partial(provider, name) for name in PRESETS}


def _installed() -> dict[str, Load]:
    return {point.name: partial(_from_package, point) for point in entry_points(group=ENTRY_POINTS)}


def _from_package(point: EntryPoint) -> Provider[Any]:
    try:
        provider = point.load()
    except (ImportError, AttributeError) as error:
        raise BrokenProvider(point.name, f"{point.value} does not import ({error})") from error
    if not isinstance(provider, Provider) or provider.type != point.name:
        raise BrokenProvider(point.name, f"{point.value} is not a Provider of that type")
    return provider
