"""A reader who never reads: what is held for it is let go of, and so is its connection."""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from stackwright.app import server
from tests.running import RunningServer
from tests.servers import free_port

RUN_FILE = """
version: 2
providers:
  inference: [{provider_id: up, provider_type: inline::scripted, config: {models: {m: {}}}}]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql.db"}
server: {grace_seconds: 0}
"""
IMPATIENT = "from stackwright.http import sse; sse.STALL = 0.3; from stackwright.cli import main; main()"
SIZE = 8 << 20
CHAT = "/v1/chat/completions"
ASKED = json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 40_000}], "stream": True}).encode()
HEAD = b"%s HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"


class Reader:
    """Asks on a bare socket, and reads no more than that the answer has begun."""

    def __init__(self, running: RunningServer, line: str, body: bytes = b"") -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(20)
        self._socket.connect(("127.0.0.1", running.port))
        self._socket.sendall(HEAD % (line.encode(), len(body)) + body)
        self._heard = self._socket.recv(12)
        assert self._heard == b"HTTP/1.1 200"

    def rest(self) -> bytes:
        """Return the body as far as it came."""
        try:
            while piece := self._socket.recv(1 << 20):
                self._heard += piece
        except ConnectionResetError:
            pass
        return self._heard.partition(b"\r\n\r\n")[2]

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def kept(running: RunningServer) -> str:
    """Keep a file of zeros, and return the path to its bytes."""
    form = {"content-type": "multipart/form-data; boundary=b"}
    purpose = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    made = running.request("POST", "/v1/files", purpose + part + bytes(SIZE) + b"\r\n--b--\r\n", **form)
    return f"/v1/files/{made.json['id']}/content"


def lines(running: RunningServer) -> list[dict[str, Any]]:
    """Return what the log says of requests, and whatever is worse than information."""
    every = [json.loads(line) for line in running.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in every if line["level"] != "info" or "request_id" in line]


def told(running: RunningServer) -> list[tuple[str, str]]:
    """Return the same as levels and messages, in the order of messages."""
    found = [(line["level"], line["message"]) for line in lines(running)]
    assert "Traceback" not in running.log.read_text()
    return sorted(found, key=itemgetter(1))


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path, RUN_FILE, command=(sys.executable, "-c", IMPATIENT)) as running:
        yield running


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path, RUN_FILE) as running:
        yield running


def test_answers_that_nobody_reads_are_cut_and_told_once(impatient: RunningServer) -> None:
    path = kept(impatient)
    with Reader(impatient, f"GET {path}") as file, Reader(impatient, f"POST {CHAT}", ASKED) as events:
        deadline = time.monotonic() + 10
        while len(told(impatient)) < 2:
            assert time.monotonic() < deadline, impatient.log.read_text()
            signal.sigtimedwait([], 0.02)
        assert len(file.rest()) < SIZE
        assert b"[DONE]" not in events.rest()
    words = "cut, because its answer was not read for 0.3 s"
    assert told(impatient) == [("info", f"GET {path}: {words}"), ("info", f"POST {CHAT}: {words}")]


def test_a_server_that_stops_writes_nothing_into_answers_that_nobody_reads(patient: RunningServer) -> None:
    path = kept(patient)
    with Reader(patient, f"GET {path}") as file, Reader(patient, f"POST {CHAT}", ASKED) as events:
        assert patient.stop() == 0
        body = file.rest()
        assert len(body) < SIZE
        assert body == bytes(len(body))
        assert b"stopping" not in events.rest()
    assert told(patient) == [("warning", "The grace of 0 s is over: cutting 2 requests.")]


def test_a_download_whose_end_is_lost_on_the_way_ends_there(patient: RunningServer) -> None:
    path = kept(patient)
    name = path.split("/")[3]
    with Reader(patient, f"GET {path}") as file:
        os.truncate(patient.folder / ".stackwright/files/kept" / name, SIZE - 1)
        assert file.rest() == bytes(SIZE - 1)
    words = f"The bytes of {name} end after {SIZE - 1} of {SIZE}: cut short while they were read."
    assert told(patient) == [("warning", f"GET {path}: {words}")]
    again = patient.get(path)
    assert (again.status, again.error["code"]) == (500, "file_lost")


def test_a_download_that_grows_or_is_removed_on_the_way_comes_as_it_was(patient: RunningServer) -> None:
    path = kept(patient)
    kept_at = patient.folder / ".stackwright/files/kept" / path.split("/")[3]
    with Reader(patient, f"GET {path}") as file:
        with kept_at.open("ab") as more:
            more.write(b"more")
        kept_at.unlink()
        assert file.rest() == bytes(SIZE)
    assert told(patient) == []


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


OPENING = (
    b"GET /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PING = b"\x89\xfd\0\0\0\0" + b"p" * 125
PONG = len(PING) - 4
"""Bytes: an answer is not masked."""
PINGS = 250_000


def talking(running: RunningServer) -> socket.socket:
    """Open a WebSocket whose reader takes little at a time."""
    talker = socket.socket()
    talker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    talker.settimeout(20)
    talker.connect(("127.0.0.1", running.port))
    talker.sendall(OPENING)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += talker.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return talker


def send_all(talker: socket.socket, data: bytes) -> None:
    """Send, with the socket's timeout for each piece that it takes: `sendall` means the whole."""
    left = memoryview(data)
    while left:
        left = left[talker.send(left) :]


def test_who_pings_and_does_not_read_is_not_heard_any_more(patient: RunningServer) -> None:
    with talking(patient) as talker:
        talker.settimeout(1)
        with pytest.raises(TimeoutError):
            send_all(talker, PING * PINGS)


def test_who_pings_more_than_it_reads_gets_every_answer_in_the_end(patient: RunningServer) -> None:
    count = 60_000
    with talking(patient) as talker:
        sending = threading.Thread(target=talker.sendall, args=(PING * count,))
        sending.start()
        heard = 0
        while heard < count * PONG:
            piece = talker.recv(1 << 20)
            assert piece
            heard += len(piece)
        sending.join()
    assert heard == count * PONG


def test_a_refused_websocket_is_no_error_in_the_log(patient: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", patient.port), timeout=20) as talker:
        talker.sendall(OPENING.replace(b"host: x", b"host: x\r\norigin: http://evil.example"))
        assert talker.recv(12) == b"HTTP/1.1 403"
    with talking(patient) as talker:
        talker.sendall(b"\x81\x82\0\0\0\0\xff\xfe")
        assert talker.recv(4) == b"\x88\x02\x03\xef"
    assert patient.stop() == 0
    assert told(patient) == []
