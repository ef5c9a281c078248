"""The loop: read some, see which are there, write the others; and at the end read everything back."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Generic

from stackwright.app.carry.course import DIFFERENT, GONE, Course
from stackwright.app.carry.shelves import D, Shelf
from stackwright.storage.sql import Script


class Carrying(Generic[D]):
    """The documents of one place on their way to their shelf."""

    def __init__(self, shelf: Shelf[D], tenant: str, course: Course[D]) -> None:
        self._shelf = shelf
        self._tenant = tenant
        self._course = course
        self._tally = course.tally

    async def run(self, *, dry_run: bool, empty: bool) -> None:
        """Carry all of them. `empty` says that the shelf is not made yet."""
        async with aclosing(self._course.there()) as batches:
            async for documents in batches:
                await self._take(documents, dry_run=dry_run, empty=empty)
                self._course.tell(len(documents))
        if not dry_run:
            await self._verify()

    async def _take(self, documents: Sequence[D], *, dry_run: bool, empty: bool) -> None:
        kept = {} if empty else await self._kept(documents)
        new = [one for one in documents if one.id not in kept]
        if new and not dry_run:
            await self._shelf.backend.transact(lambda: self._writing(new))
        self._tally.new += len(new)
        for one in documents:
            if one.id in kept and self._shelf.as_carried(one, kept[one.id]) != one:
                self._course.conflict(one.id, DIFFERENT)
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
        async with aclosing(self._course.back()) as batches:
            async for documents in batches:
                kept = await self._kept(documents)
                for one in documents:
                    self._compare(one, kept.get(one.id))

    def _compare(self, one: D, kept: D | None) -> None:
        if kept is None:
            self._course.conflict(one.id, GONE)
            return
        there = self._shelf.as_carried(one, kept)
        self._course.kept(there)
        if there != one:
            self._course.conflict(one.id, DIFFERENT)
