"""A reader who never reads: what is held for it is let go of, and so is its connection."""

import asyncio
import socket

import pytest

from stackwright.app import server
from tests.servers import free_port


class _Talker(asyncio.Protocol):
    """Says more than any socket takes, and closes."""

    def __init__(self, lost: "asyncio.Future[None]") -> None:
        self._lost = lost

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        gathering = server._Transport(transport)
        gathering.write(b"x" * 50_000_000)
        gathering.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set_result(None)


async def test_a_connection_whose_end_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "UNREAD_SECONDS", 0.2)
    loop, port = asyncio.get_running_loop(), free_port()
    lost: asyncio.Future[None] = loop.create_future()
    async with await loop.create_server(lambda: _Talker(lost), "127.0.0.1", port):
        with socket.socket() as silent:
            silent.setblocking(False)
            await loop.sock_connect(silent, ("127.0.0.1", port))
            await asyncio.wait_for(lost, 5)
