"""Files in a folder of this machine, each under its id, in `kept` within it."""

import asyncio
import errno
import fcntl
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from io import FileIO
from pathlib import Path
from typing import ParamSpec, TypeVar

from pydantic import Field

from stackwright.config.files import FilesConfig
from stackwright.config.path import PathText
from stackwright.errors import StackwrightError, StorageFull, Unavailable
from stackwright.ports.blobs import Blobs, Writing
from stackwright.providers.provider import Backends, Provider

P = ParamSpec("P")
T = TypeVar("T")

INCOMING = "incoming"
"""The folder within, for what is still being written."""
KEPT = "kept"
"""The folder within, for what is whole. What others have in the folder itself is not in its way."""
_PIECE = 256 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Config(FilesConfig):
    """Where the bytes are, and where the rows."""

    storage_dir: PathText = Field(
        "~/.stackwright/files",
        min_length=1,
        description="The folder for the bytes, which is made when absent. Servers that share a database share it too.",
    )

    @property
    def place(self) -> str:
        """See `FilesConfig.place`."""
        return str(Path(self.storage_dir).expanduser())


class BlobLost(StackwrightError):
    """The row of a file is there and its bytes are not."""

    code = "file_lost"


class FolderGone(Unavailable):
    """The folder was there and is not any more."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"The folder that keeps files is gone: there is no {folder}. Put it back, or mount its disk; it is made "
            "anew only when the server starts."
        )

    @property
    def told(self) -> str:
        """That it is gone, and not where it was."""
        return "The folder that keeps files is gone at the moment."


class Folder:
    """A folder of blobs. A part that is being written is locked by who writes it, so that the others can be told.

    It is made once. If it is gone later, then with the files in it, whose disk is perhaps not mounted.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).expanduser()
        self._kept = self._folder / KEPT
        self._made = False

    @asynccontextmanager
    async def writing(self, name: str) -> AsyncIterator[Writing]:
        """See `Blobs.writing`."""
        await self.ping()
        part = await _in_thread(_Part, self._folder, name)
        try:
            yield part
        finally:
            await _in_thread(part.close)

    async def reading(self, name: str, size: int) -> AsyncGenerator[bytes, None]:
        """See `Blobs.reading`."""
        try:
            file = await _in_thread(FileIO, self._kept / name, opener=_at_once)
        except StackwrightError as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                await self.ping()
                raise _lost(name) from error
            raise
        with closing(file):
            if os.fstat(file.fileno()).st_size != size:
                raise _lost(name)
            left = size
            while left:
                piece = await _in_thread(file.read, min(left, _PIECE))
                if not piece:
                    had = size - left
                    raise BlobLost(f"The bytes of {name} end after {had} of {size}: cut short while they were read.")
                left -= len(piece)
                yield piece

    async def remove(self, name: str) -> None:
        """See `Blobs.remove`."""
        await self.ping()
        await _in_thread((self._kept / name).unlink, missing_ok=True)

    async def sweep(self) -> None:
        """See `Blobs.sweep`."""
        await _in_thread(self._sweep)

    async def ping(self) -> None:
        """See `Blobs.ping`."""
        await _in_thread(self._look)

    def _look(self) -> None:
        if self._made and not self._kept.is_dir():
            raise FolderGone(self._kept)
        for within in (INCOMING, KEPT):
            _make(self._folder / within)
        self._made = True

    def _sweep(self) -> None:
        for part in (self._folder / INCOMING).glob("*"):
            with suppress(FileNotFoundError, BlockingIOError), part.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()


class _Part:
    """A file that is being written. Everything but `write` and `keep` is called from a thread."""

    def __init__(self, folder: Path, name: str) -> None:
        self._target = folder / KEPT / name
        self._path = folder / INCOMING / name
        self._hash = hashlib.sha256()
        self._file = FileIO(self._path, "xb", opener=_private)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        if not os.fstat(self._file.fileno()).st_nlink:
            # Somebody swept between the two calls, and took us for dead.
            self._file.close()
            raise FileNotFoundError(errno.ENOENT, "The part was removed", str(self._path))

    async def write(self, data: bytes) -> None:
        """See `Writing.write`."""
        await _in_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    async def keep(self) -> str:
        """See `Writing.keep`."""
        await _in_thread(self._keep)
        return self._hash.hexdigest()

    def _keep(self) -> None:
        os.fsync(self._file.fileno())
        self._path.rename(self._target)
        _sync(self._target.parent)

    def close(self) -> None:
        """Remove what was not kept."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def _make(folder: Path) -> None:
    """Make a folder and those above it, on disk when this returns."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _at_once(path: str, flags: int) -> int:
    # Somebody's pipe in the place of a file would keep the thread waiting for who writes into it.
    return os.open(path, flags | os.O_NONBLOCK)


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run file operations in a thread, to their end: what they use may be closed as soon as this returns."""
    task = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("There is no room for files: the disk that keeps them is full.") from error
        raise Unavailable(f"The folder that keeps files cannot be used: {error.strerror}.") from error


def _lost(name: str) -> BlobLost:
    return BlobLost(f"The bytes of {name} are not where files are kept, or not all of them.")


@asynccontextmanager
async def connect(config: Config, backends: Backends) -> AsyncIterator[Blobs]:
    """Yield the folder; it is made when it is first asked for anything."""
    yield Folder(config.storage_dir)


PROVIDER = Provider(
    type="inline::localfs",
    api="files",
    summary="Files in a folder of this machine",
    config=Config,
    open=connect,
)
