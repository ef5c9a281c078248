"""Reading `multipart/form-data` as it comes: a file of any size passes through, and is never held."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive, Scope

from stackwright.errors import InvalidRequest
from stackwright.http.body import (
    BYTES_PER_SECOND,
    PATIENCE_SECONDS,
    ClientGone,
    check_head,
    drop,
    too_large,
    too_slow,
)

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

P = ParamSpec("P")
T = TypeVar("T")

_SETTING = "server.max_upload_bytes"
_OVERHEAD = 1024 * 1024
"""Bytes that a form may have beside its file."""
_MOST_FIELDS = 16
_MOST_TEXT = 64 * 1024
"""Bytes that the fields may have together."""


class FilePart(NamedTuple):
    """The file begins; its bytes follow."""

    field: str
    filename: str
    content_type: str | None


class Field(NamedTuple):
    """A field that is no file, whole."""

    name: str
    value: str


Piece = FilePart | Field | bytes


class Form:
    """A form that is still to be read, once."""

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        """`limit`: bytes of its file."""
        self._scope = scope
        self._receive = receive
        self._limit = limit

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield what the form has, in its order. Raises `InvalidRequest`, `TooLarge` or `ClientGone`."""
        parts = _Parts()
        parser = _parser(self._scope, parts.callbacks())
        await check_head(self._scope, self._receive, self._limit, _SETTING, beside=_OVERHEAD)
        size = 0
        async for chunk in self._chunks():
            _parsed(parser.write, chunk)
            for piece in parts.taken():
                if isinstance(piece, bytes):
                    size += len(piece)
                    await self._check(size)
                yield piece
        if not parts.whole:
            raise InvalidRequest("The form breaks off: its last boundary is missing.", code="invalid_form")

    async def _chunks(self) -> AsyncIterator[bytes]:
        started, received = asyncio.get_running_loop().time(), 0
        more = True
        while more:
            try:
                async with asyncio.timeout_at(started + PATIENCE_SECONDS + received / BYTES_PER_SECOND):
                    message = await self._receive()
            except TimeoutError:
                raise too_slow() from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            received += len(chunk)
            if received > self._limit + _OVERHEAD:
                await self._refuse()
            more = message.get("more_body", False)
            yield chunk

    async def _check(self, size: int) -> None:
        if size > self._limit:
            await self._refuse()

    async def _refuse(self) -> None:
        await drop(self._receive)
        raise too_large(self._limit, _SETTING)


class _Parts:
    """What the parser found since it was last asked."""

    def __init__(self) -> None:
        self._found: list[Piece] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._field: str | None = None
        self._text = bytearray()
        self._files = self._fields = self._texts = 0
        self.whole = False
        """Whether the form came to its end."""

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def taken(self) -> list[Piece]:
        found, self._found = self._found, []
        return found

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _begin(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in options:
            raise InvalidRequest("A part of the form has no name.", code="invalid_form")
        field = options[b"name"].decode("utf-8", "replace")
        filename = options.get(b"filename")
        if filename is None:
            self._fields += 1
            self._field = field
        else:
            self._files += 1
            self._field = None
            kind = self._headers.get(b"content-type")
            name = filename.decode("utf-8", "replace")
            self._found.append(FilePart(field, name, kind.decode("latin-1") if kind else None))
        if self._files > 1 or self._fields > _MOST_FIELDS:
            raise InvalidRequest(f"One file and {_MOST_FIELDS} fields are what a form may have.", code="invalid_form")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._found.append(data[start:end])
        else:
            self._texts += end - start
            if self._texts > _MOST_TEXT:
                raise InvalidRequest(f"The fields of a form may have {_MOST_TEXT} bytes.", code="invalid_form")
            self._text += data[start:end]

    def _end(self) -> None:
        if self._field is not None:
            self._found.append(Field(self._field, self._text.decode("utf-8", "replace")))
            self._text.clear()

    def _all(self) -> None:
        self.whole = True


def _parser(scope: Scope, callbacks: "MultipartCallbacks") -> MultipartParser:
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    media, options = parse_options_header(kind)
    if media != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidRequest(
            "The body must be a form: send Content-Type: multipart/form-data, with its boundary.", code="invalid_form"
        )
    return _parsed(MultipartParser, options[b"boundary"], callbacks)


def _parsed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    except FormParserError as error:
        raise InvalidRequest(f"The body is not a form: {error}.", code="invalid_form") from None
