"""The loop for what has bytes beside its row: read, copy, commit; and at the end read both back."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, aclosing

from msgspec.structs import replace

from stackwright.app.carry.course import DIFFERENT, GONE, Course
from stackwright.app.carry.files import Upload, digest
from stackwright.app.carry.shelves import Uploads
from stackwright.app.carry.values import Unfit
from stackwright.areas.files import StoredFile
from stackwright.errors import StackwrightError
from stackwright.ports.blobs import Blobs, Writing

_TOGETHER = 32 << 20
"""Bytes of files that are committed together, unless one of them alone has more."""

TAKEN = "a file of another tenant has this id"
SPOILT = "its bytes here are not those that were written"


class CarryingFiles:
    """The files of one place on their way to ours."""

    def __init__(self, shelf: Uploads, blobs: Blobs, tenant: str, course: Course[Upload]) -> None:
        self._shelf = shelf
        self._blobs = blobs
        self._tenant = tenant
        self._course = course
        self._tally = course.tally

    async def run(self, *, dry_run: bool, empty: bool) -> None:
        """Carry all of them. `empty` says that their table is not made yet."""
        if not dry_run:
            await self._blobs.sweep()
        async with aclosing(self._course.there()) as batches:
            async for uploads in batches:
                for group in _groups(uploads):
                    await self._take(group, dry_run=dry_run, empty=empty)
        if not dry_run:
            await self._verify()

    async def _take(self, group: Sequence[Upload], *, dry_run: bool, empty: bool) -> None:
        kept = {} if empty else await self._shelf.kept([one.id for one in group])
        for one in group:
            if one.id in kept:
                await self._compare(one, *kept[one.id])
        new = [one for one in group if one.id not in kept]
        rows = [row for one in new if (row := await self._read_only(one))] if dry_run else await self._copied(new)
        for row in rows:
            self._tally.read.add(row)
        self._tally.new += len(rows)
        self._course.tell(len(group))

    async def _compare(self, one: Upload, tenant: str, there: StoredFile) -> None:
        row = await self._read_only(one)
        if row is None:
            return
        if tenant != self._tenant or there != row:
            self._course.conflict(row.id, DIFFERENT if tenant == self._tenant else TAKEN)
        else:
            self._tally.present += 1
            self._tally.read.add(row)

    async def _read_only(self, one: Upload) -> StoredFile | None:
        try:
            return replace(one.row, sha256=await digest(one.pieces()))
        except Unfit as error:
            self._course.refuse(one.id, str(error))
            return None

    async def _copied(self, new: Sequence[Upload]) -> list[StoredFile]:
        """Copy the bytes of some, and commit their rows together, in order."""
        async with AsyncExitStack() as stack:
            written: list[tuple[Upload, Writing]] = []
            for one in new:
                writing = await stack.enter_async_context(self._blobs.writing(one.id))
                if await self._wrote(one, writing):
                    written.append((one, writing))
            if not written:
                return []
            await self._shelf.spare([one.id for one, _ in written])
            rows = [replace(one.row, sha256=await writing.keep()) for one, writing in written]
            await self._shelf.add(self._tenant, rows)
        return rows

    async def _wrote(self, one: Upload, writing: Writing) -> bool:
        try:
            async with aclosing(one.pieces()) as pieces:
                async for piece in pieces:
                    await writing.write(piece)
        except Unfit as error:
            self._course.refuse(one.id, str(error))
            return False
        return True

    async def _verify(self) -> None:
        """Read our side: every row, and all bytes."""
        async with aclosing(self._course.back()) as batches:
            async for uploads in batches:
                kept = await self._shelf.kept([one.id for one in uploads])
                for one in uploads:
                    await self._look(one.id, kept[one.id][1] if one.id in kept else None)

    async def _look(self, id: str, there: StoredFile | None) -> None:
        if there is None:
            self._course.conflict(id, GONE)
            return
        try:
            found = await digest(self._blobs.reading(id, there.bytes))
        except StackwrightError as error:
            self._course.conflict(id, error.message)
            return
        self._course.kept(replace(there, sha256=found))
        if found != there.sha256:
            self._course.conflict(id, SPOILT)


def _groups(uploads: Sequence[Upload]) -> Iterator[list[Upload]]:
    group: list[Upload] = []
    for one in uploads:
        if group and sum(other.row.bytes for other in group) + one.row.bytes > _TOGETHER:
            yield group
            group = []
        group.append(one)
    if group:
        yield group
