"""Bytes under names: where the contents of files are."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Writing(Protocol):
    """Bytes that are on their way, and belong to nobody yet."""

    async def write(self, data: bytes) -> None:
        """Add bytes at the end. `StorageFull` when there is no room."""
        ...

    async def keep(self) -> str:
        """Put the bytes under their name, on disk when this returns. Returns their SHA-256 in hexadecimal."""
        ...


class Blobs(Protocol):
    """A place for bytes. Names are ours: letters, digits, `-` and `_`; none is used twice."""

    def writing(self, name: str) -> AbstractAsyncContextManager[Writing]:
        """Begin to write. What is not kept when the context ends is gone."""
        ...

    def reading(self, name: str, size: int) -> AsyncGenerator[bytes, None]:
        """Return the bytes in pieces. `BlobLost`, before the first of them, when they are not there or not `size`, and
        later when that ceases to be so."""
        ...

    async def remove(self, name: str) -> None:
        """Remove the bytes, if they are there."""
        ...

    async def sweep(self) -> None:
        """Remove what writers left behind whose process ended."""
        ...

    async def ping(self) -> None:
        """Return if bytes can be kept and read. `Unavailable` when not."""
        ...
