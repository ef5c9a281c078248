"""Which indexes there are: one entry in a KV namespace for each, the same for every vector provider."""

import hashlib
from collections.abc import Sequence

import msgspec

from stackwright.errors import Conflict, InvalidRequest, NotFound
from stackwright.ids import mint
from stackwright.storage.kv import KV

KIND = "vector index"
_PAGE = 1000


class Index(msgspec.Struct, frozen=True):
    """An index and where its chunks are."""

    tenant: str
    id: str
    dimensions: int
    place: str
    """What the database calls it. Minted for each creation: an index made anew never meets the old one's chunks."""


class Indexes:
    """The registry of one provider's indexes."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv

    async def get(self, tenant: str, index_id: str) -> Index:
        """Return an index. `NotFound` if the tenant has none of that id."""
        value = await self._kv.get(_key(tenant, index_id))
        if value is None:
            raise NotFound(KIND, index_id)
        return msgspec.json.decode(value, type=Index)

    async def propose(self, tenant: str, index_id: str, dimensions: int) -> Index:
        """Return a new index that nobody sees before `add`. `Conflict` if there is one of that id already."""
        if dimensions < 1:
            raise InvalidRequest("'dimensions' must be at least 1.", param="dimensions")
        if await self._kv.get(_key(tenant, index_id)) is not None:
            raise _taken(index_id)
        return Index(tenant, index_id, dimensions, mint("stackwright-"))

    async def add(self, index: Index) -> None:
        """Make an index visible. `Conflict` if another was faster."""
        if not await self._kv.compare_and_set(_key(index.tenant, index.id), None, msgspec.json.encode(index)):
            raise _taken(index.id)

    async def remove(self, index: Index) -> None:
        """Forget an index, unless it has been made anew meanwhile."""
        await self._kv.compare_and_set(_key(index.tenant, index.id), msgspec.json.encode(index), None)

    async def of(self, tenant: str) -> Sequence[str]:
        """Return the tenant's index ids, sorted."""
        prefix, start, ids = _key(tenant, ""), "", list[str]()
        while entries := await self._kv.scan(prefix=prefix, start=start, limit=_PAGE):
            ids += [msgspec.json.decode(entry.value, type=Index).id for entry in entries]
            start = entries[-1].key + "\x01"
        return sorted(ids)


def _taken(index_id: str) -> Conflict:
    return Conflict(f"There is a {KIND} with id {index_id!r} already.", param="id")


def _key(tenant: str, index_id: str) -> str:
    """Return a key that fits any database, whatever the ids are made of; without `index_id`, all keys' prefix."""
    return f"{_digest(tenant)}:{_digest(index_id) if index_id else ''}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]
