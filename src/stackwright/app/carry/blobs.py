"""The loop for what has bytes beside its row: read, copy, commit; and at the end read both back."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, aclosing

from msgspec.structs import replace

from stackwright.app.carry.carrying import DIFFERENT, GONE, Progress, Reader
from stackwright.app.carry.files import Upload, digest
from stackwright.app.carry.report import Checksum, Tally, Why
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

    def __init__(
        self, shelf: Uploads, blobs: Blobs, tenant: str, read: Reader[Upload], tally: Tally, progress: Progress
    ) -> None:
        self._shelf = shelf
        self._blobs = blobs
        self._tenant = tenant
        self._read = read
        self._tally = tally
        self._progress = progress
        self._done = 0
        self._bad: set[str] = set()

    async def run(self, *, dry_run: bool, empty: bool) -> None:
        """Carry all of them. `empty` says that their table is not made yet."""
        self._tell(0)
        if not dry_run:
            await self._blobs.sweep()
        async with aclosing(self._read()) as batches:
            async for batch in batches:
                self._tally.refused += [one for one in batch if isinstance(one, Why)]
                self._tell(sum(isinstance(one, Why) for one in batch))
                for group in _groups([one for one in batch if isinstance(one, Upload)]):
                    await self._take(group, dry_run=dry_run, empty=empty)
        if not dry_run:
            await self._verify()

    async def _take(self, group: Sequence[Upload], *, dry_run: bool, empty: bool) -> None:
        kept = {} if empty else await self._shelf.kept([one.row.id for one in group])
        for one in group:
            if one.row.id in kept:
                await self._compare(one, *kept[one.row.id])
        new = [one for one in group if one.row.id not in kept]
        rows = [row for one in new if (row := await self._read_only(one))] if dry_run else await self._copied(new)
        for row in rows:
            self._tally.read.add(row)
        self._tally.new += len(rows)
        self._tell(len(group))

    async def _compare(self, one: Upload, tenant: str, there: StoredFile) -> None:
        row = await self._read_only(one)
        if row is None:
            return
        if tenant != self._tenant or there != row:
            self._conflict(row.id, DIFFERENT if tenant == self._tenant else TAKEN)
        else:
            self._tally.present += 1
            self._tally.read.add(row)

    async def _read_only(self, one: Upload) -> StoredFile | None:
        try:
            return replace(one.row, sha256=await digest(one.pieces()))
        except Unfit as error:
            self._refuse(one, error)
            return None

    async def _copied(self, new: Sequence[Upload]) -> list[StoredFile]:
        """Copy the bytes of some, and commit their rows together, in order."""
        async with AsyncExitStack() as stack:
            written: list[tuple[Upload, Writing]] = []
            for one in new:
                writing = await stack.enter_async_context(self._blobs.writing(one.row.id))
                if await self._wrote(one, writing):
                    written.append((one, writing))
            if not written:
                return []
            await self._shelf.spare([one.row.id for one, _ in written])
            rows = [replace(one.row, sha256=await writing.keep()) for one, writing in written]
            await self._shelf.add(self._tenant, rows)
        return rows

    async def _wrote(self, one: Upload, writing: Writing) -> bool:
        try:
            async with aclosing(one.pieces()) as pieces:
                async for piece in pieces:
                    await writing.write(piece)
        except Unfit as error:
            self._refuse(one, error)
            return False
        return True

    async def _verify(self) -> None:
        """Read our side: every row, and all bytes."""
        self._tally.kept = Checksum()
        self._done = 0
        async with aclosing(self._read()) as batches:
            async for batch in batches:
                names = [one.row.id for one in batch if isinstance(one, Upload) and one.row.id not in self._bad]
                kept = await self._shelf.kept(names)
                for name in names:
                    await self._look(name, kept[name][1] if name in kept else None)
                self._tell(len(batch), "reading back ")

    async def _look(self, id: str, there: StoredFile | None) -> None:
        if there is None:
            self._conflict(id, GONE)
            return
        assert self._tally.kept is not None
        try:
            found = await digest(self._blobs.reading(id, there.bytes))
        except StackwrightError as error:
            self._conflict(id, error.message)
            return
        self._tally.kept.add(replace(there, sha256=found))
        if found != there.sha256:
            self._conflict(id, SPOILT)

    def _refuse(self, one: Upload, error: Unfit) -> None:
        self._tally.refused.append(Why(one.row.id, str(error)))
        self._bad.add(one.row.id)

    def _conflict(self, id: str, why: str) -> None:
        self._tally.conflicts.append(Why(id, why))
        self._bad.add(id)

    def _tell(self, more: int, what: str = "") -> None:
        self._done += more
        self._progress(f"{what}{self._tally.what}", self._done, self._tally.rows)


def _groups(uploads: Sequence[Upload]) -> Iterator[list[Upload]]:
    group: list[Upload] = []
    for one in uploads:
        if group and sum(other.row.bytes for other in group) + one.row.bytes > _TOGETHER:
            yield group
            group = []
        group.append(one)
    if group:
        yield group
