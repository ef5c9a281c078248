"""The adapter for every vendor that speaks OpenAI's API: bytes in, bytes out, read only as far as needed."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import msgspec

from stackwright import __version__
from stackwright.errors import StackwrightError, UpstreamError
from stackwright.ports.inference import Chunk, ChunkStream, ModelCall, Offer
from stackwright.providers.http1 import Client, Connection, Cut, Deadlines, HttpError, NotConnected
from stackwright.providers.inference import catalog
from stackwright.providers.inference.config import Config, Quirks
from stackwright.providers.inference.reading import CHAT, CHECKS, TEXT, Check, Decoder, Reading, checked, excerpt
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

    def request(self, path: str, body: bytes) -> bytes:
        """Return a whole POST request for a path below the base URL."""
        return b"POST %b%b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (
            self.client.path.encode(),
            path.encode(),
            self._fields,
            len(body),
            body,
        )

    def listing(self) -> bytes:
        """Return a request for the list of models."""
        return b"GET %b/models HTTP/1.1\r\n%b\r\n" % (self.client.path.encode(), self._fields)

    async def send(self, path: str, body: bytes) -> Connection:
        """Send a request, again where that is right; return the connection with a 2xx answer to read.

        The caller releases it. Raises as `ports.inference.TextPort.complete` does.
        """
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
        return connection

    async def _attempt(self, path: str, body: bytes) -> Connection:
        try:
            connection = await self.client.answered(self._wire(path, body))
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
                connection = await self.client.answered(self._wire(path, body))
                if last or connection.status not in RETRIED:
                    return connection
                self.client.release(connection)
            except (NotConnected, Cut) as error:
                if last or _half_answered(error):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _wire(self, path: str, body: bytes) -> bytes:
        return self.request(path, body) if body else self.listing()

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


class Port:
    """One path of a vendor's API."""

    def __init__(self, vendor: Vendor, path: str, check: Check, decoder: Decoder | None = None) -> None:
        self._vendor = vendor
        self._path = path
        self._check = check
        self._decoder = decoder
        self._renames = vendor.quirks.renames

    async def complete(self, call: ModelCall) -> bytes:
        """Return the answer as it came, or repaired where it lacks what OpenAI's schema requires."""
        vendor = self._vendor
        connection = await vendor.send(self._path, self._body(call))
        body = await vendor.body(connection, vendor.config.max_response_bytes)
        try:
            return checked(self._check, body, call.model)
        except UpstreamError as error:
            vendor.refusals.raise_named(error)

    create = complete

    def stream(self, call: ModelCall) -> ChunkStream:
        """Open a stream of chunks."""
        assert self._decoder is not None, "a port without a stream is not a TextPort"
        body = self._body(call, {"stream": True})
        return Stream(self._vendor, self._path, body, Reading(self._decoder, call, expected_choices(call)))

    def _body(self, call: ModelCall, more: Mapping[str, Any] | None = None) -> bytes:
        params = call.params
        if self._renames:
            params = {self._renames.get(name, name): value for name, value in params.items()}
        return msgspec.json.encode({"model": call.model, **params, **(more or {})})


class Stream:
    """A stream of chunks, and the connection it comes from."""

    def __init__(self, vendor: Vendor, path: str, body: bytes, reading: Reading) -> None:
        self._vendor = vendor
        self._path = path
        self._body = body
        self._reading = reading

    async def __aenter__(self) -> Self:
        self._connection = connection = await self._vendor.send(self._path, self._body)
        kind = connection.header(b"content-type") or ""
        if "json" in kind or "html" in kind:
            said = await self._vendor.body(connection, ERROR_LIMIT)
            self._vendor.refusals.raise_named(
                UpstreamError(f"The vendor answered a stream with {kind!r}: {excerpt(said)}")
            )
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._vendor.client.release(self._connection, ended=self._reading.over)

    def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        return self

    async def __anext__(self) -> Sequence[Chunk]:
        reading = self._reading
        while not reading.over:
            try:
                if reading.failure is not None:
                    raise reading.failure
                piece = await self._connection.read()
                chunks = reading.feed(piece) if piece else reading.end()
            except HttpError as error:
                self._vendor.refusals.raise_broken(error)
            except UpstreamError as error:
                self._vendor.refusals.raise_named(error)
            if chunks:
                return chunks
        raise StopAsyncIteration


class OpenAICompatible:
    """An opened provider. A port that the vendor does not have is None."""

    def __init__(self, vendor: Vendor) -> None:
        has = vendor.quirks.ports
        self._vendor = vendor
        self.chat = Port(vendor, "/chat/completions", CHECKS["chat"], CHAT)
        self.completions = Port(vendor, "/completions", CHECKS["completions"], TEXT) if "completions" in has else None
        self.embeddings = Port(vendor, "/embeddings", CHECKS["embeddings"]) if "embeddings" in has else None
        self.moderations = Port(vendor, "/moderations", CHECKS["moderations"]) if "moderations" in has else None

    async def models(self) -> Sequence[Offer]:
        """Return the models of the run file, or else those the vendor lists."""
        vendor = self._vendor
        if vendor.config.models is not None:
            return [catalog.named(name, vendor.quirks.ports) for name in vendor.config.models]
        body = await vendor.body(await vendor.send("/models", b""), vendor.config.max_response_bytes)
        try:
            return catalog.listed(body, vendor.quirks.ports)
        except UpstreamError as error:
            vendor.refusals.raise_named(error)


@asynccontextmanager
async def connect(config: Config, quirks: Quirks) -> AsyncIterator[OpenAICompatible]:
    """Open a provider. Nothing is sent before the first call."""
    vendor = Vendor(config, quirks)
    try:
        yield OpenAICompatible(vendor)
    finally:
        vendor.client.close()


def _line(value: str) -> str:
    """Return a field's value; a line break in it could smuggle in another field."""
    if any(ord(character) < 32 for character in value):
        raise StackwrightError("A secret for a request's header holds a line break or a control character.")
    return value


def _half_answered(error: HttpError) -> bool:
    return isinstance(error, Cut) and error.answered


def expected_choices(call: ModelCall) -> int:
    """Return how many choices a stream must finish: `n`, for each prompt of a text completion."""
    n = _decoded(call.params.get("n"))
    prompt = _decoded(call.params.get("prompt"))
    prompts = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
    return (n if isinstance(n, int) and n > 0 else 1) * prompts


def _decoded(raw: msgspec.Raw | None) -> Any:
    return None if raw is None else msgspec.json.decode(raw)


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
