"""Callers of responses who leave: the vendor's work ends, and what is stored says so."""

import asyncio
import json
import socket
import struct
from typing import Any

import pytest

from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream
from tests.faults.conftest import ServerFor
from tests.running import RunningServer

WORD = play.chunk(play.event(play.delta("word ")))
ENDLESS = [play.STREAM_HEAD, *[WORD, play.pause(0.01)] * 2000]
OPENING = 4
"""Events before the first word: created, in_progress, output_item.added, content_part.added."""


class Caller:
    """A caller on a bare socket, who can leave in any way."""

    def __init__(self, server: RunningServer, **body: Any) -> None:
        raw = json.dumps({"model": "up/m", "input": "Hello.", **body}).encode()
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._socket.sendall(head % len(raw) + raw)

    def hear(self, count: int) -> list[dict[str, Any]]:
        """Return the first events."""
        heard = b""
        while heard.count(b"\ndata: ") < count or not heard.endswith(b"\n"):
            piece = self._socket.recv(65536)
            assert piece, heard
            heard += piece
        lines = [line for line in heard.split(b"\n") if line.startswith(b"data: ")]
        return [json.loads(line.removeprefix(b"data: ")) for line in lines[:count]]

    def leave(self, *, rudely: bool) -> None:
        """Hang up; rudely is with a reset."""
        if rudely:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


@pytest.mark.parametrize("rudely", [False, True], ids=["closed", "reset"])
async def test_a_caller_who_leaves_a_stream_after_any_event_leaves_it_cancelled(
    vendor: Upstream, server_for: ServerFor, rudely: bool
) -> None:
    server = server_for(vendor, ENDLESS)
    for count in (1, 2, 3, OPENING, OPENING + 1, OPENING + 2, OPENING + 40):
        caller = Caller(server, stream=True)
        heard = await asyncio.to_thread(caller.hear, count)
        caller.leave(rudely=rudely)
        assert await vendor.closed(2.0), count
        made = heard[0]["response"]["id"]
        kept = (await asyncio.to_thread(server.wait_for, f"/v1/responses/{made}", within=5)).json
        assert kept["status"] == "cancelled", count
        said = "".join(part["text"] for item in kept["output"] for part in item["content"])
        assert said.startswith("word " * (count - OPENING)), count
        assert {item["status"] for item in kept["output"]} <= {"incomplete"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_caller_who_leaves_before_anything_is_said_leaves_nothing(
    vendor: Upstream, server_for: ServerFor, stream: bool
) -> None:
    server = server_for(vendor, [play.silence])
    caller = Caller(server, stream=stream)
    await vendor.asked()
    caller.leave(rudely=False)
    assert await vendor.closed(2.0)
    assert (await asyncio.to_thread(server.get, "/v1/responses")).json["data"] == []


async def test_a_caller_who_leaves_a_conversation_leaves_it_with_what_was_said(
    vendor: Upstream, server_for: ServerFor
) -> None:
    server = server_for(vendor, ENDLESS)
    talk = (await asyncio.to_thread(server.post, "/v1/conversations", {})).json["id"]
    caller = Caller(server, stream=True, conversation=talk)
    [created, *_] = await asyncio.to_thread(caller.hear, OPENING + 3)
    caller.leave(rudely=True)
    made = created["response"]["id"]
    await asyncio.to_thread(server.wait_for, f"/v1/responses/{made}", within=5)
    items = (await asyncio.to_thread(server.get, f"/v1/conversations/{talk}/items?order=asc")).json["data"]
    assert [item["role"] for item in items] == ["user", "assistant"]
    assert items[1]["status"] == "incomplete"
