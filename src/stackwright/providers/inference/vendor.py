"""A vendor's API as requests and answers: credentials, retries, limits, refusals. What is in them is for others."""

import asyncio
import random
import ssl

from stackwright import __version__
from stackwright.errors import StackwrightError, UpstreamError
from stackwright.providers.http1 import Connection, Cut, Deadlines, HttpError, NotConnected
from stackwright.providers.http1_client import Client
from stackwright.providers.inference.config import Config, Quirks
from stackwright.providers.inference.refusals import Refusals

RETRIED = {500, 502, 503, 504}
BACKOFF_SECONDS = 0.1
ERROR_LIMIT = 256 * 1024


class Vendor:
    """A vendor's API behind one pool of connections."""

    def __init__(self, config: Config, quirks: Quirks) -> None:
        self.config = config
        self.quirks = quirks
        self.client = Client(
            config.base_url,
            Deadlines(config.connect_timeout, config.first_byte_timeout, config.chunk_timeout, config.total_timeout),
            _tls(config) if config.base_url.startswith("https:") else None,
        )
        self.refusals = Refusals(f"{quirks.type} at {config.base_url}")
        self._active = self._retrying = 0
        self._read_secrets()

    def _read_secrets(self) -> None:
        """Put the secrets as they are now into the header of requests."""
        lines = {
            "Host": self.client.authority,
            "User-Agent": f"stackwright/{__version__}",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        if self.config.api_key and (key := self.config.api_key.reveal().strip()):
            lines["Authorization"] = f"Bearer {key}"
        lines |= {name: secret.reveal().strip() for name, secret in self.config.headers.items()}
        self._fields = "".join(f"{name}: {_line(value)}\r\n" for name, value in lines.items()).encode()

    async def send(self, path: str, body: bytes, *, beside: bool = False) -> Connection:
        """Send a request, again where that is right; return the connection with a 2xx answer to read.

        The caller releases it. Raises as `ports.inference.TextPort.complete` does.

        Args:
            path: Where to, below the base URL.
            body: What to send; nothing to ask for the list of models.
            beside: Below what the base URL has before the API's version instead.
        """
        base = self.client.path
        path = (base.removesuffix("/v1") if beside else base) + path
        self._active += 1
        try:
            used = self._fields
            connection = await self._attempt(path, body)
            if connection.status == 401 and (self._fields is not used or await asyncio.to_thread(self._renew)):
                self.client.release(connection)
                connection = await self._attempt(path, body)
        except HttpError as error:
            self.refusals.raise_broken(error)
        finally:
            self._active -= 1
        if not 200 <= connection.status < 300:
            await self._refuse(connection)
        if coding := _coding(connection):
            self.client.release(connection)
            raise UpstreamError(f"{self.refusals.label} compressed its answer, unasked: content-encoding {coding!r}.")
        return connection

    async def _attempt(self, path: str, body: bytes) -> Connection:
        try:
            connection = await self.client.answered(self._head(path, body), body)
            if connection.status not in RETRIED or not self._may_retry():
                return connection
            self.client.release(connection)
        except (NotConnected, Cut) as error:
            if _half_answered(error) or not self._may_retry():
                raise
        self._retrying += 1
        try:
            return await self._again(path, body)
        finally:
            self._retrying -= 1

    def _may_retry(self) -> bool:
        """True while few calls are retries: a vendor in trouble must not get more calls for it."""
        return self.config.max_retries > 0 and self._retrying < max(1, self._active // 5)

    async def _again(self, path: str, body: bytes) -> Connection:
        for tried in range(self.config.max_retries):
            last = tried + 1 == self.config.max_retries
            await asyncio.sleep(BACKOFF_SECONDS * 2**tried * random.uniform(0.5, 1.5))  # noqa: S311
            try:
                connection = await self.client.answered(self._head(path, body), body)
                if last or connection.status not in RETRIED:
                    return connection
                self.client.release(connection)
            except (NotConnected, Cut) as error:
                if last or _half_answered(error):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _head(self, path: str, body: bytes) -> bytes:
        if not body:
            return b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), self._fields)
        return b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (path.encode(), self._fields, len(body))

    def _renew(self) -> bool:
        """Read the secrets again. True when one changed; blocks on the file system."""
        secrets = [*self.config.headers.values(), *([self.config.api_key] if self.config.api_key else [])]
        changed = [secret for secret in secrets if secret.renew()]
        if changed:
            self._read_secrets()
        return bool(changed)

    async def _refuse(self, connection: Connection) -> None:
        """Raise what an answer other than 2xx means."""
        body = await self.body(connection, ERROR_LIMIT)
        if coding := _coding(connection):
            body = f"an error in content-encoding {coding!r}, which was not asked for".encode()
        self.refusals.raise_status(connection.status, body, connection.header(b"retry-after"))

    async def body(self, connection: Connection, limit: int) -> bytes:
        """Read the rest of an answer and release its connection."""
        pieces, size = [], 0
        try:
            while piece := await connection.read():
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise UpstreamError(f"{self.refusals.label} answered with more than {limit} bytes.")
        except HttpError as error:
            self.refusals.raise_broken(error)
        finally:
            self.client.release(connection)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _coding(connection: Connection) -> str | None:
    """Return how an answer is compressed. We ask for `identity`; not every vendor's proxy listens."""
    coding = (connection.header(b"content-encoding") or "identity").strip().lower()
    return None if coding == "identity" else coding[:50]


def _line(value: str) -> str:
    """Return a field's value; a line break in it could smuggle in another field."""
    if any(ord(character) < 32 for character in value):
        raise StackwrightError("A secret for a request's header holds a line break or a control character.")
    return value


def _half_answered(error: HttpError) -> bool:
    return isinstance(error, Cut) and error.answered


def _tls(config: Config) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca_cert_path)
    except OSError as error:
        raise StackwrightError(
            f"config.ca_cert_path {config.ca_cert_path!r} is no file of certificates: {error}"
        ) from error
    if not config.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
