"""What SQLite's failures mean to a caller."""

import apsw

from stackwright.errors import Conflict, InvalidRequest, StorageFull, Unavailable
from stackwright.storage.sql.failures import MissingTable, StatementFailed, TableExists

FOREIGN = (apsw.Error, UnicodeEncodeError, OverflowError)
"""What the driver raises."""

_UNIQUE = {apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_ROWID}


def translate(error: Exception, backend: str) -> Exception:
    """Return the failure to raise instead of SQLite's. What is not SQLite's stays what it is."""
    match error:
        case apsw.ConstraintError() if getattr(error, "extendedresult", 0) in _UNIQUE:
            return Conflict("An object with this identity exists already.")
        case apsw.BusyError() | apsw.LockedError():
            return Unavailable(f"Backend {backend!r} is locked by another process.")
        case apsw.FullError():
            return StorageFull(f"Backend {backend!r}: the disk is full. Nothing was written; free some space.")
        case apsw.IOError() | apsw.CantOpenError() | apsw.CorruptError() | apsw.NotADBError() | apsw.ReadOnlyError():
            return Unavailable(f"Backend {backend!r} cannot be used: {error}.")
        case apsw.SQLError() if "no such table" in str(error):
            return MissingTable(f"Backend {backend!r}: {error}. Run `stackwright db upgrade`.")
        case apsw.SQLError() if "already exists" in str(error):
            return TableExists(f"Backend {backend!r}: {error}")
        case UnicodeEncodeError() | OverflowError() | apsw.TooBigError():
            return InvalidRequest(f"A value cannot be stored: {error}.")
        case apsw.Error():
            return StatementFailed(backend)
    return error
