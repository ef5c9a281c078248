"""What Postgres's failures mean to a caller."""

import asyncpg  # type: ignore[import-untyped]

from stackwright.errors import Conflict, InvalidRequest, StackwrightError, StorageFull, Unavailable
from stackwright.storage.sql.failures import MissingTable, StatementFailed, TableExists

FOREIGN = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    UnicodeEncodeError,
)
"""What the driver raises."""

_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)

_POOLER = (
    "a pooler in front of it hands out connections by the transaction. Give PgBouncer `pool_mode = session`, or from "
    "release 1.21 on `max_prepared_statements` above 0."
)


class ConnectionLost(Unavailable):
    """The server or the way to it went away."""


class NoAnswer(Unavailable):
    """The server did not answer in time. It may yet do what it was asked."""


class Contended(Unavailable):
    """Two transactions stood in each other's way and this one was chosen to give in."""


def translate(error: Exception, backend: str, *, closed: bool) -> StackwrightError:
    """Return the failure to raise instead of Postgres's.

    Args:
        error: What the driver raised.
        backend: What the run file calls the database.
        closed: Whether the connection it came from is dead.
    """
    where = f"Backend {backend!r}"
    match error:
        case asyncpg.UniqueViolationError():
            return Conflict("An object with this identity exists already.")
        case asyncpg.SerializationError() | asyncpg.DeadlockDetectedError():
            return Contended(f"{where}: too many transactions want the same rows.")
        case asyncpg.InvalidSQLStatementNameError():
            return Unavailable(f"{where} forgets prepared statements: {_POOLER}")
        case asyncpg.UndefinedTableError():
            return MissingTable(f"{where}: {error}. Run `stackwright db upgrade`.")
        case asyncpg.DuplicateTableError():
            return TableExists(f"{where}: {error}")
        case asyncpg.DiskFullError():
            return StorageFull(f"{where}: the disk is full. Nothing was written; free some space.")
        case asyncpg.DataError() | UnicodeEncodeError() | asyncpg.InterfaceError() if _is_about_a_value(error):
            return InvalidRequest(f"A value cannot be stored: {error}.")
        case TimeoutError():
            return NoAnswer(f"{where}: no answer within command_timeout.")
        case asyncpg.QueryCanceledError() | asyncpg.LockNotAvailableError():
            return Unavailable(f"{where} canceled a statement: {error}.")
        case asyncpg.InsufficientResourcesError() | asyncpg.ReadOnlySQLTransactionError():
            return Unavailable(f"{where} refuses work: {error}.")
        case asyncpg.InsufficientPrivilegeError() | asyncpg.InvalidSchemaNameError():
            return Unavailable(f"{where} refuses work: {error}. Its role must be allowed to make tables and use them.")
    if closed or isinstance(error, (*_GONE, OSError)):
        return ConnectionLost(f"{where}: the connection to the database was lost.")
    return StatementFailed(backend)


def _is_about_a_value(error: Exception) -> bool:
    # The driver's own errors about arguments are ValueErrors, and have no public name.
    return not isinstance(error, asyncpg.InterfaceError) or isinstance(error, ValueError)
