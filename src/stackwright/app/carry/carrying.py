"""The loop: read some, see which are there, write the others; and at the end read everything back."""

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from typing import Generic, Protocol

from stackwright.app.carry.report import Checksum, Tally, Why
from stackwright.app.carry.shelves import D, Shelf
from stackwright.storage.sql import Script

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


class Carrying(Generic[D]):
    """The documents of one place on their way to their shelf."""

    def __init__(self, shelf: Shelf[D], tenant: str, read: Reader[D], tally: Tally, progress: Progress) -> None:
        self._shelf = shelf
        self._tenant = tenant
        self._read = read
        self._tally = tally
        self._progress = progress
        self._done = 0
        self._bad: set[str] = set()

    async def run(self, *, dry_run: bool, empty: bool) -> None:
        """Carry all of them. `empty` says that the shelf is not made yet."""
        self._tell(0)
        async with aclosing(self._read()) as batches:
            async for batch in batches:
                await self._take(batch, dry_run=dry_run, empty=empty)
                self._tell(len(batch))
        if not dry_run:
            await self._verify()

    async def _take(self, batch: Sequence[D | Why], *, dry_run: bool, empty: bool) -> None:
        refused = [one for one in batch if isinstance(one, Why)]
        self._tally.refused += refused
        documents = [one for one in batch if not isinstance(one, Why)]
        kept = {} if empty else await self._kept(documents)
        new = [one for one in documents if one.id not in kept]
        if new and not dry_run:
            await self._shelf.backend.transact(lambda: self._writing(new))
        self._tally.new += len(new)
        for one in documents:
            if one.id in kept and self._shelf.as_carried(one, kept[one.id]) != one:
                self._tally.conflicts.append(Why(one.id, DIFFERENT))
                self._bad.add(one.id)
            else:
                self._tally.present += one.id in kept
                self._tally.read.add(one)

    def _writing(self, documents: Sequence[D]) -> Script[None]:
        for one in documents:
            yield from self._shelf.adding(self._tenant, one)

    async def _kept(self, documents: Sequence[D]) -> dict[str, D]:
        return await self._shelf.kept(self._tenant, [one.id for one in documents])

    async def _verify(self) -> None:
        """Read everything a second time, on both sides."""
        kept_sum = Checksum()
        self._done = 0
        async with aclosing(self._read()) as batches:
            async for batch in batches:
                documents = [one for one in batch if not isinstance(one, Why) and one.id not in self._bad]
                kept = await self._kept(documents)
                for one in documents:
                    self._compare(one, kept.get(one.id), kept_sum)
                self._tell(len(batch), "reading back ")
        self._tally.kept = kept_sum

    def _compare(self, one: D, kept: D | None, kept_sum: Checksum) -> None:
        if kept is None:
            self._tally.conflicts.append(Why(one.id, GONE))
            return
        there = self._shelf.as_carried(one, kept)
        kept_sum.add(there)
        if there != one:
            self._tally.conflicts.append(Why(one.id, DIFFERENT))

    def _tell(self, more: int, what: str = "") -> None:
        self._done += more
        self._progress(f"{what}{self._tally.what}", self._done, self._tally.rows)
