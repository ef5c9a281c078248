"""Several statements as one: a round trip costs more than what most of them do."""

import re
from collections.abc import Sequence
from functools import lru_cache

from stackwright.storage.sql import Do

_PLACEHOLDER = re.compile(r"\$(\d+)")


def as_one(do: Do, also: Sequence[Do]) -> Do:
    """Return a statement that does all of them, or nothing, and returns the rows of the first."""
    if not also:
        return do
    args = [value for other in also for value in other.args]
    return Do(_joined(do.sql, *((other.sql, len(other.args)) for other in also)), (*args, *do.args))


@lru_cache(maxsize=512)
def _joined(sql: str, *also: tuple[str, int]) -> str:
    parts, before = [], 0
    for number, (other, count) in enumerate(also):
        parts.append(f"do_{number} AS ({_moved(other, before)})")
        before += count
    return f"WITH {', '.join(parts)} {_moved(sql, before)}"


def _moved(sql: str, by: int) -> str:
    """Return a statement whose placeholders count from `by` on."""
    return _PLACEHOLDER.sub(lambda found: f"${int(found[1]) + by}", sql)
