"""One request as a handler sees it, and the answers that are more than a Struct."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

B = TypeVar("B")


class Call(Generic[B]):
    """A request that has been read, decoded and given a tenant.

    `body` is the decoded body or, for an operation that takes a query, the decoded query.
    """

    __slots__ = ("_headers", "body", "path", "raw", "request_id", "tenant")

    def __init__(
        self,
        tenant: str,
        request_id: str,
        path: Mapping[str, str],
        body: B,
        raw: bytes,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self.tenant = tenant
        self.request_id = request_id
        self.path = path
        self.body = body
        self.raw = raw
        self._headers = headers

    @property
    def query(self) -> B:
        return self.body

    def header(self, name: str) -> str | None:
        """Return a header of the request, by its name in small letters."""
        wanted = name.encode()
        return next((value.decode("latin-1") for key, value in self._headers if key == wanted), None)


class Json(bytes):
    """An answer that is JSON already, sent as it stands."""


class Stream:
    """An answer that is a stream of server-sent events, each block already framed.

    The first block is awaited before the status line is sent, so an error up to there is an ordinary error answer.
    """

    __slots__ = ("blocks",)

    def __init__(self, blocks: AsyncGenerator[bytes, None]) -> None:
        self.blocks = blocks


class Download:
    """An answer that is bytes of a known number.

    The first piece is awaited before the status line is sent, as with `Stream`.
    """

    __slots__ = ("headers", "pieces", "size")

    def __init__(self, pieces: AsyncGenerator[bytes, None], size: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.pieces = pieces
        self.size = size
        self.headers = headers
