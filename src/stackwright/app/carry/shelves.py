"""Our side: what is there of some rows, and how to write one."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol, TypeVar

from stackwright.app.carry.conversations import Talk
from stackwright.app.carry.responses import Answer
from stackwright.areas import chat, conversations, files, responses
from stackwright.storage.sql import Row, Script, SqlBackend, Value
from stackwright.storage.sql.columns import Columns, places, quoted
from stackwright.storage.sql.rows import Table


class Document(Protocol):
    """A row with everything that belongs to it."""

    @property
    def id(self) -> str:
        """What tells it from others of its kind."""
        ...


D = TypeVar("D", bound=Document)


class Shelf(Protocol[D]):
    """Where documents of one kind are kept."""

    backend: SqlBackend
    table: str

    async def kept(self, tenant: str, ids: Sequence[str]) -> dict[str, D]:
        """Return those that are there, by id."""
        ...

    def adding(self, tenant: str, document: D) -> Script[None]:
        """Write one that is not there."""
        ...

    def as_carried(self, carried: D, kept: D) -> D:
        """Return what is there without what came to it here."""
        ...


class Completions:
    """Chat completions. What changes here is their metadata, of which Llama Stack has none."""

    def __init__(self, backend: SqlBackend, table: str) -> None:
        self.backend = backend
        self.table = table
        self._table = Table(backend, table, chat.StoredCompletion, kind="chat completion")
        self._columns = self._table.columns
        self._select = f"SELECT {self._columns.listed} FROM {quoted(table)} WHERE tenant = $1 AND id IN "

    async def kept(self, tenant: str, ids: Sequence[str]) -> dict[str, chat.StoredCompletion]:
        """See `Shelf`."""
        rows = await _among(self.backend, self._select, [tenant], ids)
        return {row.id: row for row in map(self._columns.decode, rows)}

    def adding(self, tenant: str, document: chat.StoredCompletion) -> Script[None]:
        """See `Shelf`."""
        yield self._table.insert_do(tenant, document)

    def as_carried(self, carried: chat.StoredCompletion, kept: chat.StoredCompletion) -> chat.StoredCompletion:
        """See `Shelf`."""
        return kept


class Talks:
    """Conversations with their items."""

    def __init__(self, backend: SqlBackend, table: str) -> None:
        self.backend = backend
        self.table = table
        self._store = conversations.ConversationStore(backend, table)
        self._table = Table(backend, table, conversations.StoredConversation, kind="conversation")
        self._select = (
            f"SELECT c.id, c.created, c.metadata, i.id, i.body FROM {quoted(table)} c "
            f"LEFT JOIN {quoted(f'{table}_items')} i ON i.conversation = c.seq WHERE c.tenant = $1 AND c.id IN "
        )

    async def kept(self, tenant: str, ids: Sequence[str]) -> dict[str, Talk]:
        """See `Shelf`."""
        rows = await _among(self.backend, self._select, [tenant], ids, " ORDER BY c.seq, i.position")
        found: dict[str, Talk] = {}
        for (name, created, metadata), group in groupby(rows, key=lambda row: row[:3]):
            items = [conversations.ItemRow(item, body) for *_, item, body in group if item is not None]
            found[name] = Talk(name, created, metadata, items)
        return found

    def adding(self, tenant: str, document: Talk) -> Script[None]:
        """See `Shelf`."""
        row = conversations.StoredConversation(document.id, document.created, document.metadata, 0)
        yield self._table.insert_do(tenant, row)
        if document.items:
            yield from self._store.appending_new(tenant, document.id, document.items)

    def as_carried(self, carried: Talk, kept: Talk) -> Talk:
        """See `Shelf`. It may have gone on here."""
        return Talk(kept.id, kept.created, kept.metadata, kept.items[: len(carried.items)])


class Answers:
    """Responses with their items."""

    def __init__(self, store: responses.ResponseStore, backend: SqlBackend, table: str) -> None:
        self.backend = backend
        self.table = table
        self._store = store
        self._columns = Columns(responses.StoredResponse)
        self._select = f"SELECT {self._columns.listed} FROM {quoted(table)} WHERE tenant = $1 AND id IN "
        self._items = (
            f"SELECT response_id, item_id, body, output FROM {quoted(f'{table}_items')} "
            "WHERE tenant = $1 AND response_id IN "
        )

    async def kept(self, tenant: str, ids: Sequence[str]) -> dict[str, Answer]:
        """See `Shelf`."""
        rows = await _among(self.backend, self._select, [tenant], ids)
        found = {row.id: Answer(row, []) for row in map(self._columns.decode, rows)}
        if found:
            order = " ORDER BY response_id, place"
            for name, item, body, output in await _among(self.backend, self._items, [tenant], list(found), order):
                found[name].items.append(responses.ItemRow(item, body, bool(output)))
        return found

    def adding(self, tenant: str, document: Answer) -> Script[None]:
        """See `Shelf`."""
        yield from self._store.inserting(tenant, document.row, document.items)

    def as_carried(self, carried: Answer, kept: Answer) -> Answer:
        """See `Shelf`."""
        return kept


class Uploads:
    """Files without their bytes."""

    def __init__(self, store: files.FileStore, backend: SqlBackend) -> None:
        self._backend = backend
        self._store = store
        self._columns = Columns(files.StoredFile)
        self._select = f"SELECT tenant, {self._columns.listed} FROM {quoted(store.name)} WHERE id IN "

    async def kept(self, ids: Sequence[str]) -> dict[str, tuple[str, files.StoredFile]]:
        """Return those that are there by id, each with its tenant: the bytes of all tenants are in one place."""
        rows = await _among(self._backend, self._select, [], ids)
        return {row.id: (tenant, row) for tenant, row in ((one[0], self._columns.decode(one[1:])) for one in rows)}

    async def spare(self, ids: Sequence[str]) -> None:
        """Note bytes that are about to be there."""
        await self._backend.transact(lambda: self._store.sparing(ids))

    async def add(self, tenant: str, rows: Sequence[files.StoredFile]) -> None:
        """Write files whose bytes are there."""
        await self._backend.transact(lambda: self._adding(tenant, rows))

    def _adding(self, tenant: str, rows: Sequence[files.StoredFile]) -> Script[None]:
        for row in rows:
            yield from self._store.adding(tenant, row)


async def _among(
    backend: SqlBackend, sql: str, before: Sequence[Value], ids: Sequence[str], order: str = ""
) -> list[Row]:
    if not ids:
        return []
    return await backend.fetch(backend.render(f"{sql}({places(len(ids), len(before) + 1)}){order}"), *before, *ids)
