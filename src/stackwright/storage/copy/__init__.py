"""Copying what one database holds into another: tables to tables, namespaces to namespaces.

Rows go over in the order of their key in the source, a batch to a transaction. So what a copy that was killed left
behind is exactly the first rows of the source, and nothing need be written down to go on from there: whoever starts
again counts the rows of the target, compares them with as many first rows of the source, and refuses if they differ,
for then they are somebody else's. Started once too often, it finds that all are there.

Whether two databases hold the same is told by the number of rows and the sum of their digests, which depends neither on
the order of the rows nor on the dialect.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import msgspec

from stackwright.errors import StackwrightError
from stackwright.storage.sql import Row

MOST_ROWS = 2000
MOST_BYTES = 4 * 1024 * 1024
"""A batch has at most so many rows, and ends with the row that makes it this large."""

_encode = msgspec.msgpack.Encoder().encode


class Part(NamedTuple):
    """What is copied as one: a table, or a namespace."""

    name: str
    columns: tuple[str, ...]
    key: tuple[int, ...]
    """Places of the columns by which rows are in order, and which no two share."""
    seeded: bool = False
    """Whether making it puts rows into it: those are replaced."""


class Sum(NamedTuple):
    """What rows come to, whatever their order."""

    rows: int = 0
    digest: int = 0

    def plus(self, rows: Iterable[Row]) -> "Sum":
        """Return the sum with some more rows."""
        count, total = self
        for row in rows:
            count += 1
            total += int.from_bytes(blake2b(_encode(row), digest_size=16).digest())
        return Sum(count, total % 2**128)


class Place(Protocol):
    """One end of a copy: a database, and for as long as it is open nobody else's as far as the database can do that."""

    name: str
    """The backend."""

    async def part(self, name: str, *, seeded: bool) -> Part:
        """Return what the table or namespace of that name is like here."""
        ...

    async def count(self, part: Part) -> int | None:
        """Return the number of rows; None when it is not known without reading them."""
        ...

    async def read(self, part: Part, after: Sequence[Any] | None) -> list[Row]:
        """Return a batch of rows in order, behind the one with that key; none when there are no more."""
        ...

    async def write(self, part: Part, rows: Sequence[Row]) -> None:
        """Add rows, all or none, committed on return. Those of a seeded part take the place of what is there."""
        ...

    async def clear(self, part: Part) -> None:
        """Remove everything."""
        ...

    async def rest(self, part: Part) -> list[Row]:
        """Return what belongs to a part and is no row that lasts: how far it has counted, or what expires."""
        ...

    async def take_rest(self, part: Part, rest: Sequence[Row]) -> None:
        """Take over another place's `rest`."""
        ...


class InUse(StackwrightError):
    """Somebody else works in a database that is to be copied."""

    code = "in_use"

    def __init__(self, backend: str, who: str) -> None:
        super().__init__(f"Backend {backend!r} is in use by {who}. Stop the servers on it, then copy again.")


class Occupied(StackwrightError):
    """The target holds other rows than the first of the source's."""

    code = "occupied"

    def __init__(self, part: str, source: str, target: str, rows: int) -> None:
        super().__init__(
            f"{part} in {target!r} has {rows} rows that are not the first {rows} of {source!r}. Nothing was written to "
            "it. If what is there may go, copy with --replace."
        )


class Different(StackwrightError):
    """After the copy the two are not the same."""

    code = "different"

    def __init__(self, part: str, source: str, target: str, expected: Sum, found: Sum) -> None:
        what = f"{expected.rows} rows in {source!r}, {found.rows} in {target!r}"
        if expected.rows == found.rows:
            what = f"{found.rows} rows in both, but not the same"
        super().__init__(f"{part} differs after the copy: {what}. Is somebody writing to one of them?")


def key_of(part: Part, row: Row) -> tuple[Any, ...]:
    """Return the key of a row."""
    return tuple(row[place] for place in part.key)


def size_of(row: Row) -> int:
    """Return the bytes of a row, about."""
    return 64 + sum(len(value) for value in row if isinstance(value, str | bytes))
