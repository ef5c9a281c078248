"""What is read of one place, from the first to the last and once more, and what is told of it."""

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import Generic, Protocol

from stackwright.app.carry.report import Checksum, Tally, Why
from stackwright.app.carry.shelves import D

DIFFERENT = "another content has this id"
GONE = "it was written, and cannot be read back"
SECOND = "a row before it has this id too"


class Progress(Protocol):
    """Who is told how far it is."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note: `done` of `total` rows are dealt with; `what` may begin anew, to be read back."""
        ...


Reader = Callable[[], AsyncGenerator[list[D | Why], None]]
"""Reads the documents of one place, from the first on."""


def once(read: Reader[D], twice: Collection[str]) -> Reader[D]:
    """Return a reader that refuses a second document of an id. Only those of `twice` are looked at."""

    async def reading() -> AsyncGenerator[list[D | Why], None]:
        seen = set[str]()
        async with aclosing(read()) as batches:
            async for batch in batches:
                yield [_first(one, seen) if one.id in twice else one for one in batch]

    return reading


def _first(one: D | Why, seen: set[str]) -> D | Why:
    if isinstance(one, Why):
        return one
    if one.id in seen:
        return Why(one.id, SECOND)
    seen.add(one.id)
    return one


class Course(Generic[D]):
    """The documents of one place, twice: on their way, and when they have arrived."""

    def __init__(self, read: Reader[D], tally: Tally, progress: Progress) -> None:
        self.tally = tally
        self._read = read
        self._progress = progress
        self._done = 0
        self._bad: set[str] = set()
        self._kept = Checksum()

    async def there(self) -> AsyncGenerator[list[D], None]:
        """Yield the documents that can be carried; those that cannot are refused."""
        self.tell(0)
        async with aclosing(self._read()) as batches:
            async for batch in batches:
                refused = [one for one in batch if isinstance(one, Why)]
                self.tally.refused += refused
                if refused:
                    self.tell(len(refused))
                yield [one for one in batch if not isinstance(one, Why)]

    async def back(self) -> AsyncGenerator[list[D], None]:
        """Yield those that were carried once more, to be compared with what is kept of them."""
        self._done = 0
        async with aclosing(self._read()) as batches:
            async for batch in batches:
                yield [one for one in batch if not isinstance(one, Why) and one.id not in self._bad]
                self.tell(len(batch), "reading back ")
        self.tally.kept = self._kept

    def kept(self, document: object) -> None:
        """Count in what was read back of one."""
        self._kept.add(document)

    def refuse(self, id: str, why: str) -> None:
        """Put a document down as one that cannot be carried."""
        self.tally.refused.append(Why(id, why))
        self._bad.add(id)

    def conflict(self, id: str, why: str) -> None:
        """Put a document down as one that is not what is there."""
        self.tally.conflicts.append(Why(id, why))
        self._bad.add(id)

    def tell(self, more: int, what: str = "") -> None:
        """Say that some more are dealt with."""
        self._done += more
        self._progress(f"{what}{self.tally.what}", self._done, self.tally.rows)
