"""Files that a response's input names by id: what the model is sent, and what is kept."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from stackwright.testing.upstream import Upstream, answer, completion
from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference:
    - {provider_id: up, provider_type: remote::openai-compatible, config: {base_url: "%s", models: [m]}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
responses: {max_file_bytes: 100000}
server:
  auth: {mode: api_keys, api_keys: [{name: a, key: key-a, tenant: a}, {name: b, key: key-b, tenant: b}]}
"""
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Site:
    """A server in front of a vendor, and a caller."""

    def __init__(self, server: RunningServer, vendor: Upstream, client: AsyncOpenAI) -> None:
        self.server = server
        self.vendor = vendor
        self.client = client

    async def ask(self, *parts: Any, **more: Any) -> Any:
        return await self.client.responses.create(model="up/m", input=[said(*parts)], **more)

    @property
    def told(self) -> Any:
        """The messages that the vendor was sent last."""
        return self.vendor.requests[-1].json["messages"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Upstream([answer(completion("Seen."))]) as vendor:
        with RunningServer(tmp_path, RUN_FILE % vendor.base_url) as server:
            async with server.async_client("key-a") as client:
                yield Site(server, vendor, client)


def said(*parts: Any) -> Any:
    return {"role": "user", "content": list(parts)}


def image(file_id: str, **more: str) -> Any:
    return {"type": "input_image", "file_id": file_id, **more}


def url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


async def test_a_model_gets_the_bytes_and_the_items_keep_the_id(site: Site) -> None:
    picture = await site.client.files.create(file=PNG, purpose="vision")
    table = await site.client.files.create(file=("prices.csv", b"a,b\n1,2\n"), purpose="user_data")
    parts = [image(picture.id, detail="low"), {"type": "input_file", "file_id": table.id}]
    made = await site.ask(*parts, {"type": "input_text", "text": "What is this?"})
    content = [
        {"type": "image_url", "image_url": {"url": url("image/png", PNG), "detail": "low"}},
        {"type": "file", "file": {"filename": "prices.csv", "file_data": url("text/csv", b"a,b\n1,2\n")}},
        {"type": "text", "text": "What is this?"},
    ]
    assert site.told == [{"role": "user", "content": content}]
    items = (await site.client.responses.input_items.list(made.id)).data
    assert [part.to_dict() for part in items[0].content][:2] == [  # type: ignore[union-attr]
        {"type": "input_image", "file_id": picture.id, "detail": "low"},
        {"type": "input_file", "file_id": table.id},
    ]

    # A chain reads them again, and cannot when they are gone.
    again: Any = {"model": "up/m", "input": "And now?", "previous_response_id": made.id}
    await site.client.responses.create(**again)
    assert site.told[0] == {"role": "user", "content": content}
    await site.client.files.delete(table.id)
    with pytest.raises(openai.NotFoundError, match=f"No file with id '{table.id}'") as missing:
        await site.client.responses.create(**again)
    assert missing.value.param == "input"


async def test_files_reach_a_model_from_tool_outputs_conversations_and_prompts(site: Site) -> None:
    picture = await site.client.files.create(file=("a.png", PNG), purpose="vision")
    shown = {"type": "image_url", "image_url": {"url": url("image/png", PNG), "detail": "auto"}}
    call: Any = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    output: Any = {"type": "function_call_output", "call_id": "c", "output": [image(picture.id)]}
    await site.client.responses.create(model="up/m", input=[call, output])
    assert site.told[-1]["content"] == [shown]

    talk = await site.client.conversations.create(items=[said(image(picture.id))])
    await site.client.responses.create(model="up/m", input="Well?", conversation=talk.id)
    assert site.told[0]["content"] == [shown]

    key = {"authorization": "Bearer key-a"}
    spec = {"model": "up/m", "messages": [{"role": "user", "content": "Look: {{ photo }}"}]}
    made = site.server.post("/v1/prompts", {"name": "look", "spec": spec}, **key)
    prompt: Any = {"id": made.json["id"], "variables": {"photo": image(picture.id)}}
    await site.client.responses.create(prompt=prompt)
    assert shown in site.told[0]["content"]


async def test_a_background_response_reads_files_too(site: Site) -> None:
    picture = await site.client.files.create(file=("a.png", PNG), purpose="vision")
    made = await site.ask(image(picture.id), background=True)
    site.server.wait_for(f"/v1/responses/{made.id}", authorization="Bearer key-a")
    await site.vendor.asked(1)
    assert site.told[0]["content"][0]["image_url"]["url"] == url("image/png", PNG)


async def test_what_cannot_be_sent_is_refused_before_the_model_is_asked(site: Site) -> None:
    text = await site.client.files.create(file=("notes.txt", b"x" * 60_000), purpose="user_data")
    part: Any = {"type": "input_file", "file_id": text.id}
    with pytest.raises(openai.BadRequestError, match=r"is no image: 'notes\.txt'"):
        await site.ask(image(text.id))
    with pytest.raises(openai.APIStatusError, match=r"more than 100000 bytes.*responses\.max_file_bytes") as large:
        await site.ask(part, part)
    assert large.value.status_code == 413
    with pytest.raises(openai.NotFoundError, match="No file with id 'file-1'"):
        await site.ask(image("file-1"), stream=True)
    with pytest.raises(
        openai.BadRequestError, match=r"responses\.file_urls\.allow_private: \[127\.0\.0\.1\]"
    ) as private:
        await site.ask({"type": "input_file", "file_url": f"{site.vendor.base_url}/a.pdf"})
    assert private.value.param == "input"
    async with site.server.async_client("key-b") as stranger:
        with pytest.raises(openai.NotFoundError):
            await stranger.responses.create(model="up/m", input=[said(part)])
    assert site.vendor.requests == []
