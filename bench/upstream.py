"""A model vendor that costs next to nothing: it speaks OpenAI's shapes from ready-made bytes.

`model` chooses the behaviour: `m` streams as fast as it can, `paced` an event every 5 ms, `waits` one event and the
next when nobody waits any more, and `brief` only three events, so far apart that the first is on its own.
"""

import argparse
import asyncio
import base64
import json
import socket
import struct
import sys
from typing import cast

import uvloop

CHUNKS = 200
"""Content chunks in a stream; the finish and `[DONE]` come on top."""
PACES = {b"paced": 0.005, b"brief": 0.02, b"waits": 3600.0}
"""Seconds between two events of a stream, by model."""
INPUTS, DIMENSIONS = 64, 384

TEXT = "The quick brown fox jumps over the lazy dog while the band plays on. " * 10
USAGE = {"prompt_tokens": 180, "completion_tokens": 160, "total_tokens": 340}


def _answer(body: bytes, kind: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (kind, len(body), body)


def _chat() -> bytes:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []},
        "logprobs": None,
        "finish_reason": "stop",
    }
    head = {"id": "chatcmpl-bench", "object": "chat.completion", "created": 1_760_000_000, "model": "m"}
    return _answer(json.dumps({**head, "choices": [choice], "usage": USAGE}).encode())


def _event(choices: list[dict[str, object]], **extra: object) -> bytes:
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "m"}
    return _framed(b"data: %s\n\n" % json.dumps({**head, "choices": choices, **extra}).encode())


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _delta(delta: dict[str, str], finish: str | None = None) -> bytes:
    return _event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


def _embeddings(*, floats: bool) -> bytes:
    vector = [((i * 37) % 200 - 100) / 997 for i in range(DIMENSIONS)]
    packed = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode()
    data = [{"object": "embedding", "index": i, "embedding": vector if floats else packed} for i in range(INPUTS)]
    usage = {"prompt_tokens": 640, "total_tokens": 640}
    return _answer(json.dumps({"object": "list", "data": data, "model": "m", "usage": usage}).encode())


MODELS = _answer(
    json.dumps(
        {
            "object": "list",
            "data": [
                {"id": i, "object": "model", "created": 0, "owned_by": "bench"}
                for i in ("m", "paced", "waits", "brief")
            ],
        }
    ).encode()
)
CHAT = _chat()
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM = [
    _delta({"role": "assistant", "content": ""}),
    *(_delta({"content": f" word{i}"}) for i in range(CHUNKS)),
    _delta({}, "stop"),
]
STREAM_USAGE = _event([], usage=USAGE)
STREAM_END = _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"
FLOATS, PACKED = _embeddings(floats=True), _embeddings(floats=False)


class Vendor(asyncio.Protocol):
    """One connection. Requests come one after the other, each with a content length."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = content_length(head)
        if len(rest) >= length:
            self._received = rest[length:]
            self._answer(head, rest[:length])

    def _answer(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        path = head.split(b" ", 2)[1]
        compact = body.replace(b": ", b":")
        if path.endswith(b"/models"):
            self._transport.write(MODELS)
        elif path.endswith(b"/embeddings"):
            self._transport.write(PACKED if b'"encoding_format":"base64"' in compact else FLOATS)
        elif b'"stream":true' in compact:
            self._stream(compact)
        else:
            self._transport.write(CHAT)

    def _stream(self, body: bytes) -> None:
        pace = next((s for model, s in PACES.items() if b'"model":"%s"' % model in body), 0.0)
        events = [STREAM[0], STREAM[1], STREAM[-1]] if b'"model":"brief"' in body else list(STREAM)
        if b'"include_usage":true' in body:
            events.append(STREAM_USAGE)
        events.append(STREAM_END)
        events.reverse()
        assert self._transport is not None
        self._transport.write(STREAM_HEAD)
        self._next(events, pace)

    def _next(self, events: list[bytes], pace: float) -> None:
        """Write one event, and the next one on another turn of the loop, so that none are glued together here."""
        if self._transport is None:
            return
        self._transport.write(events.pop())
        if events and pace:
            self._loop.call_later(pace, self._next, events, pace)
        elif events:
            self._loop.call_soon(self._next, events, pace)


def content_length(head: bytes) -> int:
    """Return what the header block says; 0 where it says nothing."""
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    return 0 if at < 0 else int(lower[at + 17 :].split(b"\r\n", 1)[0])


async def serve(port: int) -> None:
    """Listen on loopback and print the port that was taken."""
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    arguments.add_argument("--port", type=int, default=0)
    uvloop.run(serve(arguments.parse_args().port))
