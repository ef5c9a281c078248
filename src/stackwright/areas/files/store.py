"""Where it is written which files there are, and which bytes nobody has any more.

Bytes and rows are in two places, which no transaction spans. So what is on disk without a row is written down before it
is: `spare` holds the ids of bytes that are to be removed unless a file takes them, in the transaction that makes its
row. A process may end anywhere between, and what it left is found later.
"""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Mapping, Sequence

from msgspec import Struct

from stackwright.areas.files.retention import OldFiles
from stackwright.errors import NotFound, Unavailable
from stackwright.kit.page import Order
from stackwright.storage.sql import Do, Migration, Script, SqlBackend, Value
from stackwright.storage.sql.columns import quoted
from stackwright.storage.sql.rows import Slice, Table
from stackwright.storage.sql.store import Store

_BATCH = 100


class StoredFile(Struct):
    """One row."""

    id: str
    created: int
    bytes: int
    filename: str
    purpose: str
    content_type: str
    sha256: str
    expires: int | None


class FileStore(Store[StoredFile]):
    """Files without their bytes. The tenant comes first in every call that is about one file."""

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._backend = backend
        spare, table = quoted(f"{table_name}_spare"), quoted(table_name)
        self._spare = backend.render(
            f"INSERT INTO {spare} (id, since) VALUES ($1, CAST({{now}} AS BIGINT)) ON CONFLICT (id) DO NOTHING"
        )
        self._take = backend.render(f"DELETE FROM {spare} WHERE id = $1 RETURNING id")
        self._spares = backend.render(
            f"SELECT id FROM {spare} WHERE since <= CAST({{now}} - $1 AS BIGINT) ORDER BY since LIMIT {_BATCH}"
        )
        self._expire = backend.render(
            f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM {table} WHERE expires <= CAST({{now}} AS BIGINT) "
            f"ORDER BY expires LIMIT {_BATCH}) RETURNING id"
        )
        self.old = OldFiles(backend, table_name, self.sparing)
        made = [
            f"CREATE TABLE {spare} (id TEXT PRIMARY KEY, since BIGINT NOT NULL)",
            f"CREATE INDEX {quoted(f'{table_name}_spare_since')} ON {spare} (since)",
            f"CREATE INDEX {quoted(f'{table_name}_expires')} ON {table} (expires)",
        ]
        rows = Table(
            backend,
            table_name,
            StoredFile,
            kind="file",
            indexes=[["purpose"]],
            later=[Migration(2, made), self.old.migration(version=3)],
            # Not with OR, for which SQLite takes the wrong index.
            alive="coalesce(expires > {now}, TRUE)",
        )
        super().__init__(rows)

    async def spare(self, id: str) -> None:
        """Note bytes that are about to be there, and that no file has yet."""
        await self._backend.commit(Do(self._spare, (id,)))

    async def add(self, tenant: str, file: StoredFile) -> None:
        """Write a file whose bytes were noted as spare, which they are no more."""
        await self._backend.transact(lambda: self.adding(tenant, file))

    def adding(self, tenant: str, file: StoredFile) -> Script[None]:
        """See `add`."""
        if not (yield Do(self._take, (file.id,))):
            raise Unavailable("The file took too long to be kept. Send it again.")
        yield self._table.insert_do(tenant, file)

    async def get(self, tenant: str, id: str) -> StoredFile:
        """Return a file's row. `NotFound` also when its time is over."""
        return await self._table.get(tenant, id)

    async def page(
        self, tenant: str, *, after: str | None, order: Order, limit: int, where: Mapping[str, Value]
    ) -> Slice[StoredFile]:
        """Return some files by order of making."""
        return await self._table.page(tenant, after=after, order=order, limit=limit, where=where)

    async def delete(self, tenant: str, id: str) -> None:
        """Delete a file's row; its bytes are spare then."""
        await self._backend.transact(lambda: self._deleting(tenant, id))

    def _deleting(self, tenant: str, id: str) -> Script[None]:
        if not (yield self._table.delete_do(tenant, id)):
            raise NotFound(self._table.kind, id)
        yield from self.sparing([id])

    def sparing(self, ids: Sequence[str]) -> Script[None]:
        """Note that the bytes of these are spare."""
        for one in ids:
            yield Do(self._spare, (one,))

    async def expire(self) -> int:
        """Delete the rows of some files whose time is over, and return how many."""
        return await self._backend.transact(self._expiring)

    def _expiring(self) -> Script[int]:
        gone = [one for (one,) in (yield Do(self._expire, ()))]
        yield from self.sparing(gone)
        return len(gone)

    async def spares(self, age: float) -> list[str]:
        """Return the ids of some bytes that have been spare for so many seconds."""
        return [one for (one,) in await self._backend.fetch(self._spares, age)]

    async def forget(self, id: str) -> None:
        """Spare bytes are gone."""
        await self._backend.commit(Do(self._take, (id,)))
