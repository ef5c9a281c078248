"""The areas' stores on the backends that the run file gives them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from stackwright.areas.chat import CompletionStore
from stackwright.areas.conversations import ConversationStore
from stackwright.areas.prompts import Prompts
from stackwright.areas.responses import Journal, ResponseStore
from stackwright.config.runfile import RunFile
from stackwright.errors import StackwrightError
from stackwright.jobs import JobQueue
from stackwright.storage.backends import NamedBackends
from stackwright.storage.sql import Migration
from stackwright.storage.sql.aging import Sweep
from stackwright.storage.sql.writer import WriteQueue

_MOST_CHANGES = 10_000


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


class Kept(NamedTuple):
    """A part of what the run file calls a store, and where it is."""

    key: str
    """Which of `storage.stores` it belongs to."""
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
    ]


def sweeps(key: str, run: RunFile, backends: NamedBackends) -> Sequence[Sweep]:
    """Return what removes the old rows of one of `storage.stores`."""
    match key:
        case "inference":
            return [completion_store(run, backends).old]
        case "conversations":
            return [conversation_store(run, backends).old]
        case "responses":
            return [response_store(run, backends).old]
        case "prompts":
            return prompts(run, backends).old
        case _:
            raise StackwrightError(f"storage.stores.{key} has no retention: nothing here knows what may go.")
