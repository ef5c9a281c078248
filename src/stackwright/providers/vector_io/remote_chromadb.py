"""Vectors in a Chroma server: one collection for each index."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from pydantic import Field, PositiveFloat, field_validator

from stackwright.config.secret import Secret
from stackwright.config.section import Section
from stackwright.config.storage import KVReference
from stackwright.errors import NotFound
from stackwright.ports.vectors import Chunk, Comparison, Compound, Filter, Match, Scalar
from stackwright.providers.provider import Backends, Provider
from stackwright.providers.vector_io.checks import (
    check_filter,
    check_limit,
    direction,
    kind,
    listed,
    matches,
    ready,
    score,
)
from stackwright.providers.vector_io.chroma_api import Chroma, Missing
from stackwright.providers.vector_io.indexes import KIND, Index, Indexes

ATTRIBUTES = "attributes"
"""Where the attributes are kept as JSON, for giving them back as they were."""


class Config(Section):
    """Which Chroma server, and where we note the indexes in it."""

    url: str = Field(description="Of the server: `http://localhost:8000`.")
    persistence: KVReference = Field(description="Where the list of indexes is kept.")
    api_token: Secret | None = Field(None, description="Sent as bearer token and as `X-Chroma-Token`.")
    tenant: str = Field("default_tenant", min_length=1, description="Chroma's tenant, for all of ours.")
    database: str = Field("default_database", min_length=1, description="Chroma's database.")
    timeout: PositiveFloat = Field(30.0, description="Seconds a request may take.")

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("starts with http:// or https://")
        return url


class ChromaIndexes:
    """See `VectorIndexes`. Chroma compares metadata by type and lets `$ne` match what is not there; we do neither."""

    def __init__(self, chroma: Chroma, indexes: Indexes) -> None:
        self._chroma = chroma
        self._indexes = indexes

    async def create(self, tenant: str, index_id: str, *, dimensions: int) -> None:
        """See `VectorIndexes.create`."""
        index = await self._indexes.propose(tenant, index_id, dimensions)
        new = {"name": index.place, "configuration": {"hnsw": {"space": "cosine"}}}
        made = await self._chroma.call("POST", "", new)
        # From here on it is addressed by Chroma's own id, as everything but deleting demands.
        await self._indexes.add(msgspec.structs.replace(index, place=f"{index.place} {made['id']}"))

    async def drop(self, tenant: str, index_id: str) -> None:
        """See `VectorIndexes.drop`."""
        index = await self._indexes.get(tenant, index_id)
        # In this order a crash in between leaves an index that can be dropped again.
        with suppress(Missing):
            await self._chroma.call("DELETE", f"/{index.place.partition(' ')[0]}")
        await self._indexes.remove(index)

    async def indexes(self, tenant: str) -> Sequence[str]:
        """See `VectorIndexes.indexes`."""
        return await self._indexes.of(tenant)

    async def upsert(self, tenant: str, index_id: str, chunks: Sequence[Chunk]) -> None:
        """See `VectorIndexes.upsert`."""
        index = await self._indexes.get(tenant, index_id)
        records = await asyncio.to_thread(_records, chunks, index.dimensions)
        if not chunks:
            return
        old = await self._ask(index, "get", {"ids": records["ids"], "include": ["metadatas"]})
        before = dict(zip(old["ids"], old["metadatas"], strict=True))
        # Chroma adds new metadata to the old; a key goes away only by name.
        for chunk_id, metadata in zip(records["ids"], records["metadatas"], strict=True):
            metadata.update({key: None for key in before.get(chunk_id) or () if key not in metadata})
        await self._ask(index, "upsert", records)

    async def delete(self, tenant: str, index_id: str, chunk_ids: Sequence[str]) -> None:
        """See `VectorIndexes.delete`."""
        index = await self._indexes.get(tenant, index_id)
        if chunk_ids:
            await self._ask(index, "delete", {"ids": list(chunk_ids)})

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
        """See `VectorIndexes.nearest`."""
        check_limit(limit)
        if where is not None:
            check_filter(where)
        index = await self._indexes.get(tenant, index_id)
        asked = {
            "query_embeddings": [direction(query, index.dimensions, "The query")],
            "n_results": limit,
            "include": ["documents", "metadatas", "distances"],
            "where": None if where is None else _where(where),
        }
        found = await self._ask(index, "query", asked)
        rows = zip(found["ids"][0], found["documents"][0], found["metadatas"][0], found["distances"][0], strict=True)
        candidates = (_match(*row) for row in rows)
        # Two writers of one chunk at the same moment may leave each other's metadata behind; its attributes are exact.
        return [
            match
            for match in candidates
            if match.score >= floor and (where is None or matches(where, match.attributes))
        ]

    async def _ask(self, index: Index, verb: str, body: Any) -> Any:
        try:
            return await self._chroma.call("POST", f"/{index.place.partition(' ')[2]}/{verb}", body)
        except Missing:
            raise NotFound(KIND, index.id) from None


def _records(chunks: Sequence[Chunk], dimensions: int) -> dict[str, list[Any]]:
    """Return Chroma's columns for chunks. Takes milliseconds for a thousand: not for the event loop."""
    good = list(ready(chunks, dimensions))
    return {
        "ids": [chunk.id for chunk in good],
        "embeddings": [chunk.embedding for chunk in good],
        "documents": [chunk.text for chunk in good],
        "metadatas": [_metadata(chunk.attributes) for chunk in good],
    }


