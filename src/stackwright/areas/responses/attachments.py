"""Uploaded files in a model's input: named by id in the items that are kept, sent by their bytes."""

import base64
from collections.abc import Mapping, Sequence
from contextlib import aclosing

from msgspec.structs import replace

from stackwright.areas.files import Files, StoredFile
from stackwright.errors import InvalidRequest, NotFound, TooLarge
from stackwright.wire.content import InputFile, InputImage, MessagePart
from stackwright.wire.items import CustomToolCallOutput, FunctionCallOutput, Item, Message

_BINARY = "application/octet-stream"
_IMAGES = (
    ("image/png", b"\x89PNG\r\n\x1a\n", b""),
    ("image/jpeg", b"\xff\xd8\xff", b""),
    ("image/gif", b"GIF8", b""),
    ("image/webp", b"RIFF", b"WEBP"),
)
"""Media types, what they begin with, and what they have behind the eighth byte."""


class Attachments:
    """Puts the bytes of files in place of their ids."""

    def __init__(self, files: Files, most: int) -> None:
        """`most`: bytes that the files of one request may have together."""
        self._files = files
        self._most = most

    async def attached(self, tenant: str, items: Sequence[Item]) -> Sequence[Item]:
        """Return items as a model is to have them. Those given stay as they are, and name files by their ids.

        Raises:
            InvalidRequest: There is no such file, or a file that is to be an image is none.
            TooLarge: They are more than a request may have.
        """
        named = [part for item in items for part in _parts(item) if _file_id(part)]
        if not named:
            return items
        rows = await self._rows(tenant, named)
        urls = {file_id: await self._url(row) for file_id, row in rows.items()}
        return [_filled(item, rows, urls) for item in items]

    async def _rows(self, tenant: str, named: Sequence[MessagePart]) -> dict[str, StoredFile]:
        rows: dict[str, StoredFile] = {}
        left = self._most
        for part in named:
            file_id = _file_id(part)
            assert file_id is not None
            if file_id not in rows:
                rows[file_id] = await self._row(tenant, file_id)
            left -= rows[file_id].bytes
        if left < 0:
            raise TooLarge(
                f"The files of this request have more than {self._most} bytes together, the limit set by "
                "responses.max_file_bytes.",
                param="input",
            )
        return rows

    async def _row(self, tenant: str, id: str) -> StoredFile:
        try:
            return await self._files.row(tenant, id)
        except NotFound:
            raise NotFound("file", id, param="input") from None

    async def _url(self, row: StoredFile) -> str:
        data = bytearray()
        async with aclosing(self._files.read(row)) as pieces:
            async for piece in pieces:
                data += piece
        kind = row.content_type if row.content_type != _BINARY else _image(data) or _BINARY
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _file_id(part: MessagePart) -> str | None:
    return part.file_id if isinstance(part, InputImage | InputFile) else None


def _parts(item: Item) -> Sequence[MessagePart]:
    match item:
        case Message():
            return item.content
        case FunctionCallOutput() | CustomToolCallOutput() if not isinstance(item.output, str):
            return item.output
        case _:
            return ()


def _filled(item: Item, rows: Mapping[str, StoredFile], urls: Mapping[str, str]) -> Item:
    if not any(_file_id(part) for part in _parts(item)):
        return item
    parts = [_with_bytes(part, rows, urls) for part in _parts(item)]
    return replace(item, **{"content" if isinstance(item, Message) else "output": parts})


def _with_bytes(part: MessagePart, rows: Mapping[str, StoredFile], urls: Mapping[str, str]) -> MessagePart:
    match part:
        case InputImage(file_id=str(id)):
            if not urls[id].startswith("data:image/"):
                raise InvalidRequest(f"File '{id}' is no image: {rows[id].filename!r}.", param="input")
            return replace(part, file_id=None, image_url=urls[id])
        case InputFile(file_id=str(id)):
            return replace(part, file_id=None, file_data=urls[id], filename=part.filename or rows[id].filename)
        case _:
            return part


def _image(data: bytearray) -> str | None:
    """Return the media type of an image by its first bytes."""
    for kind, start, later in _IMAGES:
        if data.startswith(start) and data.startswith(later, 8):
            return kind
    return None
