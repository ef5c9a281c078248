"""The areas' stores on the backends that the run file gives them."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from stackwright.areas.chat import CompletionStore
from stackwright.areas.conversations import ConversationStore
from stackwright.areas.files import FileStore
from stackwright.areas.prompts import Prompts
from stackwright.areas.responses import Journal, ResponseStore
from stackwright.config.files import FilesConfig
from stackwright.config.runfile import ProviderEntry, RunFile
from stackwright.config.storage import StoreReference
from stackwright.errors import StackwrightError
from stackwright.jobs import JobQueue
from stackwright.providers.registry import TYPES
from stackwright.storage.backends import NamedBackends
from stackwright.storage.sql import Migration
from stackwright.storage.sql.aging import Sweep
from stackwright.storage.sql.lease import LeaseTable
from stackwright.storage.sql.writer import WriteQueue

FILES: Final = "files"
"""What the store of files is called, whose reference is its provider's."""
FILES_PATH = f"providers.{FILES}[0].config.metadata_store"
_FILES = "inline::localfs"
_FILES_TABLE = "files_metadata"
_MOST_CHANGES = 10_000
_MADE = re.compile(r'CREATE TABLE "?(\w+)"?')
_SEEDED = re.compile(r'INSERT INTO "?(\w+)"?')
_TIME = re.compile(r'"?\b(created(?:_at)?)"? (?:BIGINT|DOUBLE)')


def completion_store(run: RunFile, backends: NamedBackends) -> CompletionStore:
    """Return the store of chat completions behind its own queue of writes."""
    settings = run.storage.stores.inference
    queue = WriteQueue(backends.sql(settings), max_waiting=settings.max_write_queue_size, batches=settings.num_writers)
    return CompletionStore(queue, settings.table_name)


def conversation_store(run: RunFile, backends: NamedBackends) -> ConversationStore:
    """Return the store of conversations. Its writes wait for the database alone: a response's end is one of them."""
    settings = run.storage.stores.conversations
    return ConversationStore(backends.sql(settings), settings.table_name)


def prompts(run: RunFile, backends: NamedBackends) -> Prompts:
    """Return the prompts, and what is remembered of them. Their changes queue here, not for connections."""
    settings = run.storage.stores.prompts
    queue = WriteQueue(backends.sql(settings), max_waiting=_MOST_CHANGES, batches=1)
    return Prompts(queue, settings.table_name)


def response_store(run: RunFile, backends: NamedBackends) -> ResponseStore:
    """Return the store of responses behind its own queue of writes."""
    settings = run.storage.stores.responses
    return ResponseStore(WriteQueue(backends.sql(settings), max_waiting=10_000, batches=4), settings.table_name)


def response_jobs(run: RunFile, backends: NamedBackends) -> JobQueue:
    """Return the queue of responses that are made in the background."""
    settings, limits = run.storage.stores.responses, run.responses.background
    backend = backends.sql(settings)
    return JobQueue(
        backend,
        f"{settings.table_name}_jobs",
        most_waiting=limits.queue,
        lease=limits.lease_seconds,
        keep=limits.events_seconds,
        forgetting=Journal(backend, settings.table_name).deleting,
    )


def files_provider(run: RunFile) -> ProviderEntry:
    """Return the provider of files: where the run file has none, a folder of this machine."""
    if given := run.providers.get("files"):
        return given[0]
    default = "sql_default" if "sql_default" in run.storage.backends else run.storage.stores.responses.backend
    config = TYPES[_FILES].config(metadata_store={"backend": default, "table_name": _FILES_TABLE})
    return ProviderEntry(provider_id="files", provider_type=_FILES, config=config)


def file_store(run: RunFile, backends: NamedBackends) -> FileStore:
    """Return the store of files."""
    settings = files_reference(run)
    return FileStore(backends.sql(settings), settings.table_name)


def files_reference(run: RunFile) -> StoreReference:
    """Return where the rows of files are."""
    provider = files_provider(run)
    if not isinstance(provider.config, FilesConfig):
        raise StackwrightError(f"{provider.provider_type} says nothing of a metadata_store, where files have rows.")
    return provider.config.metadata_store


def references(run: RunFile) -> dict[str, StoreReference]:
    """Return where every store of rows is."""
    stores = {name: reference for name, reference in run.storage.stores if isinstance(reference, StoreReference)}
    return {**stores, FILES: files_reference(run)}


class SqlStore(Protocol):
    """What keeps its rows in tables of its own."""

    @property
    def name(self) -> str:
        """What migrations call it."""
        ...

    @property
    def migrations(self) -> Sequence[Migration]:
        """Every step from nothing to the present schema."""
        ...

    async def prepare(self) -> None:
        """Make the tables, or bring older ones up to date."""
        ...


class MadeTable(NamedTuple):
    """A table that migrations make."""

    name: str
    seeded: bool
    """Whether they put rows into it."""
    time: str | None
    """The column that says when a row was made, in seconds since 1970, if it has one."""


class Kept(NamedTuple):
    """A part of what the run file calls a store, and where it is."""

    key: str
    """Which of `storage.stores` it belongs to, or `files`."""
    backend: str
    store: SqlStore


def sql_stores(run: RunFile, backends: NamedBackends) -> list[Kept]:
    """Return everything that has a schema."""
    stores = run.storage.stores
    return [
        Kept("inference", stores.inference.backend, completion_store(run, backends)),
        Kept("conversations", stores.conversations.backend, conversation_store(run, backends)),
        Kept("prompts", stores.prompts.backend, prompts(run, backends)),
        Kept("responses", stores.responses.backend, response_store(run, backends)),
        Kept("responses", stores.responses.backend, response_jobs(run, backends)),
        Kept(FILES, files_reference(run).backend, file_store(run, backends)),
    ]


def schemas(run: RunFile, backends: NamedBackends) -> list[tuple[str, SqlStore]]:
    """Return everything that makes tables of rows, each with its backend: stores, providers, and what they share."""
    leases = [one for one in references(run).values() if one.seconds is not None]
    found: list[tuple[str, SqlStore]] = [(kept.backend, kept.store) for kept in sql_stores(run, backends)]
    found += [(one.backend, LeaseTable(backends.sql(one))) for one in leases]
    for entry in (entry for entries in run.providers.values() for entry in entries):
        if (schema_of := TYPES[entry.provider_type].schema) is not None:
            schema = schema_of(entry.config, backends)
            found.append((schema.backend_name, schema))
    return found


def tables_of(store: SqlStore) -> list[MadeTable]:
    """Return the tables that a store's migrations make."""
    steps = [step for migration in store.migrations for step in migration.steps]
    seeded = {found[1] for step in steps if (found := _SEEDED.match(step))}
    made = [(found[1], _TIME.search(step)) for step in steps if (found := _MADE.match(step))]
    return [MadeTable(name, name in seeded, time[1] if time else None) for name, time in made]


def sweeps(key: str, run: RunFile, backends: NamedBackends) -> Sequence[Sweep]:
    """Return what removes the old rows of a store."""
    match key:
        case "inference":
            return [completion_store(run, backends).old]
        case "conversations":
            return [conversation_store(run, backends).old]
        case "responses":
            return [response_store(run, backends).old]
        case "prompts":
            return prompts(run, backends).old
        case "files":
            return [file_store(run, backends).old]
        case _:
            raise StackwrightError(f"storage.stores.{key} has no retention: nothing here knows what may go.")
