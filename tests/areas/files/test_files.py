"""The Files API with the official client."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from openai import OpenAI

from stackwright.areas.files import plain_name
from tests.areas.files.conftest import LIMIT
from tests.areas.files.forms import END, HEADERS, PURPOSE, field, file, file_head
from tests.running import RunningServer
from tests.schemas import needs_schemas, validate

MIB = 1024 * 1024
ANCHOR = field("expires_after[anchor]", "created_at")


@pytest.fixture
def client(server: RunningServer) -> Iterator[OpenAI]:
    with server.client("key-a") as opened:
        yield opened


def stored(server: RunningServer) -> set[str]:
    """Return the names of what is on disk."""
    return {path.name for path in (server.folder / ".stackwright/files").rglob("*") if path.is_file()}


def test_a_file_is_kept_read_and_deleted(client: OpenAI, server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_bytes(b"# Notes\n" * 1000)
    kept = client.files.create(file=path, purpose="user_data")
    assert kept.id.startswith("file-")
    assert (kept.filename, kept.bytes, kept.purpose, kept.object) == ("notes.md", 8000, "user_data", "file")
    assert abs(kept.created_at - time.time()) < 60
    assert client.files.retrieve(kept.id) == kept
    content = client.files.content(kept.id)
    assert content.content == path.read_bytes()
    assert content.response.headers["content-type"] == "text/markdown"
    assert kept.id in stored(server)

    gone = client.files.delete(kept.id)
    assert (gone.id, gone.deleted, gone.object) == (kept.id, True, "file")
    assert kept.id not in stored(server)
    for again in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match=f"No file with id '{kept.id}'"):
            again(kept.id)


@needs_schemas
def test_answers_are_as_openai_describes_them(server: RunningServer) -> None:
    key = {"authorization": "Bearer key-a"}
    after = ANCHOR + field("expires_after[seconds]", "3600")
    made = server.request("POST", "/v1/files", file() + PURPOSE + after + END, **HEADERS).json
    validate(made, "OpenAIFile")
    assert made["expires_at"] == made["created_at"] + 3600
    validate(server.get("/v1/files", **key).json, "ListFilesResponse")
    validate(server.request("DELETE", f"/v1/files/{made['id']}", None, **key).json, "DeleteFileResponse")


def test_files_are_listed_by_page_order_and_purpose(client: OpenAI) -> None:
    made = [client.files.create(file=(f"{n}.txt", b"x"), purpose="evals").id for n in range(5)]
    other = client.files.create(file=b"x", purpose="batch")
    assert [one.id for one in client.files.list(purpose="evals", limit=2)] == made[::-1]
    assert [one.id for one in client.files.list(purpose="evals", limit=2, order="asc")] == made
    page = client.files.list(purpose="evals", limit=2, after=made[3])
    assert ([one.id for one in page.data], page.has_more) == ([made[2], made[1]], True)
    assert client.files.list().data[0] == other
    with pytest.raises(openai.BadRequestError, match="No file with id 'file-1' to page from"):
        client.files.list(after="file-1")


def test_a_strangers_file_is_not_found(client: OpenAI, server: RunningServer) -> None:
    mine = client.files.create(file=b"secret", purpose="user_data")
    with server.client("key-b") as stranger:
        for attempt in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
            with pytest.raises(openai.NotFoundError):
                attempt(mine.id)
        assert stranger.files.list().data == []
    assert client.files.content(mine.id).content == b"secret"


def test_nothing_of_a_file_runs_in_a_browser(server: RunningServer, client: OpenAI) -> None:
    page = client.files.create(file=('../../a "page"\r\n.html', b"<script>alert(1)</script>"), purpose="user_data")
    assert page.filename.startswith("a ")
    headers = server.get(f"/v1/files/{page.id}/content", authorization="Bearer key-a").headers
    assert headers["content-disposition"].startswith("attachment; filename*=UTF-8''a%20%")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("given", "name"),
    [("../a.txt", "a.txt"), ("C:\\b.txt", "b.txt"), ("..", "file"), ("a/.", "file"), ("", "file"), (".env", ".env")],
)
def test_a_name_leads_to_no_folder(given: str, name: str) -> None:
    assert plain_name(given) == name


def test_an_empty_file_comes_back_empty(client: OpenAI) -> None:
    empty = client.files.create(file=("empty.csv", b""), purpose="user_data")
    assert (empty.bytes, client.files.content(empty.id).content) == (0, b"")


FUN = (
    "Invalid value for 'purpose': 'fun'. "
    "Supported values are: 'assistants', 'batch', 'evals', 'fine-tune', 'user_data' and 'vision'."
)


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (file() + END, "purpose", "Missing required parameter: 'purpose'."),
        (PURPOSE + END, "file", "Missing required parameter: 'file'."),
        (PURPOSE + field("file", "text") + END, "file", "'file' is a text: send it as a file, with a name."),
        (file() + field("purpose", "fun") + END, "purpose", FUN),
        (file() + PURPOSE + field("fun", "1") + END, "fun", "Unknown parameter: 'fun'."),
        (file() + PURPOSE + file(name="other") + END, None, "One file and 16 fields are what a form may have."),
        (PURPOSE * 17 + END, None, "One file and 16 fields are what a form may have."),
        (field("purpose", "x" * 70_000) + END, None, "The fields of a form may have 65536 bytes."),
        (file() + PURPOSE, None, "The form breaks off: its last boundary is missing."),
        (b"", None, "The form breaks off: its last boundary is missing."),
        (b"no form", None, None),
        (file() + PURPOSE + ANCHOR + END, "expires_after.seconds", None),
        (
            file() + PURPOSE + ANCHOR + field("expires_after[seconds]", "9") + END,
            "expires_after.seconds",
            None,
        ),
    ],
)
def test_a_form_that_is_none_is_refused_and_leaves_nothing(
    server: RunningServer, body: bytes, param: str | None, message: str | None
) -> None:
    before = stored(server)
    refused = server.request("POST", "/v1/files", body, **HEADERS)
    assert refused.status == 400
    error: dict[str, Any] = refused.error
    assert error["param"] == param
    assert message in (None, error["message"])
    assert stored(server) == before


def test_json_is_no_form(server: RunningServer) -> None:
    refused = server.post("/v1/files", {"purpose": "vision"}, authorization="Bearer key-a")
    assert (refused.status, refused.error["code"]) == (400, "invalid_form")


def test_a_large_file_passes_through_and_a_larger_one_is_refused_without_memory(
    client: OpenAI, server: RunningServer
) -> None:
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    before, kept = process.memory_info().rss, stored(server)
    data = bytes(range(256)) * (LIMIT // 256)
    large = client.files.create(file=("large.bin", data), purpose="user_data")
    assert large.bytes == LIMIT
    with pytest.raises(openai.APIStatusError, match=r"larger than 33554432 bytes.*server\.max_upload_bytes") as refused:
        client.files.create(file=("larger.bin", data + b"x"), purpose="user_data")
    assert (refused.value.status_code, refused.value.code) == (413, "request_too_large")
    # Its length is not told beforehand.
    pieces = (file_head(), *[bytes(MIB)] * 33, b"\r\n", PURPOSE, END)
    refused_later = client.with_options(timeout=30)._client.post(
        f"{server.url}/v1/files", content=iter(pieces), headers=HEADERS
    )
    assert refused_later.status_code == 413
    with client.files.with_streaming_response.content(large.id) as answer:
        assert b"".join(answer.iter_bytes()) == data
    assert stored(server) == kept | {large.id}
    assert process.memory_info().rss - before < 16 * MIB
    client.files.delete(large.id)


def test_bytes_that_are_lost_are_told_before_the_answer_begins(client: OpenAI, server: RunningServer) -> None:
    kept = client.files.create(file=b"abc", purpose="user_data")
    (server.folder / ".stackwright/files/kept" / kept.id).write_bytes(b"ab")
    with pytest.raises(openai.InternalServerError, match="not where files are kept, or not all of them"):
        client.files.content(kept.id)
    (server.folder / ".stackwright/files/kept" / kept.id).unlink()
    with pytest.raises(openai.InternalServerError) as lost:
        client.files.content(kept.id)
    assert lost.value.code == "file_lost"
    os.mkfifo(server.folder / ".stackwright/files/kept" / kept.id)
    with pytest.raises(openai.InternalServerError, match="not where files are kept, or not all of them"):
        client.files.content(kept.id)
    assert client.files.delete(kept.id).deleted


def test_bytes_that_cannot_be_reached_now_are_not_called_lost(client: OpenAI, server: RunningServer) -> None:
    kept = client.files.create(file=b"abc", purpose="user_data")
    path = server.folder / ".stackwright/files/kept" / kept.id
    path.rename(path.with_suffix(".away"))
    path.symlink_to(path)
    with pytest.raises(openai.InternalServerError, match="cannot be used: Too many levels of symbolic links") as away:
        client.files.content(kept.id)
    assert away.value.status_code == 503
    path.with_suffix(".away").rename(path)
    assert client.files.content(kept.id).read() == b"abc"
    assert client.files.delete(kept.id).deleted
