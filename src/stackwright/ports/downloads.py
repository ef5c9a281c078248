"""What we ask of the way to files that callers name by their URLs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from stackwright.errors import InvalidRequest


class Download(Struct, frozen=True, kw_only=True):
    """A file that came whole."""

    data: bytes
    content_type: str
    """A media type without parameters; `application/octet-stream` where the server named none."""
    filename: str
    """What its server calls it, else the path of its URL; not cleaned of anything, and may be empty."""


class NotDownloaded(InvalidRequest):
    """A file did not come, or not whole. The text names its server, never an address or a word of the answer."""

    code = "invalid_value"


class Downloads(Protocol):
    """The way to files of others."""

    async def check(self, urls: Sequence[str]) -> None:
        """Raise `InvalidRequest` when nobody may go there. Nothing is fetched."""
        ...

    async def fetch(self, urls: Sequence[str], spend: Callable[[int], None]) -> Mapping[str, Download]:
        """Return the files of one request by their URLs. Cancelling it closes all connections.

        Args:
            urls: Those that are named. What is named twice is fetched once, and spends twice.
            spend: Is told numbers of bytes before they are taken in, and raises when they are too many.

        Raises:
            InvalidRequest: Nobody may go there, or `NotDownloaded`.
        """
        ...
