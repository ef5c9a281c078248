"""What a provider type says of itself."""

import builtins
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

from stackwright.config.storage import KVReference, SqlReference
from stackwright.storage.kv import KV
from stackwright.storage.sql import SqlBackend

Api = Literal["inference", "vector_io"]
C = TypeVar("C", bound=BaseModel)


class Backends(Protocol):
    """The named backends, opened. A provider gets its state from here and nowhere else."""

    def kv(self, reference: KVReference) -> KV:
        """Return the namespace a reference names."""
        ...

    def sql(self, reference: SqlReference) -> SqlBackend:
        """Return the backend a reference names; the table is the caller's to make."""
        ...


@dataclass(frozen=True, kw_only=True)
class Provider(Generic[C]):
    """A provider type: what it is called, what it wants, how to open it.

    `open(config, backends)` is an async context manager that yields what the api's port asks for
    (`ports.inference.Inference`, `ports.vectors.VectorIndexes`). It does no network call that could fail the start.
    """

    type: str
    api: Api
    summary: str
    config: builtins.type[C]
    open: Callable[[C, Backends], AbstractAsyncContextManager[Any]]
    extra: str | None = None
    """The extra that brings its libraries: `pip install 'stackwright[extra]'`."""
