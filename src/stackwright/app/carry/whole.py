"""The whole of it: every place of the old run file, store by store, into the new run file's."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from stackwright.app import stores
from stackwright.app.carry import completions, conversations, files, layouts, prompts, responses
from stackwright.app.carry.aside import InTheWay, Taken, in_the_way, set_aside
from stackwright.app.carry.blobs import CarryingFiles
from stackwright.app.carry.carrying import Carrying
from stackwright.app.carry.course import Course, Progress, Reader, once
from stackwright.app.carry.keys import sort_out
from stackwright.app.carry.layouts import Found
from stackwright.app.carry.models import Models
from stackwright.app.carry.report import Left, Report, Tally
from stackwright.app.carry.shelves import Answers, Completions, D, Shelf, Talks, Uploads
from stackwright.areas.models import Registry
from stackwright.config.llama_stack import OldFile, Place
from stackwright.config.runfile import RunFile
from stackwright.config.sharing import file_of
from stackwright.config.storage import SqliteBackend
from stackwright.providers.registry import TYPES
from stackwright.providers.registry import opened as opened_provider
from stackwright.storage.backends import NamedBackends
from stackwright.storage.foreign import ForeignKeys, ForeignRows
from stackwright.storage.foreign.keys import ForeignKeyTable
from stackwright.storage.foreign.source import opened
from stackwright.storage.present import present
from stackwright.storage.sql import SqlBackend
from stackwright.storage.sql.migrate import status

_DEADLINE = 5.0

ABSENT = "the file is not there"
UNNAMED = "the old run file does not name this table"
ORPHANS = "their conversation was deleted"
REBUILT = "a copy of what is in the items"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to carry."""

    tenant: str = "default"
    dry_run: bool = False
    set_aside: bool = False


async def carry(old: OldFile, new: RunFile, options: Options, progress: Progress) -> Report:
    """Carry every row over, and return what became of each.

    Raises:
        Taken: Tables of Llama Stack's are where ours are to be, and `set_aside` is not given.
        StackwrightError: A database is away, or refused. What is done is done; run again, and it goes on.
    """
    report = Report(options.dry_run)
    async with _connected(new, options) as backends:
        taken = await in_the_way(new, backends)
        if taken and not options.set_aside:
            raise Taken(taken)
        await _make_room(taken, new, backends, report)
        whole = _Whole(old, new, backends, taken, options, report, progress)
        for place in old.places:
            await whole.place(place)
    return report


@asynccontextmanager
async def _connected(new: RunFile, options: Options) -> AsyncIterator[NamedBackends]:
    """Open the databases without making a table, which one of Llama Stack's may be in the way of."""
    backends = NamedBackends(new.storage, label="migrate data", read_only=options.dry_run)
    try:
        await backends.start()
        await backends.check(_DEADLINE)
        yield backends
    finally:
        await backends.stop()


async def _make_room(taken: Sequence[InTheWay], new: RunFile, backends: NamedBackends, report: Report) -> None:
    if report.dry_run:
        report.aside = [(one.name, one.aside) for one in taken]
        return
    report.aside = await set_aside(taken)
    await backends.prepare()
    for kept in stores.sql_stores(new, backends):
        await kept.store.prepare()
    await backends.check(_DEADLINE)


