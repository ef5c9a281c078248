"""Files in a model's input: named by id or URL in the items that are kept, sent by their bytes."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import NamedTuple

from msgspec.structs import replace

from stackwright.areas.files import Files, StoredFile, media_type, plain_name
from stackwright.areas.responses.room import PATIENCE, Hold, NoRoom, Room, too_large
from stackwright.errors import InvalidRequest, NotFound, TooLarge
from stackwright.ports.downloads import Download, Downloads
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


_FILES = (InputImage, InputFile)


class Attachments:
    """Puts the bytes of files in place of their ids and URLs."""

    def __init__(self, files: Files, downloads: Downloads, room: Room, most: int) -> None:
        """`most`: bytes that the files of one request may have together; all of them have the room."""
        self._files = files
        self._downloads = downloads
        self._room = room
        self._most = most

    def hold(self, *, patient: bool = False) -> Hold:
        """Return what is to have the room for the files of one request. `patient`: it waits for as long as it takes."""
        return Hold(self._room, None if patient else PATIENCE)

    async def attached(self, tenant: str, items: Sequence[Item], hold: Hold, *, later: bool = False) -> Sequence[Item]:
        """Return items as a model is to have them. Those given stay as they are, and name files by ids and URLs.

        Args:
            tenant: Whose files.
            items: What the model is to be shown.
            hold: Gets room for the files, for as long as they are held.
            later: It is not shown them now: of uploaded files the beginning will do, and those by their URLs are not
                fetched yet, and come without a byte. They need no room.

        Raises:
            InvalidRequest: There is no such file, or a file that is to be an image is none.
            TooLarge: They are more than a request may have.
            Unavailable: There is no room for them at the moment.
        """
        parts = [part for item in items for part in _parts(item) if isinstance(part, _FILES)]
        named = [file_id for part in parts if (file_id := _file_id(part)) is not None]
        linked = [url for part in parts if (url := _file_url(part)) is not None]
        brought = sum(map(_brought, parts))
        if not (named or linked or brought):
            return items
        budget = _Budget(self._most)
        rows = await self._rows(tenant, named, budget)
        if not later:
            # Who waited with files in hand would hold them meanwhile, beside those that have room.
            await hold.resize(brought + budget.spent, wait=not brought)
        fetched = await self._fetched(linked, budget, hold, later=later) if linked else {}
        urls = {file_id: await self._url(tenant, row, later=later) for file_id, row in rows.items()}
        found = _Found(rows, urls, fetched)
        return [_filled(item, found) for item in items]

    async def _rows(self, tenant: str, named: Sequence[str], budget: "_Budget") -> dict[str, StoredFile]:
        rows: dict[str, StoredFile] = {}
        for file_id in named:
            if file_id not in rows:
                rows[file_id] = await self._row(tenant, file_id)
            budget.spend(rows[file_id].bytes)
        return rows

    async def _fetched(
        self, urls: Sequence[str], budget: "_Budget", hold: Hold, *, later: bool
    ) -> Mapping[str, Download]:
        try:
            if not later:
                return await self._fetched_now(urls, budget, hold)
            await self._downloads.check(urls)
        except InvalidRequest as error:
            error.param = error.param or "input"
            raise
        return dict.fromkeys(urls, Download(data=b"", content_type=_BINARY, filename=""))

    async def _fetched_now(self, urls: Sequence[str], budget: "_Budget", hold: Hold) -> Mapping[str, Download]:
        before, held = budget.spent, hold.size

        def spend(count: int) -> None:
            budget.spend(count)
            hold.grow(held + budget.spent - before)

        try:
            return await self._downloads.fetch(urls, spend)
        except NoRoom:
            # What has come is dropped, and comes again when there is room for as much as it may be.
            budget.spent = before
            await hold.resize(min(held + self._most - before, self._room.most))
        try:
            return await self._downloads.fetch(urls, spend)
        except NoRoom:
            raise too_large(self._room.most) from None
        finally:
            hold.shrink(held + budget.spent - before)

    async def _row(self, tenant: str, id: str) -> StoredFile:
        with _there(id):
            return await self._files.row(tenant, id)

    async def _url(self, tenant: str, row: StoredFile, *, later: bool) -> str:
        data = bytearray()
        with _there(row.id):
            async with aclosing(self._files.read(tenant, row)) as pieces:
                async for piece in pieces:
                    data += piece
                    if later:
                        break
        return _data_url(row.content_type, row.filename, data)


class _Budget:
    """Bytes that files may have together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.spent = 0

    def spend(self, count: int) -> None:
        """Take some. `TooLarge` when there are not so many left."""
        self.spent += count
        if self.spent > self._most:
            raise TooLarge(
                f"The files of this request have more than {self._most} bytes together, the limit set by "
                "responses.max_file_bytes.",
                param="input",
            )


class _Found(NamedTuple):
    """What stands behind names."""

    rows: Mapping[str, StoredFile]
    urls: Mapping[str, str]
    """What was uploaded, as `data:` URLs by ids."""
    fetched: Mapping[str, Download]


@contextmanager
def _there(file_id: str) -> Iterator[None]:
    """Name the parameter that names a file that is not there."""
    try:
        yield
    except NotFound:
        raise NotFound("file", file_id, param="input") from None


def _file_id(part: MessagePart) -> str | None:
    return part.file_id if isinstance(part, InputImage | InputFile) else None


def _file_url(part: MessagePart) -> str | None:
    """Return the URL that a file is to be fetched from: where there is nothing else of it."""
    return part.file_url if isinstance(part, InputFile) and part.file_id is None and part.file_data is None else None


def _brought(part: MessagePart) -> int:
    """Return about how many bytes of a file the part itself has, as a `data:` URL."""
    match part:
        case InputImage(file_id=None, image_url=str(url)) if url.startswith("data:"):
            return len(url) * 3 // 4
        case InputFile(file_id=None, file_data=str(data)):
            return len(data) * 3 // 4
        case _:
            return 0


def _parts(item: Item) -> Sequence[MessagePart]:
    match item:
        case Message():
            return item.content
        case FunctionCallOutput() | CustomToolCallOutput() if not isinstance(item.output, str):
            return item.output
        case _:
            return ()


def _filled(item: Item, found: _Found) -> Item:
    parts = [_with_bytes(part, found) for part in _parts(item)]
    if all(new is old for new, old in zip(parts, _parts(item), strict=True)):
        return item
    return replace(item, **{"content" if isinstance(item, Message) else "output": parts})


def _with_bytes(part: MessagePart, found: _Found) -> MessagePart:
    match part:
        case InputImage(file_id=str(id)):
            if not found.urls[id].startswith("data:image/"):
                raise InvalidRequest(f"File '{id}' is no image: {found.rows[id].filename!r}.", param="input")
            return replace(part, file_id=None, image_url=found.urls[id])
        case InputFile(file_id=str(id)):
            name = part.filename or found.rows[id].filename
            return replace(part, file_id=None, file_data=found.urls[id], filename=name)
        case InputFile() if (url := _file_url(part)) is not None:
            came = found.fetched[url]
            name = part.filename or plain_name(came.filename)
            return replace(part, file_url=None, file_data=_data_url(came.content_type, name, came.data), filename=name)
        case _:
            return part


def _data_url(kind: str, name: str, data: bytes | bytearray) -> str:
    if kind == _BINARY:
        kind = _image(data) or media_type(name, None)
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _image(data: bytes | bytearray) -> str | None:
    """Return the media type of an image by its first bytes."""
    for kind, start, later in _IMAGES:
        if data.startswith(start) and data.startswith(later, 8):
            return kind
    return None
