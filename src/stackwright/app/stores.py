"""The areas' stores on the backends that the run file gives them."""

from stackwright.areas.chat import CompletionStore
from stackwright.config.runfile import RunFile
from stackwright.storage.backends import BackendCatalog
from stackwright.storage.sql.writer import WriteQueue


def completion_store(run: RunFile, backends: BackendCatalog) -> CompletionStore:
    """Return the store of chat completions behind its own queue of writes."""
    settings = run.storage.stores.inference
    queue = WriteQueue(backends.sql(settings), max_waiting=settings.max_write_queue_size, batches=settings.num_writers)
    return CompletionStore(queue, settings.table_name)