@dataclass
class _Whole:
    old: OldFile
    new: RunFile
    backends: NamedBackends
    taken: Sequence[InTheWay]
    options: Options
    report: Report
    progress: Progress

    async def place(self, place: Place) -> None:
        """Carry over what is in one database."""
        backend = place.backend
        if isinstance(backend, SqliteBackend) and not present(file_of(backend)):
            self.report.left.append(Left(place.path, str(file_of(backend)), 0, ABSENT))
            return
        async with opened(backend) as source:
            if isinstance(source, ForeignRows):
                await self.rows(source)
            else:
                await self.keys(source)

    async def rows(self, source: ForeignRows) -> None:
        """Carry over the tables of a SQL database."""
        found = await layouts.look(source, self.old)
        for table in found:
            if not table.named:
                self._leave(f"{table.kind} '{table.name}'", source.address, await _count(source, table), UNNAMED)
        tables = [table for table in found if table.named]
        items = next((table for table in tables if table.kind == "conversation items"), None)
        for table in tables:
            await self.table(source, table, items)

    async def table(self, source: ForeignRows, table: Found, items: Found | None) -> None:
        """Carry over one table."""
        references = self.new.storage.stores
        match table.kind:
            case "chat completions":
                sql = self.backends.sql(references.inference)
                shelf = Completions(sql, references.inference.table_name)
                await self._carry(shelf, partial(completions.read, source, table), source, table)
            case "conversations":
                talks = Talks(self.backends.sql(references.conversations), references.conversations.table_name)
                await self._carry(talks, partial(conversations.read, source, table, items), source, table)
                if items is not None:
                    self._leave("conversation items", source.address, await _orphans(source, table, items), ORPHANS)
            case "responses":
                sql = self.backends.sql(references.responses)
                store = stores.response_store(self.new, self.backends)
                answers = Answers(store, sql, references.responses.table_name)
                await self._carry(answers, partial(responses.read, source, table), source, table)
            case "prompts":
                found = [one async for one in prompts.from_rows(source, table)]
                await (await self._prompts()).carry(found, _where(source, table), self.report)
            case "keys":
                await self.keys(ForeignKeyTable(source, table.name))
            case "files":
                await self.files(source, table)
            case "conversation messages":
                self._leave(table.kind, source.address, await _count(source, table), REBUILT)

    async def files(self, source: ForeignRows, table: Found) -> None:
        """Carry over files, their bytes too."""
        where, rows, now = _where(source, table), await _count(source, table), int(time.time())
        if why := files.why_left(self.old.files, table):
            self._leave("files", where, rows, why)
            return
        over = await files.over(source, table, now)
        self._leave("files", where, over, files.OVER)
        tally = Tally("files", where, rows=rows - over, owned=await _owned(source, table))
        self.report.tallies.append(tally)
        sql, store = self.backends.sql(stores.files_reference(self.new)), stores.file_store(self.new, self.backends)
        provider, read = (
            stores.files_provider(self.new),
            partial(files.read, source, table, files.Folders(self.old.files), now),
        )
        async with opened_provider(TYPES[provider.provider_type], provider.config, self.backends) as blobs:
            course = Course(once(read, await _twice(source, table)), tally, self.progress)
            carrying = CarryingFiles(Uploads(store, sql), blobs, self.options.tenant, course)
            await carrying.run(dry_run=self.options.dry_run, empty=not await self._made(sql, store.name))

    async def keys(self, source: ForeignKeys) -> None:
        """Carry over what is among some keys."""
        found = await sort_out(source, self.old.namespaces)
        self.report.left += found.left
        if found.models:
            models = await self._models()
            await models.carry(source, found.models, self.options.tenant, self.report)
        if found.prompts:
            some = [one async for one in prompts.from_keys(source, found.prompts)]
            await (await self._prompts()).carry(some, source.address, self.report)

    async def _models(self) -> Models:
        reference = self.new.storage.stores.metadata
        table = self.backends.tables.get(reference.backend)
        served = [entry.provider_id for entry in self.new.providers.get("inference", [])]
        declared = [one.model_id for one in self.new.registered_models]
        made = table is None or await self._made(table.database, table.name)
        return Models(Registry(self.backends.kv(reference)), served, declared, made=made)

    async def _prompts(self) -> prompts.Shelf:
        ours = stores.prompts(self.new, self.backends)
        made = await self._made(self.backends.sql(self.new.storage.stores.prompts), ours.name)
        return prompts.Shelf(ours, self.options.tenant, made=made)

    async def _carry(self, shelf: Shelf[D], read: Reader[D], source: ForeignRows, table: Found) -> None:
        tally = Tally(table.kind, _where(source, table), rows=await _count(source, table))
        tally.owned = await _owned(source, table)
        self.report.tallies.append(tally)
        empty = not await self._made(shelf.backend, shelf.table)
        course = Course(once(read, await _twice(source, table)), tally, self.progress)
        carrying = Carrying(shelf, self.options.tenant, course)
        await carrying.run(dry_run=self.options.dry_run, empty=empty)

    async def _made(self, backend: SqlBackend, store: str) -> bool:
        """False in a dry run when our table is not there, or another one is still in its place."""
        return not self.options.dry_run or store in await status(backend)

    def _leave(self, what: str, where: str, rows: int, why: str) -> None:
        if rows:
            self.report.left.append(Left(what, where, rows, why))


def _where(source: ForeignRows, table: Found) -> str:
    return f"{source.address} {table.name}"


async def _count(source: ForeignRows, table: Found) -> int:
    return int((await source.fetch(f"SELECT COUNT(*) FROM {table.quoted}"))[0][0])  # noqa: S608 - quoted


async def _twice(source: ForeignRows, table: Found) -> frozenset[str]:
    """Return the ids that several rows have. An old table may be without a primary key."""
    sql = f"SELECT id FROM {table.quoted} GROUP BY id HAVING COUNT(*) > 1"  # noqa: S608 - quoted
    return frozenset(name for (name,) in await source.fetch(sql) if isinstance(name, str))


async def _owned(source: ForeignRows, table: Found) -> int:
    if "owner_principal" not in table.columns:
        return 0
    sql = f"SELECT COUNT(*) FROM {table.quoted} WHERE owner_principal <> ''"  # noqa: S608 - quoted
    return int((await source.fetch(sql))[0][0])


async def _orphans(source: ForeignRows, table: Found, items: Found) -> int:
    sql = (
        f"SELECT COUNT(*) FROM {items.quoted} i WHERE NOT EXISTS "  # noqa: S608 - quoted
        f"(SELECT 1 FROM {table.quoted} c WHERE c.id = i.conversation_id)"
    )
    return int((await source.fetch(sql))[0][0])
