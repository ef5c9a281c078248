"""Who keeps state: the stores and the providers of a run file, each with the backend that it refers to."""

from collections.abc import Iterator
from typing import NamedTuple

from stackwright.app.stores import FILES, FILES_PATH, files_provider
from stackwright.config.references import references_in
from stackwright.config.runfile import RunFile
from stackwright.config.storage import KVReference, SqlReference


class User(NamedTuple):
    """A store or a provider that refers to a backend."""

    name: str
    path: str
    """Where its reference is in the run file."""
    reference: KVReference | SqlReference
    ours: bool
    """Whether it is a store of ours; a provider keeps its tables itself."""


def users_of(run: RunFile) -> Iterator[User]:
    """Return everything that refers to a backend."""
    for name, reference in run.storage.stores:
        yield User(name, f"storage.stores.{name}", reference, ours=True)
    for api, entries in {FILES: (files_provider(run),), **run.providers}.items():
        for number, entry in enumerate(entries):
            for path, reference in references_in(entry.config, f"providers.{api}[{number}].config"):
                ours = path == FILES_PATH
                yield User(FILES if ours else entry.provider_id, path, reference, ours)
