"""What we ask of a vector database."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

Scalar = str | int | float | bool


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of text with its place in space."""

    id: str
    text: str
    embedding: Sequence[float]
    """Shape `(dimensions,)`; need not be of unit length."""
    attributes: Mapping[str, Scalar] = {}


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that was found, and how near it is."""

    id: str
    text: str
    attributes: Mapping[str, Scalar]
    score: float
    """(1 + cos) / 2 in [0, 1]: all adapters use this scale, so scores compare across vendors."""


class Comparison(msgspec.Struct, frozen=True, tag_field="op", tag="cmp", kw_only=True):
    """One attribute against one value (OpenAI's comparison filter). A chunk without the attribute never matches."""

    type: str
    """One of `eq ne gt gte lt lte in nin`; the last two take a list."""
    key: str
    value: Scalar | Sequence[Scalar]


class Compound(msgspec.Struct, frozen=True, tag_field="op", tag="all", kw_only=True):
    """Several filters at once (OpenAI's compound filter)."""

    type: str
    """`and` or `or`."""
    filters: Sequence["Filter"]


Filter = Comparison | Compound


class VectorIndexes(Protocol):
    """An opened vector provider: indexes by id, each owned by one tenant, each with fixed dimensions."""

    async def create(self, tenant: str, index_id: str, *, dimensions: int) -> None:
        """Make an empty index. `Conflict` if it exists."""
        ...

    async def drop(self, tenant: str, index_id: str) -> None:
        """Delete an index with everything in it. `NotFound` if there is none."""
        ...

    async def indexes(self, tenant: str) -> Sequence[str]:
        """Return the tenant's index ids, sorted."""
        ...

    async def upsert(self, tenant: str, index_id: str, chunks: Sequence[Chunk]) -> None:
        """Write chunks, replacing those with the same id. All or none; durable on return.

        Raises:
            NotFound: No such index of this tenant.
            InvalidRequest: An embedding has not the index's dimensions, or is not finite.
            UpstreamError, Unavailable: The vendor failed or is away.
        """
        ...

    async def delete(self, tenant: str, index_id: str, chunk_ids: Sequence[str]) -> None:
        """Remove chunks by id; unknown ids are no error."""
        ...

    async def nearest(
        self,
        tenant: str,
        index_id: str,
        query: Sequence[float],
        *,
        limit: int,
        floor: float = 0.0,
        where: Filter | None = None,
    ) -> list[Match]:
        """Return the chunks most similar to `query`, best first.

        Args:
            query: One embedding, shape `(dimensions,)`.
            limit: Most matches wanted, 1 to 50. Fewer come back when the index, filtered, is small.
            floor: Drop matches scoring below this.
            where: Consider only chunks whose attributes match.
        """
        ...
