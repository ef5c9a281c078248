"""Failures only SQL storage has."""

from stackwright.errors import StackwrightError, Unavailable


class SchemaTooNew(StackwrightError):
    """The database was written by a newer Stackwright; this one would damage what it does not know."""

    code = "schema_too_new"

    def __init__(self, backend: str, store: str, *, found: int, known: int) -> None:
        super().__init__(
            f"Backend {backend!r}: the schema of {store!r} is version {found}, this Stackwright knows up to {known}. "
            "Start the newer release, or restore a backup made before the upgrade."
        )


class MissingTable(StackwrightError):
    """A statement names a table nobody has made: a store that was used before its migrations ran."""

    code = "missing_table"


class TableExists(StackwrightError):
    """A table of ours was to be made, and there is one of its name that we did not make."""

    code = "table_exists"


class OutcomeUnknown(Unavailable):
    """The connection was lost between a commit and its answer: the write may or may not have happened."""

    code = "outcome_unknown"

    def __init__(self, backend: str) -> None:
        super().__init__(
            f"Backend {backend!r}: the connection was lost while committing, so whether the write happened is unknown. "
            "Read before you repeat it."
        )


class StatementFailed(StackwrightError):
    """The database found fault with one of our own statements: a bug. Its cause says which."""

    code = "statement_failed"

    def __init__(self, backend: str) -> None:
        super().__init__(f"Backend {backend!r} did not accept a statement.")
