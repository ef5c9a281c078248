"""What a provider type says of itself."""

import builtins
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

from stackwright.config.storage import KVReference, SqlReference
from stackwright.storage.kv import KV
from stackwright.storage.sql import Migration, SqlBackend

Api = Literal["inference", "vector_io", "files"]
C = TypeVar("C", bound=BaseModel)


class Backends(Protocol):
    """The named backends, opened. A provider gets its state from here and nowhere else."""

    def kv(self, reference: KVReference) -> KV:
        """Return the namespace a reference names."""
        ...

    def sql(self, reference: SqlReference) -> SqlBackend:
        """Return the backend a reference names; the table is the caller's to make."""
        ...


class Schema(Protocol):
    """Tables that a provider makes in a backend."""

    @property
    def backend_name(self) -> str:
        """The backend that they are in."""
        ...

    @property
    def name(self) -> str:
        """What migrations call them."""
        ...

    @property
    def migrations(self) -> Sequence[Migration]:
        """Every step from nothing to the present schema."""
        ...

    async def prepare(self) -> None:
        """Make the tables, or bring older ones up to date."""
        ...


@dataclass(frozen=True, kw_only=True)
class Provider(Generic[C]):
    """A provider type: what it is called, what it wants, how to open it.

    `open(config, backends)` is an async context manager that yields what the api's port asks for
    (`ports.inference.Inference`, `ports.vectors.VectorIndexes`, `ports.blobs.Blobs`). It does no network call that
    could fail the start.
    """

    type: str
    api: Api
    summary: str
    config: builtins.type[C]
    open: Callable[[C, Backends], AbstractAsyncContextManager[Any]]
    schema: Callable[[C, Backends], Schema] | None = None
    """The tables that it makes, for `stackwright db`; the backends are open."""
    extra: str | None = None
    """The extra that brings its libraries: `pip install 'stackwright[extra]'`."""
