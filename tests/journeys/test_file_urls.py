"""Files that a response's input names by their URLs: on a server over TLS, to the official client."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream, answer, completion
from tests.areas.responses.asking import said
from tests.journeys.test_websocket import talking
from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference:
    - {provider_id: up, provider_type: remote::openai, config: {base_url: "%s", api_key: k, models: [m]}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
responses:
  max_file_bytes: 100000
  file_urls: {allow_private: [localhost], seconds: 5}
server:
  auth: {mode: api_keys, api_keys: [{name: a, key: key-a, tenant: a}]}
"""
TLS = Path(__file__).parents[1] / "providers" / "tls"
PDF = b"%PDF-1.7 Quarterly report."
REPORT = answer(PDF, headers={"content-type": "application/pdf"})


pytestmark = pytest.mark.asyncio(loop_scope="module")


class Site:
    """A server in front of a vendor, a caller, and a stranger's server that has files."""

    def __init__(self, server: RunningServer, vendor: Upstream, files: Upstream, client: AsyncOpenAI) -> None:
        self.server = server
        self.vendor = vendor
        self.files = files
        self.client = client

    def begin(self) -> None:
        """Forget what was, and have both others say what they say at first."""
        for other, script in ((self.vendor, answer(completion("Seen."))), (self.files, REPORT)):
            other.requests.clear()
            other.scripts = [script]

    @property
    def part(self) -> Any:
        return {"type": "input_file", "file_url": f"https://localhost:{self.files.port}/reports/q3.pdf?key=x"}

    async def ask(self, part: Any, **more: Any) -> Any:
        return await self.client.responses.create(model="up/m", input=[user(part)], **more)

    @property
    def told(self) -> Any:
        """The messages that the vendor was sent last."""
        return self.vendor.requests[-1].json["messages"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    environ = {"SSL_CERT_FILE": str(TLS / "cert.pem")}
    async with Upstream([]) as vendor, Upstream([], tls=context) as files:
        with RunningServer(tmp_path_factory.mktemp("urls"), RUN_FILE % vendor.base_url, environ=environ) as server:
            async with server.async_client("key-a") as client:
                yield Site(server, vendor, files, client)


@pytest.fixture
def site(opened: Site) -> Site:
    opened.begin()
    return opened


def user(*parts: Any) -> Any:
    return {"role": "user", "content": list(parts)}


def sent(data: bytes = PDF, kind: str = "application/pdf", name: str = "q3.pdf") -> Any:
    """Return the part that a model is shown."""
    file_data = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return {"type": "file", "file": {"filename": name, "file_data": file_data}}


async def test_a_model_gets_the_bytes_and_the_items_keep_the_url(site: Site) -> None:
    made = await site.ask(site.part)
    assert site.told == [{"role": "user", "content": [sent()]}]
    (item,) = (await site.client.responses.input_items.list(made.id)).data
    assert [part.to_dict() for part in item.content] == [site.part]  # type: ignore[union-attr]
    assert (site.files.requests[0].path, len(site.files.requests)) == ("/reports/q3.pdf?key=x", 1)

    # A chain fetches what is there by then, and cannot go on when it is gone.
    unnamed = {"content-type": "application/octet-stream", "content-disposition": 'attachment; filename="../new.csv"'}
    site.files.scripts = [answer(b"\x89PNG\r\n\x1a\n", headers=unnamed), answer(b"1,2", headers=unnamed)]
    again: Any = {"model": "up/m", "input": "And now?", "previous_response_id": made.id}
    await site.client.responses.create(**again)
    assert site.told[0]["content"] == [sent(b"\x89PNG\r\n\x1a\n", "image/png", "new.csv")]
    await site.client.responses.create(**again)
    assert site.told[0]["content"] == [sent(b"1,2", "text/csv", "new.csv")]
    site.files.scripts = [answer(b"It is gone.", 404)]
    with pytest.raises(openai.BadRequestError) as gone:
        await site.client.responses.create(**again)
    assert gone.value.body == {
        "message": "Error while downloading the file from 'localhost'. Upstream status code: 404.",
        "type": "invalid_request_error",
        "param": "input",
        "code": "invalid_value",
    }


async def test_files_come_by_tool_outputs_prompts_streams_sockets_and_counts(site: Site) -> None:
    call: Any = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    for kind in ("function", "custom_tool"):
        output: Any = {"type": f"{kind}_call_output", "call_id": "c", "output": [{**site.part, "filename": "our.pdf"}]}
        await site.client.responses.create(model="up/m", input=[call, output])
        assert site.told[-1]["content"] == [sent(name="our.pdf")]

    spec = {
        "model": "up/m",
        "messages": [{"role": "user", "content": "Read: {{ report }}"}],
        "variables": {"report": {"type": "file"}},
    }
    made = await asyncio.to_thread(
        site.server.post, "/v1/prompts", {"name": "read", "spec": spec}, authorization="Bearer key-a"
    )
    await site.client.responses.create(prompt={"id": made.json["id"], "variables": {"report": site.part}})
    assert sent() in site.told[0]["content"]

    site.vendor.scripts = [answer({"object": "response.input_tokens", "input_tokens": 12})]
    counted = await site.client.responses.input_tokens.count(model="up/m", input=[user(site.part)])
    assert counted.input_tokens == 12
    file = sent()["file"]
    assert site.vendor.requests[-1].json["input"][0]["content"] == [{"type": "input_file", **file}]

    site.vendor.scripts = [play.stream(said("Seen."))]
    events = [event async for event in await site.ask(site.part, stream=True)]
    assert (events[-1].type, site.told[0]["content"]) == ("response.completed", [sent()])
    async with talking(site.server) as talk:
        *_, last = await talk.answer(model="up/m", input=[user(site.part)], store=False)
        assert (last["type"], site.told[0]["content"]) == ("response.completed", [sent()])
        site.files.scripts = [answer(b"", 500)]
        (refused,) = await talk.answer(model="up/m", input=[user(site.part)])
        assert (refused["status"], refused["error"]["param"]) == (400, "input")


async def test_in_the_background_a_file_is_fetched_when_the_response_is_made(site: Site) -> None:
    made = await ended(site, await site.ask(site.part, background=True))
    assert (made["status"], len(site.files.requests)) == ("completed", 1)
    assert site.told[0]["content"] == [sent()]
    site.files.scripts = [answer(b"", 404)]
    made = await ended(site, await site.ask(site.part, background=True))
    assert (made["status"], made["error"]["message"]) == (
        "failed",
        "Error while downloading the file from 'localhost'. Upstream status code: 404.",
    )
    # Where nobody may go is known at once.
    with pytest.raises(openai.BadRequestError, match=r"responses\.file_urls\.allow_private: \[127\.0\.0\.1\]"):
        await site.ask({"type": "input_file", "file_url": "https://127.0.0.1/a.pdf"}, background=True)
    assert len(site.vendor.requests) == 1


async def ended(site: Site, made: Any) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            kept = (await site.client.responses.retrieve(made.id)).to_dict()
            if kept["status"] not in ("queued", "in_progress"):
                return kept
            await asyncio.sleep(0.02)


async def test_uploaded_and_fetched_files_share_a_budget(site: Site) -> None:
    upload = await site.client.files.create(file=("a.txt", b"x" * 60_000), purpose="user_data")
    site.files.scripts = [answer(b"y" * 40_000, headers={"content-type": "text/plain"})]
    parts = [{"type": "input_file", "file_id": upload.id}, site.part]
    await site.client.responses.create(model="up/m", input=[user(*parts)])
    assert site.told[0]["content"][1] == sent(b"y" * 40_000, "text/plain")
    site.files.scripts = [[play.head(200, {"content-length": "40001"}), play.silence]]
    with pytest.raises(openai.APIStatusError, match=r"more than 100000 bytes.*responses\.max_file_bytes") as large:
        await site.client.responses.create(model="up/m", input=[user(*parts)])
    assert (large.value.status_code, large.value.param) == (413, "input")
    assert await site.files.closed()
    assert len(site.vendor.requests) == 1


async def test_a_caller_who_leaves_ends_the_download(site: Site) -> None:
    site.files.scripts = [[play.head(200, {"content-length": "100"}) + b"half", play.silence]]
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    body = json.dumps({"model": "up/m", "input": [user(site.part)]}).encode()
    head = f"POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key-a\r\ncontent-length: {len(body)}\r\n"
    writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
    await site.files.asked()
    writer.close()
    assert await site.files.closed()
    assert site.vendor.requests == []
    assert await reader.read() == b""
