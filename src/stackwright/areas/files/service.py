"""Files as callers and other areas see them."""

import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from urllib.parse import quote

from msgspec import UNSET

from stackwright.areas.files.names import media_type, plain_name
from stackwright.areas.files.store import FileStore, StoredFile
from stackwright.areas.files.types import File, FileDeleted, FileList, FilesQuery, NewFile
from stackwright.errors import InvalidRequest, StackwrightError
from stackwright.http.body import from_pairs
from stackwright.http.call import Download
from stackwright.http.form import FilePart, Form
from stackwright.ids import mint
from stackwright.kit.beside import beside, rounds
from stackwright.ports.blobs import Blobs, Writing

log = logging.getLogger(__name__)

PAUSE = 60.0
"""Seconds between two looks at what is to be removed."""
LOOK = 2.0
"""Seconds between two looks whether bytes can be kept."""
GRACE = 3600.0
"""Seconds that bytes stay without a row: their file may be about to be written."""


class Files:
    """Files: their rows in a store, their bytes with a provider."""

    def __init__(self, store: FileStore, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs
        self._seen = False
        self._trouble: str | None = None

    async def upload(self, tenant: str, form: Form) -> File:
        """Keep the file of a form. It is on disk, and its row committed, when this returns."""
        file_id = mint("file-")
        async with self._blobs.writing(file_id) as writing:
            part, new, size = await _received(form, writing)
            # From here on there may be bytes without a row; see `store`.
            await self._store.spare(file_id)
            digest = await writing.keep()
        created = int(time.time())
        row = StoredFile(
            id=file_id,
            created=created,
            bytes=size,
            filename=part.filename,
            purpose=new.purpose,
            content_type=media_type(part.filename, part.content_type),
            sha256=digest,
            expires=created + new.expires_after.seconds if new.expires_after else None,
        )
        await self._store.add(tenant, row)
        return _shown(row)

    async def get(self, tenant: str, file_id: str) -> File:
        """Return a file without its bytes."""
        return _shown(await self.row(tenant, file_id))

    async def row(self, tenant: str, file_id: str) -> StoredFile:
        """Return what is known of a file. `NotFound` when the tenant has none, or its time is over."""
        return await self._store.get(tenant, file_id)

    async def read(self, tenant: str, row: StoredFile) -> AsyncGenerator[bytes, None]:
        """Return a file's bytes in pieces. `NotFound` when it was deleted since its row was read."""
        try:
            async with aclosing(self._blobs.reading(row.id, row.bytes)) as pieces:
                async for piece in pieces:
                    yield piece
        except StackwrightError:
            await self.row(tenant, row.id)
            raise

    async def page(self, tenant: str, query: FilesQuery) -> FileList:
        """Return some files."""
        where = {} if query.purpose is None else {"purpose": query.purpose}
        found = await self._store.page(tenant, after=query.after, order=query.order, limit=query.limit, where=where)
        return FileList.of([_shown(row) for row in found.rows], has_more=found.has_more)

    async def content(self, tenant: str, file_id: str) -> Download:
        """Return a file's bytes, as something to be saved: a browser neither shows nor runs them."""
        row = await self.row(tenant, file_id)
        headers = [
            (b"content-type", row.content_type.encode()),
            (b"content-disposition", f"attachment; filename*=UTF-8''{quote(row.filename, safe='')}".encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"etag", f'"{row.sha256}"'.encode()),
        ]
        return Download(self.read(tenant, row), row.bytes, headers)

    async def delete(self, tenant: str, file_id: str) -> FileDeleted:
        """Delete a file: nobody finds it any more, then its bytes go."""
        await self._store.delete(tenant, file_id)
        try:
            await self._remove(file_id)
        except StackwrightError as error:
            # They are spare, and tidied up later. Who sends it again would hear that there is no such file.
            log.warning("The bytes of %s, which was deleted, stay for now: %s", file_id, error.message)
        return FileDeleted(id=file_id)

    async def _remove(self, file_id: str) -> None:
        await self._blobs.remove(file_id)
        await self._store.forget(file_id)

    def kept_tidy(self) -> AbstractAsyncContextManager[None]:
        """Remove what is over or was left behind, for as long as the context lasts."""
        tell = partial(log.warning, "Files that are to be removed stay for now: %s")
        return beside(rounds(self.tidy, PAUSE, tell))

    def watched(self) -> AbstractAsyncContextManager[None]:
        """See that bytes can be kept, at once and for as long as the context lasts."""
        tell = partial(log.warning, "Files can be neither kept nor read: %s")
        return beside(rounds(self._look, LOOK, tell))

    def troubles(self) -> Mapping[str, str]:
        """Return why files cannot be kept any more, if that is so. A place that never was there is told to those who
        upload: not every server is for files."""
        return {"files": self._trouble} if self._trouble is not None else {}

    async def _look(self) -> None:
        try:
            await self._blobs.ping()
        except StackwrightError as error:
            self._trouble = error.message if self._seen else None
            raise
        if self._trouble is not None:
            log.info("Files can be kept again.")
        self._seen, self._trouble = True, None

    async def tidy(self, grace: float = GRACE) -> None:
        """Remove files whose time is over, bytes that have been without a row for `grace` seconds, and what is left
        of uploads whose process ended."""
        await self._blobs.sweep()
        while await self._store.expire():
            pass
        while spares := await self._store.spares(grace):
            for file_id in spares:
                await self._remove(file_id)


async def _received(form: Form, writing: Writing) -> tuple[FilePart, NewFile, int]:
    """Write the file of a form as it comes, and return what the form says of it, and its size."""
    part: FilePart | None = None
    pairs: list[tuple[str, str]] = []
    size = 0
    async for piece in form.pieces():
        if isinstance(piece, bytes):
            size += len(piece)
            await writing.write(piece)
        elif isinstance(piece, FilePart):
            part = piece._replace(filename=plain_name(piece.filename))
            pairs.append((piece.field, part.filename))
        else:
            pairs.append(piece)
    new: NewFile = from_pairs(pairs, NewFile)
    if part is None or part.field != "file":
        raise InvalidRequest("'file' is a text: send it as a file, with a name.", param="file")
    return part, new, size


def _shown(row: StoredFile) -> File:
    return File(
        id=row.id,
        bytes=row.bytes,
        created_at=row.created,
        expires_at=UNSET if row.expires is None else row.expires,
        filename=row.filename,
        purpose=row.purpose,
    )
