"""Whether a file is there, which somebody else's folder does not tell."""

from pathlib import Path

from stackwright.errors import Unavailable


def present(path: Path) -> bool:
    """Tell whether a file is there. `Unavailable` when that cannot be told: it is neither a new database nor none."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Unavailable(f"{path} cannot be opened: {error.strerror}.") from error
    return True
