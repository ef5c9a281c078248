"""Files: Llama Stack's rows, and the bytes in its folder, as rows and bytes of ours."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing, closing
from pathlib import Path, PurePath
from typing import NamedTuple

from stackwright.app.carry.layouts import Found
from stackwright.app.carry.report import Why
from stackwright.app.carry.values import Unfit, named, seconds, text
from stackwright.areas.files import StoredFile, media_type, plain_name
from stackwright.config.llama_stack import FilesProvider
from stackwright.storage.foreign import ForeignRows
from stackwright.storage.sql import Row

_PIECE = 256 * 1024
_ID = re.compile(r"file-[A-Za-z0-9_-]{1,120}")

OVER = "their time was over"


class Upload(NamedTuple):
    """A file that is to be ours. What its bytes amount to is not known before they are read."""

    row: StoredFile
    path: Path

    @property
    def id(self) -> str:
        """See `Document`."""
        return self.row.id

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Return its bytes. `Unfit` when they cannot be read, or are not as many as its row says."""
        size = 0
        try:
            with closing(await asyncio.to_thread(self.path.open, "rb", 0)) as file:
                while piece := await asyncio.to_thread(file.read, _PIECE):
                    size += len(piece)
                    yield piece
        except OSError as error:
            raise Unfit(f"its bytes cannot be read: {error.strerror}") from error
        _check_size(size, self.row.bytes)


class Folders:
    """Where Llama Stack put the bytes of files, each under its id."""

    def __init__(self, providers: Iterable[FilesProvider]) -> None:
        self._folders = list(dict.fromkeys(one.folder for one in providers if one.folder))

    def find(self, given: str, size: int) -> Path:
        """Return where the bytes of a row are. `Unfit` when they are not there.

        Args:
            given: The path that the row has. The folder may have moved since: what counts is the name.
            size: How many there are to be.
        """
        if ".." in PurePath(given).parts or "\0" in given:
            raise Unfit(f"its path leads elsewhere: {given}")
        for folder in self._folders:
            path = Path(os.path.realpath(folder / PurePath(given).name))
            if not path.is_relative_to(folder):
                raise Unfit(f"its path leads elsewhere: {path}")
            if path.is_file():
                _check_size(path.stat().st_size, size)
                return path
        raise Unfit(f"its bytes are not in {' or '.join(map(str, self._folders))}. They were written to {given}")


def why_left(providers: Sequence[FilesProvider], table: Found) -> str | None:
    """Return why the bytes of a table's files are out of reach; None when they are not."""
    elsewhere = sorted({one.type for one in providers if one.folder is None})
    if any(one.folder for one in providers) and "file_path" in table.columns:
        return None
    if elsewhere:
        return f"their bytes are with {', '.join(elsewhere)}, where nothing is fetched from"
    return "the old run file has no inline::localfs, whose storage_dir has their bytes"


async def over(source: ForeignRows, table: Found, now: int) -> int:
    """Return how many files of a table were to be gone by now."""
    sql = f"SELECT COUNT(*) FROM {table.quoted} WHERE {_over(table, now)}"  # noqa: S608 - it is quoted
    return int((await source.fetch(sql))[0][0])


async def read(
    source: ForeignRows, table: Found, folders: Folders, now: int
) -> AsyncGenerator[list[Upload | Why], None]:
    """Return the files of a table in order of arrival, but not those whose time was over."""
    expires = "expires_at" if "expires_at" in table.columns else "NULL"
    sql = (
        f"SELECT id, filename, purpose, bytes, created_at, {expires}, file_path FROM {table.quoted} "  # noqa: S608 - it is quoted
        f"WHERE NOT {_over(table, now)} ORDER BY created_at, {source.arrival}"
    )
    async for rows in source.batches(sql):
        yield await asyncio.to_thread(_uploads, rows, folders)


def _over(table: Found, now: int) -> str:
    return f"(COALESCE(expires_at, 0) BETWEEN 1 AND {now})" if "expires_at" in table.columns else "(1 = 0)"


def _uploads(rows: Sequence[Row], folders: Folders) -> list[Upload | Why]:
    found: list[Upload | Why] = []
    for row in rows:
        try:
            found.append(_upload(row, folders))
        except Unfit as error:
            found.append(Why(named(row[0]), str(error)))
        except OSError as error:
            found.append(Why(named(row[0]), f"its bytes cannot be read: {error.strerror}"))
    return found


def _upload(row: Row, folders: Folders) -> Upload:
    name, filename, purpose, size, created, expires, path = row
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise Unfit("its id is none of a file: 'file-' and up to 120 letters, digits, '-' and '_'")
    plain = plain_name(text(filename, "filename"))
    stored = StoredFile(
        id=name,
        created=seconds(created, "created_at"),
        bytes=seconds(size, "bytes"),
        filename=plain,
        purpose=text(purpose, "purpose"),
        content_type=media_type(plain, None),
        sha256="",
        expires=seconds(expires, "expires_at") if expires else None,
    )
    return Upload(stored, folders.find(text(path, "file_path"), stored.bytes))


def _check_size(size: int, wanted: int) -> None:
    if size != wanted:
        raise Unfit(f"it has {size} bytes, and by its row {wanted}")


async def digest(pieces: AsyncGenerator[bytes, None]) -> str:
    """Return the SHA-256 of some bytes in hexadecimal."""
    found = hashlib.sha256()
    async with aclosing(pieces):
        async for piece in pieces:
            found.update(piece)
    return found.hexdigest()
