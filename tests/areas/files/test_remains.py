"""What is left of a file: nothing of one that was not acknowledged, all of one that was."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from stackwright.app import stores
from stackwright.areas.files import Files, FileStore, StoredFile
from stackwright.areas.files.types import FilesQuery
from stackwright.config.load import loads
from stackwright.errors import NotFound, Unavailable
from stackwright.http import sse
from stackwright.http.body import ClientGone
from stackwright.http.call import Download
from stackwright.http.operation import SLICE, send_download
from stackwright.providers.files.inline_localfs import Folder
from stackwright.providers.registry import TYPES
from stackwright.storage.backends import open_backends
from tests.areas.files.forms import END, HEADERS, PURPOSE, file, file_head
from tests.running import Answer, RunningServer

RUN_FILE = """
version: 2
providers:
  inference: [{provider_id: demo, provider_type: inline::scripted, config: {models: {echo: {}}}}]
  files:
    - provider_id: mine
      provider_type: inline::localfs
      config:
        storage_dir: "${env.HOME}/bytes"
        metadata_store: {backend: sql_default, table_name: mine%s}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql.db"}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path, RUN_FILE % "") as running:
        running.wait_for("/ready")
        yield running


def until(true: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline
        signal.sigtimedwait([], 0.02)


def begun(server: RunningServer) -> socket.socket:
    """Send half of a form, and return when some of it is on disk."""
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(f"POST /v1/files HTTP/1.1\r\nhost: t\r\ncontent-length: 1000000\r\n{head}\r\n".encode())
    connection.sendall(PURPOSE + file_head() + bytes(200_000))
    until(lambda: any(path.stat().st_size for path in (server.folder / "bytes/incoming").glob("*")))
    return connection


def upload(server: RunningServer, data: bytes) -> Answer:
    return server.request("POST", "/v1/files", file(data) + PURPOSE + END, **HEADERS)


def bytes_of(server: RunningServer) -> list[str]:
    return [path.name for path in (server.folder / "bytes").rglob("*") if path.is_file()]


def test_a_server_killed_during_an_upload_leaves_nothing(server: RunningServer) -> None:
    kept = server.request("POST", "/v1/files", file(b"kept") + PURPOSE + END, **HEADERS).json["id"]
    with closing(begun(server)):
        server.stop(signal.SIGKILL)
        assert len(bytes_of(server)) == 2
    server.start()
    until(lambda: bytes_of(server) == [kept])
    assert [one["id"] for one in server.get("/v1/files").json["data"]] == [kept]
    assert server.get(f"/v1/files/{kept}/content").body == b"kept"


def test_a_caller_who_hangs_up_leaves_nothing(server: RunningServer) -> None:
    begun(server).close()
    until(lambda: bytes_of(server) == [])
    assert server.get("/v1/files").json["data"] == []


def test_servers_do_not_sweep_what_others_still_write(server: RunningServer, tmp_path: Path) -> None:
    with closing(begun(server)) as connection:
        asyncio.run(Folder(str(tmp_path / "bytes")).sweep())
        assert len(bytes_of(server)) == 1
        rest = bytes(1_000_000 - len(PURPOSE + file_head() + b"\r\n" + END) - 200_000)
        connection.sendall(rest + b"\r\n" + END)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    [kept] = server.get("/v1/files").json["data"]
    assert bytes_of(server) == [kept["id"]]
    assert kept["bytes"] == 200_000 + len(rest)


def test_a_folder_that_is_gone_is_not_made_anew_and_everything_is_back_with_it(server: RunningServer) -> None:
    kept = upload(server, b"kept").json["id"]
    folder, away = server.folder / "bytes", server.folder / "away"
    folder.rename(away)
    # As where a disk was mounted.
    folder.mkdir()
    not_ready = server.wait_for("/ready", 503)
    assert not_ready.error["message"] == "Not ready: files cannot be used now. The server's log says why."
    for refused in (upload(server, b"new"), server.get(f"/v1/files/{kept}/content")):
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.error["message"] == "The folder that keeps files is gone at the moment."
    assert list(folder.iterdir()) == []
    assert f"there is no {folder}/kept. Put it back" in server.log.read_text()
    folder.rmdir()
    away.rename(folder)
    server.wait_for("/ready")
    assert server.get(f"/v1/files/{kept}/content").body == b"kept"
    assert upload(server, b"new").status == 200


def test_a_server_that_cannot_make_the_folder_says_so_and_is_ready_for_the_rest(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"no folder")
    with RunningServer(tmp_path, RUN_FILE % "") as server:
        refused = upload(server, b"new")
        assert refused.status == 503
        assert refused.error["message"] == "The folder that keeps files cannot be used: File exists."
        until(lambda: "can be neither kept nor read" in server.log.read_text())
        server.wait_for("/ready")
        (tmp_path / "bytes").unlink()
        assert upload(server, b"new").status == 200


@pytest.fixture
async def files(database: Any, tmp_path: Path) -> tuple[Files, FileStore, Folder]:
    store, folder = FileStore(database, "files_metadata"), Folder(str(tmp_path / "bytes"))
    await store.prepare()
    return Files(store, folder), store, folder


def row(id: str, **fields: int) -> StoredFile:
    made = {"created": int(time.time()), "expires": None, **fields}
    return StoredFile(
        id=id,
        bytes=3,
        filename="a",
        purpose="batch",
        content_type="text/plain",
        sha256="",
        **made,  # type: ignore[arg-type]
    )


async def put(folder: Folder, id: str) -> None:
    async with folder.writing(id) as writing:
        await writing.write(b"abc")
        await writing.keep()


async def test_bytes_whose_row_never_came_go_and_the_others_stay(
    files: tuple[Files, FileStore, Folder], tmp_path: Path
) -> None:
    service, store, folder = files
    for name in ("file-kept", "file-orphan"):
        await store.spare(name)
        await put(folder, name)
    await store.add("t", row("file-kept"))
    await service.tidy()
    assert sorted(path.name for path in (tmp_path / "bytes/kept").glob("file-*")) == ["file-kept", "file-orphan"]
    await service.tidy(grace=0)
    assert [path.name for path in (tmp_path / "bytes/kept").glob("file-*")] == ["file-kept"]
    assert await store.spares(0) == []
    # Its writer comes back from a long sleep.
    with pytest.raises(Unavailable, match="took too long"):
        await store.add("t", row("file-orphan"))


async def test_a_file_that_is_deleted_before_its_bytes_are_read_is_not_found(
    files: tuple[Files, FileStore, Folder],
) -> None:
    service, store, folder = files
    await store.spare("file-a")
    await put(folder, "file-a")
    await store.add("t", row("file-a"))
    found = await service.row("t", "file-a")
    assert [piece async for piece in service.read("t", found)] == [b"abc"]
    await service.delete("t", "file-a")
    with pytest.raises(NotFound):
        await anext(service.read("t", found))


async def test_a_download_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "STALL", 0.05)
    taken = closed = 0

    async def pieces() -> AsyncGenerator[bytes, None]:
        nonlocal closed
        try:
            while True:
                yield bytes(4 * SLICE)
        finally:
            closed += 1

    async def send(message: Message) -> None:
        nonlocal taken
        taken += len(message.get("body", b""))
        if taken > 6 * SLICE:
            await asyncio.Event().wait()

    with pytest.raises(ClientGone):
        await send_download(Download(pieces(), 1 << 30, []), send)
    assert (taken, closed) == (7 * SLICE, 1)