def _metadata(attributes: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return what filters look at: for each attribute its value under a name that tells its kind, and a mark that it
    is there at all."""
    metadata: dict[str, Any] = {ATTRIBUTES: msgspec.json.encode(attributes).decode()}
    for key, value in attributes.items():
        metadata[f"there:{key}"] = True
        metadata[f"{kind(value)}:{key}"] = _stored(value)
    return metadata


def _stored(value: Scalar) -> Scalar:
    return float(value) if kind(value) == "n" else value


def _where(where: Filter) -> dict[str, Any]:
    if isinstance(where, Compound):
        return {f"${where.type}": [_where(part) for part in where.filters]}
    if where.type in ("gt", "gte", "lt", "lte"):
        return {f"n:{where.key}": {f"${where.type}": float(where.value)}}  # type: ignore[arg-type]
    return _equality(where)


def _equality(where: Comparison) -> dict[str, Any]:
    wanted = where.type in ("eq", "in")
    tests: list[dict[str, Any]] = [
        {f"{kind(value)}:{where.key}": {"$eq" if wanted else "$ne": _stored(value)}} for value in listed(where)
    ]
    if wanted:
        # Of an empty list nothing is a member; Chroma has no word for "never" but an empty alternative.
        return {"$or": tests}
    return {"$and": [{f"there:{where.key}": {"$eq": True}}, *tests]}


def _match(id: str, text: str | None, metadata: Mapping[str, Any], distance: float | None) -> Match:
    return Match(
        id=id,
        text=text or "",
        attributes=msgspec.json.decode(metadata[ATTRIBUTES]),
        score=score(1.0 if distance is None else distance),
    )


@asynccontextmanager
async def connect(config: Config, backends: Backends) -> AsyncIterator[ChromaIndexes]:
    """Get ready to talk to Chroma. Whether it is there shows at the first request."""
    indexes = Indexes(backends.kv(config.persistence))
    chroma = Chroma(
        config.url, tenant=config.tenant, database=config.database, token=config.api_token, timeout=config.timeout
    )
    try:
        yield ChromaIndexes(chroma, indexes)
    finally:
        chroma.close()


PROVIDER = Provider(
    type="remote::chromadb",
    api="vector_io",
    summary="Vectors in a Chroma server",
    config=Config,
    open=connect,
)
