"""A vendor on loopback that plays a script, faults included: what an adapter's tests talk to over a real socket."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

Step = bytes | Callable[["Upstream", asyncio.StreamWriter], Any]
"""Bytes to send, or something to do (`silence`, `pause(s)`, `reset`, `hang_up`), which may return an awaitable."""

Script = Sequence[Step]


class HangUp(Exception):
    """The script is over and the connection with it."""


@dataclass
class Request:
    """A request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    """Which connection it came on, counted from 1."""

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass
class Upstream:
    """A server that answers each request with the next script, and with the last one ever after.

    ```python
    async with Upstream([answer({"object": "list", "data": []})]) as vendor:
        ...  # talk to vendor.base_url; look at vendor.requests
    ```
    """

    scripts: list[Script]
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    """Connections open now, as far as the server has seen."""

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._nobody = asyncio.Event()
        self._arrival = asyncio.Condition()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: asyncio.StreamReaderProtocol(_Reader(), self._serve), "127.0.0.1", 0, ssl=self.tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def asked(self, count: int = 1, seconds: float = 30.0) -> None:
        """Wait until so many requests have arrived."""
        async with asyncio.timeout(seconds), self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= count)

    async def closed(self, seconds: float = 2.0) -> bool:
        """Wait until no connection is open. False when one still is."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._nobody.wait(), seconds)
        return not self.open

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert isinstance(reader, _Reader)
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        self._nobody.clear()
        number = self.connections
        try:
            while request := await _request(reader, number):
                async with self._arrival:
                    self.requests.append(request)
                    self._arrival.notify_all()
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                await self._play(script, reader, writer)
        except (HangUp, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            if not self.open:
                self._nobody.set()
            self._tasks.discard(task)
            writer.close()

    async def _play(self, script: Script, reader: "_Reader", writer: asyncio.StreamWriter) -> None:
        """Play to the end, or until the other side closes."""
        playing = asyncio.ensure_future(self._steps(script, writer))
        leaving = asyncio.ensure_future(reader.gone.wait())
        try:
            await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                raise HangUp
            playing.result()
        finally:
            playing.cancel()
            leaving.cancel()
            await asyncio.gather(playing, leaving, return_exceptions=True)

    async def _steps(self, script: Script, writer: asyncio.StreamWriter) -> None:
        for step in script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif (result := step(self, writer)) is not None:
                await result


class _Reader(asyncio.StreamReader):
    """Says when the other side has left, also while nobody reads."""

    def __init__(self) -> None:
        super().__init__(limit=2**20)
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.set()


async def _request(reader: asyncio.StreamReader, connection: int) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body, connection)


def pause(seconds: float) -> Step:
    """Say nothing for a while."""
    return lambda _, __: asyncio.sleep(seconds)


def silence(_: Upstream, __: asyncio.StreamWriter) -> Any:
    """Say nothing, for ever."""
    return asyncio.Event().wait()


def hang_up(_: Upstream, __: asyncio.StreamWriter) -> None:
    """Close the connection, politely."""
    raise HangUp


async def reset(_: Upstream, writer: asyncio.StreamWriter) -> None:
    """Let what was sent arrive, then cut the connection with a RST."""
    await writer.drain()
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise HangUp


def head(status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the head of an answer."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode("latin-1")


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Script:
    """Return a whole answer: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    return [head(status, fields) + data]


def chunk(data: bytes) -> bytes:
    """Return a piece in the chunked encoding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


STREAM_HEAD = head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
STREAM_END = b"0\r\n\r\n"


def event(body: Any) -> bytes:
    """Return a server-sent event: bytes as they are, anything else as JSON."""
    return b"data: %b\n\n" % (body if isinstance(body, bytes) else json.dumps(body).encode())


def stream(events: Iterable[Any], *, done: bool = True) -> Script:
    """Return a stream of events, each in a write of its own, ended with `[DONE]` unless told otherwise."""
    ends = [chunk(event(b"[DONE]"))] if done else []
    return [STREAM_HEAD, *(chunk(event(body)) for body in events), *ends, STREAM_END]


def completion(text: str = "Hello!", **fields: Any) -> dict[str, Any]:
    """Return a chat completion that is valid by OpenAI's schema."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        **fields,
    }


def delta(text: str | None = None, *, finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a chat completion chunk that is valid by OpenAI's schema."""
    said = {} if text is None else {"content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "m",
        "choices": [{"index": index, "delta": said, "logprobs": None, "finish_reason": finish}],
        **fields,
    }
