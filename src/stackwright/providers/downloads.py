"""Files from servers that callers name: fetched from where `Egress` allows, and no more of them than is wanted.

Each address is looked at before it is dialled, also that which a redirect leads to. There are no cookies, proxies or
compression, and no connection is used twice.
"""

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from stackwright import __version__
from stackwright.config.responses import FileUrls
from stackwright.errors import InvalidRequest
from stackwright.ports.downloads import Download, NotDownloaded
from stackwright.providers.egress import Egress, Forbidden
from stackwright.providers.http1 import Connection, Cut, Deadlines, HttpError, Late, NotConnected
from stackwright.providers.http1_client import connected

AT_ONCE = 4
"""Most files of one request that are fetched side by side."""
MOST_FILES = 100
MOST_REDIRECTS = 3
_SETTING = "responses.file_urls"
_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KIND = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
_BINARY, _BINARY_AT_AMAZON = "application/octet-stream", "binary/octet-stream"
_MOST_DISPOSITION = 2000
"""Characters. Python takes seconds for 64 thousand semicolons behind a quotation mark."""
_URL_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"


class _Request(NamedTuple):
    """A GET request, and the server it goes to."""

    tls: bool
    host: str
    port: int
    path: str

    @classmethod
    def to(cls, url: str) -> "_Request":
        """Return the request for a URL that `Egress` has looked at."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host = (parts.hostname or "").encode("idna").decode()
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(tls, host, parts.port or (443 if tls else 80), quote(path, safe=_URL_CHARACTERS))

    def encode(self) -> bytes:
        """Return what is sent."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        authority = host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"
        return (
            f"GET {self.path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: stackwright/{__version__}\r\n"
            "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        ).encode()


class Downloader:
    """See `Downloads`."""

    def __init__(self, settings: FileUrls) -> None:
        self._enabled = settings.enabled
        self._seconds = settings.seconds
        self._deadlines = Deadlines(settings.connect_seconds, settings.seconds, settings.seconds, settings.seconds)
        self._egress = Egress(settings.allow_private, http=settings.allow_http, setting=f"{_SETTING}.allow_private")
        self._tls: ssl.SSLContext | None = None

    async def check(self, urls: Sequence[str]) -> None:
        """See `Downloads.check`."""
        self._check(urls)
        # A name that takes longer to be found is for the download to fail on.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadlines.connect):
                for url in dict.fromkeys(urls):
                    await self._egress.check(url)

    async def fetch(self, urls: Sequence[str], spend: Callable[[int], None]) -> Mapping[str, Download]:
        """See `Downloads.fetch`."""
        self._check(urls)
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(url: str, times: int) -> Download:
            async with slots:
                return await self._download(url, lambda count: spend(count * times))

        try:
            async with asyncio.timeout(self._seconds), asyncio.TaskGroup() as group:
                tasks = {url: group.create_task(one(url, times)) for url, times in Counter(urls).items()}
        except TimeoutError:
            raise _failed(f"The files of this request did not come within {self._seconds:g} s.", late=True) from None
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return {url: task.result() for url, task in tasks.items()}

    def _check(self, urls: Sequence[str]) -> None:
        if not self._enabled:
            raise InvalidRequest(
                "Files are not fetched by their URLs here. Upload the file and send its 'file_id', or send it as "
                f"'file_data'. The operator can have them fetched: {_SETTING}.enabled.",
                code="unsupported_content",
            )
        if len(set(urls)) > MOST_FILES:
            raise InvalidRequest(
                f"A request, its history included, names {MOST_FILES} files by their URLs at most. Upload them and "
                "send each 'file_id'."
            )

    async def _download(self, url: str, spend: Callable[[int], None]) -> Download:
        at = url
        for _ in range(MOST_REDIRECTS + 1):
            async with self._exchange(url, at) as connection:
                location = connection.header(b"location") if connection.status in _REDIRECTS else None
                if location is None:
                    return await _file(connection, url, at, spend)
            at = _led(at, location)
        raise _failed(f"It is redirected more than {MOST_REDIRECTS} times.", url)

    @asynccontextmanager
    async def _exchange(self, url: str, at: str) -> AsyncIterator[Connection]:
        """Ask for what `url` has led to; closes the connection in the end."""
        addresses = await self._addresses(url, at)
        request = _Request.to(at)
        try:
            connection = await self._connected(request, addresses)
            try:
                connection.send(request.encode())
                await connection.head(alone=True)
                yield connection
            finally:
                connection.close()
        except HttpError as error:
            raise _failed(_reason(error), url, late=isinstance(error, Late)) from None

    async def _addresses(self, url: str, at: str) -> list[str]:
        try:
            return await self._egress.addresses(at)
        except Forbidden:
            if at == url:
                raise
            raise _astray() from None
        except OSError:
            raise _failed("Nobody knows a server of that name.", url) from None

    async def _connected(self, request: _Request, addresses: Sequence[str]) -> Connection:
        tls = await self._trust() if request.tls else None
        for address in addresses[:-1]:
            with suppress(NotConnected, Late):
                return await connected(address, request.port, self._deadlines, tls, name=request.host)
        return await connected(addresses[-1], request.port, self._deadlines, tls, name=request.host)

    async def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            # It reads a file of certificates, which takes a moment.
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls


async def _file(connection: Connection, url: str, at: str, spend: Callable[[int], None]) -> Download:
    if connection.status != _OK:
        raise _failed(f"Upstream status code: {connection.status}.", url)
    if (connection.header(b"content-encoding") or "identity").strip().lower() != "identity":
        raise _failed("It came compressed, which nobody asked for.", url)
    declared = int(connection.header(b"content-length") or 0)
    spend(declared)
    pieces, size = [], 0
    while piece := await connection.read():
        spend(max(0, min(len(piece), size + len(piece) - declared)))
        pieces.append(piece)
        size += len(piece)
    kind = (connection.header(b"content-type") or "").partition(";")[0].strip().lower()
    return Download(
        data=b"".join(pieces),
        content_type=kind if _KIND.fullmatch(kind) and kind != _BINARY_AT_AMAZON else _BINARY,
        filename=_named(connection.header(b"content-disposition") or "") or unquote(urlsplit(at).path),
    )


def _named(disposition: str) -> str:
    """Return the name that a server gives a file, or nothing."""
    if len(disposition) > _MOST_DISPOSITION:
        return ""
    header = Message()
    header["content-disposition"] = disposition
    try:
        # The last of them is that in the wider alphabet, `filename*`; `get_filename` would take the first.
        names = dict(header.get_params([], "content-disposition"))
        return collapse_rfc2231_value(names.get("filename", ""))
    except (TypeError, ValueError):
        # What is not well-formed makes the standard library stumble.
        return ""


def _led(at: str, location: str) -> str:
    try:
        return urljoin(at, location)
    except ValueError:
        raise _astray() from None


def _astray() -> Forbidden:
    """Return the refusal of a redirect. It does not say where to, which may be nobody's business."""
    return Forbidden(
        "A file's URL is redirected to where callers' URLs do not lead from here: private servers, and public ones "
        f"without https. The operator can allow servers in the run file: {_SETTING}.allow_private."
    )


def _failed(why: str, url: str | None = None, *, late: bool = False) -> NotDownloaded:
    what = "Timeout" if late else "Error"
    which = f"the file from '{urlsplit(url).hostname}'" if url else "files"
    return NotDownloaded(f"{what} while downloading {which}. {why}")


def _reason(error: HttpError) -> str:
    """Return why there is no answer, in words that hold nothing of one, nor of where it is from."""
    match error:
        case Late():
            return "It did not come in time."
        case Cut():
            return "The connection was closed before its end."
        case NotConnected(__cause__=ssl.SSLError()):
            return "There is no TLS with a certificate to be trusted."
        case NotConnected():
            return "Its server cannot be reached."
        case _:
            return "What came is not HTTP."
