"""Which of Llama Stack's tables is which, by its columns: their names changed, and are the run file's to choose."""

from typing import NamedTuple

from stackwright.config.llama_stack import OldFile
from stackwright.storage.foreign import ForeignRows, identifier
from stackwright.storage.foreign.keys import COLUMNS as KEYS

ASIDE = "_llama_stack"
"""What is added to the name of a table that was in our way."""

COLUMNS = {
    "chat completions": {"id", "created", "model", "choices", "input_messages"},
    "responses": {"id", "created_at", "model", "response_object"},
    "conversations": {"id", "created_at", "items", "metadata"},
    "conversation items": {"id", "conversation_id", "created_at", "item_data"},
    "conversation messages": {"conversation_id", "messages"},
    "prompts": {"id", "prompt_id", "version", "is_default", "prompt_data"},
    "files": {"id", "filename", "purpose", "bytes", "created_at"},
    "keys": set(KEYS),
}


class Found(NamedTuple):
    """A table of Llama Stack's."""

    kind: str
    name: str
    columns: frozenset[str]
    named: bool
    """Whether it has one of Llama Stack's names, or one that the run file gives."""

    @property
    def quoted(self) -> str:
        """Its name as an SQL identifier."""
        return identifier(self.name)


async def look(source: ForeignRows, old: OldFile) -> list[Found]:
    """Return the tables of a database that have one of Llama Stack's layouts."""
    found = []
    for name, columns in sorted((await source.tables()).items()):
        kind = kind_of(columns)
        if kind is not None:
            named = kind == "conversation messages" or name.removesuffix(ASIDE) in old.tables
            found.append(Found(kind, name, columns, named))
    return found


def kind_of(columns: frozenset[str]) -> str | None:
    """Return what a table with these columns holds; None when it is not Llama Stack's."""
    for kind, wanted in COLUMNS.items():
        # Keys are told by having nothing else: anybody's table may have a key and a value.
        if columns == wanted if kind == "keys" else columns >= wanted:
            return kind
    return None