@pytest.mark.parametrize("instead", [None, b"no folder"])
async def test_a_file_whose_bytes_cannot_be_removed_is_deleted_and_they_go_later(
    files: tuple[Files, FileStore, Folder], tmp_path: Path, caplog: pytest.LogCaptureFixture, instead: bytes | None
) -> None:
    service, store, folder = files
    await store.spare("file-a")
    await put(folder, "file-a")
    await store.add("t", row("file-a"))
    kept = tmp_path / "bytes/kept"
    kept.rename(tmp_path / "away")
    if instead is not None:
        kept.write_bytes(instead)
    assert (await service.delete("t", "file-a")).deleted
    assert "The bytes of file-a, which was deleted, stay for now" in caplog.text
    with pytest.raises(NotFound):
        await service.row("t", "file-a")
    kept.unlink(missing_ok=True)
    (tmp_path / "away").rename(kept)
    await service.tidy(grace=0)
    assert (list(kept.iterdir()), await store.spares(0)) == ([], [])


async def test_a_file_whose_time_is_over_goes_with_its_bytes(
    files: tuple[Files, FileStore, Folder], tmp_path: Path
) -> None:
    service, store, folder = files
    for name, seconds in (("file-past", -1), ("file-future", 100)):
        await store.spare(name)
        await put(folder, name)
        await store.add("t", row(name, expires=int(time.time()) + seconds))
    for gone in (service.get("t", "file-past"), service.content("t", "file-past"), service.delete("t", "file-past")):
        with pytest.raises(NotFound):
            await gone
    for query in (FilesQuery(), FilesQuery(purpose="batch"), FilesQuery(order="asc", after="file-past")):
        assert [file.id for file in (await service.page("t", query)).data] == ["file-future"]
    await service.tidy(grace=0)
    assert [path.name for path in (tmp_path / "bytes/kept").glob("file-*")] == ["file-future"]
    assert (await service.get("t", "file-future")).id == "file-future"


def test_old_files_go_by_the_retention_of_their_provider(tmp_path: Path) -> None:
    with RunningServer(tmp_path, RUN_FILE % ", retention: 2s") as server:
        server.wait_for("/ready")
        old = server.request("POST", "/v1/files", file() + PURPOSE + END, **HEADERS).json["id"]
        server.wait_for(f"/v1/files/{old}", status=404, within=20)
        metrics = server.get("/metrics").body.decode()
        assert 'stackwright_retention_removed_total{store="files"} 1.0' in metrics


async def test_the_table_of_a_default_provider_is_known_to_the_database_commands(tmp_path: Path) -> None:
    text = "version: 2\nstorage: " + json.dumps(
        {
            "backends": {
                "kv_default": {"type": "kv_sqlite", "db_path": str(tmp_path / "kv.db")},
                "rows": {"type": "sql_sqlite", "db_path": str(tmp_path / "sql.db")},
            }
        }
    )
    run = loads(text, environ={}, types=TYPES)
    assert stores.files_reference(run).model_dump(exclude_none=True) == {
        "backend": "rows",
        "table_name": "files_metadata",
    }
    async with open_backends(run.storage, label="test") as backends:
        assert ("rows", "files_metadata") in [(name, store.name) for name, store in stores.schemas(run, backends)]
