"""An answer's head and body leave together, and nothing is ever kept back."""

import asyncio
import socket

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from stackwright.app.server import Protocol
from tests.running import RunningServer


def test_an_answer_comes_in_one_piece(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        for _ in range(50):
            raw.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            head, body = raw.recv(65536).split(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert body


async def test_a_piece_of_a_body_that_looks_like_a_head_is_sent() -> None:
    pieces = [b"first ", b"HTTP/1.1 200 "]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        length = (b"content-length", b"%d" % sum(map(len, pieces)))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": piece is not pieces[-1]})

    config = uvicorn.Config(app, http=Protocol, lifespan="off", log_config=None, timeout_keep_alive=60)
    config.load()
    serving = await asyncio.get_running_loop().create_server(
        lambda: Protocol(config=config, server_state=ServerState(), app_state={}), "127.0.0.1"
    )
    async with serving, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*serving.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(19) == b"".join(pieces)
        writer.close()
        await writer.wait_closed()
