"""What Llama Stack kept is what the official clients read from us, from each of three layouts."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from stackwright.testing.upstream import Upstream, answer
from stackwright.testing.upstream import completion as vendors
from tests.migrate_data.carrying import carry, rewrite
from tests.migrate_data.llama_stack import Place
from tests.migrate_data.releases import (
    CSV,
    FIRST,
    FOURTH,
    OTHER_TALK,
    PICTURE,
    PNG,
    PROMPT,
    RELEASES,
    SECOND,
    TABLE,
    TALK,
    THIRD,
)
from tests.running import RunningServer
from tests.schemas import DOCUMENT, validate
from tests.servers import PostgresServer

LAYOUTS = [
    ("0.2.10", "sqlite"),
    ("0.3.5", "sqlite"),
    ("0.3.5", "postgres"),
    ("1.5.0", "postgres"),
]


@asynccontextmanager
async def _served(folder: Path, run_file: str, environ: dict[str, str]) -> AsyncIterator[RunningServer]:
    server = RunningServer(folder, run_file, environ=environ)
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.wait_for, "/v1/models/mine")
        yield server
    finally:
        await asyncio.to_thread(server.close)


@pytest.mark.parametrize(("release", "kind"), LAYOUTS)
async def test_everything_is_there_and_goes_on(
    release: str, kind: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    sql = Place((postgres_server, postgres_server.create_database())) if kind == "postgres" else None
    async with Upstream([answer(vendors("Fourth."))]) as vendor:
        old = RELEASES[release](tmp_path, vendor.base_url, sql)
        new, text = rewrite(old)
        carried = carry(old, new, "--set-aside")
        talks = {} if release == "0.2.10" else {"conversations": (2, 0, 0, 0)}
        assert carried.counts() == {
            "chat completions": (4, 0, 0, 0),
            "responses": (4, 0, 0, 0),
            "files": (2, 0, 0, 0),
            "prompts": (1, 0, 0, 0),
            "models": (1, 0, 0, 1),
            **talks,
        }
        assert carried.status == 1, "a model's provider is gone"
        for one in carried.report["carried"]:
            assert one["checksum"] == one["checksum_read_back"]

        async with _served(tmp_path, text, dict(old.environ)) as server, server.async_client() as client:
            await _completions(client)
            await _responses(client)
            await _prompts(client, dated=release == "1.5.0")
            if talks:
                await _conversations(client)
            await _goes_on(client, vendor)
            await _files(client, vendor)
            if talks:
                await _a_talk_about_a_file(client, vendor)


async def _completions(client: AsyncOpenAI) -> None:
    found = [one async for one in client.chat.completions.list(limit=3, order="asc")]
    assert [one.id for one in found] == [f"chatcmpl-{number:06d}" for number in range(4)]
    second = (await client.chat.completions.retrieve(found[1].id)).to_dict()
    assert second == {
        "id": "chatcmpl-000001",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": "mine",
        "metadata": {},
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {"role": "assistant", "content": "It's answer 1.", "refusal": None},
            }
        ],
    }
    _fits(second, "CreateChatCompletionResponse")
    (message,) = [one async for one in client.chat.completions.messages.list(found[1].id)]
    assert (message.role, message.content) == ("user", "Question 1?")


async def _responses(client: AsyncOpenAI) -> None:
    first = (await client.responses.retrieve(FIRST)).to_dict(mode="json")
    _fits(first, "Response")
    assert (first["created_at"], first["instructions"], first["temperature"]) == (1_750_001_000, "Be brief.", 0.5)
    assert first["usage"]["total_tokens"] == 9  # type: ignore[index]
    assert (await client.responses.retrieve(FIRST)).output_text == "first"
    assert (await client.responses.retrieve(THIRD)).previous_response_id == SECOND
    third = await client.responses.input_items.list(THIRD)
    assert [one.type for one in third.data] == ["function_call_output"]
    (second,) = [one.to_dict(mode="json") async for one in client.responses.input_items.list(SECOND)]
    assert second["content"] == [{"type": "input_text", "text": "two"}]
    assert str(second["id"]).startswith("msg_")


async def _prompts(client: AsyncOpenAI, *, dated: bool) -> None:
    found: Any = await client.get(f"/prompts/{PROMPT}", cast_to=object)
    assert (found["prompt"], found["version"], found["default_version"]) == ("Hello {{ name }}", 1, 1)
    assert not dated or found["created_at"] == 1_750_003_001
    newer: Any = await client.get(f"/prompts/{PROMPT}?version=2", cast_to=object)
    assert newer["prompt"] == "Hi {{name}}"


async def _conversations(client: AsyncOpenAI) -> None:
    talk = await client.conversations.retrieve(TALK)
    assert (talk.created_at, talk.metadata) == (1_750_002_000, {"topic": "greeting"})
    assert (await client.conversations.retrieve(OTHER_TALK)).metadata == {}
    items = [one async for one in client.conversations.items.list(TALK, order="asc", limit=2)]
    assert [one.id for one in items] == ["msg_a", "msg_b", "msg_c"]
    assert (await client.conversations.items.create(TALK, items=[{"role": "user", "content": "more"}])).data
    assert len([one async for one in client.conversations.items.list(TALK)]) == 4


async def _goes_on(client: AsyncOpenAI, vendor: Upstream) -> None:
    made = await client.responses.create(model="mine", input="four", previous_response_id=THIRD)
    assert made.output_text == "Fourth."
    (asked,) = [one.json for one in vendor.requests if one.method == "POST"]
    assert asked["model"] == "mine-of-openai"
    told = [(message["role"], message.get("content")) for message in asked["messages"]]
    assert told == [
        ("user", "one"),
        ("assistant", "first"),
        ("user", "two"),
        ("assistant", None),
        ("tool", "rain"),
        ("assistant", "third"),
        ("user", "four"),
    ]


async def _files(client: AsyncOpenAI, vendor: Upstream) -> None:
    found = [one async for one in client.files.list(limit=1)]
    assert [one.to_dict() for one in found] == [
        {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": created,
            "expires_at": 2_000_000_000,
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
        }
        for name, content, created, filename, purpose in [
            (TABLE, CSV, 1_750_004_001, "prices.csv", "assistants"),
            (PICTURE, PNG, 1_750_004_000, "a.png", "vision"),
        ]
    ]
    for name, content in ((TABLE, CSV), (PICTURE, PNG)):
        assert (await client.files.content(name)).content == content
    await client.responses.create(model="mine", input="Well?", previous_response_id=FOURTH)
    shown = {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}", "detail": "low"}
    assert vendor.requests[-1].json["messages"][0]["content"] == [
        {"type": "text", "text": "And this?"},
        {"type": "image_url", "image_url": shown},
    ]


async def _a_talk_about_a_file(client: AsyncOpenAI, vendor: Upstream) -> None:
    await client.responses.create(model="mine", input="Well?", conversation=OTHER_TALK)
    data = f"data:text/csv;base64,{base64.b64encode(CSV).decode()}"
    assert vendor.requests[-1].json["messages"] == [
        {"role": "user", "content": [{"type": "file", "file": {"filename": "prices.csv", "file_data": data}}]},
        {"role": "user", "content": "Well?"},
    ]


def _fits(body: Any, schema: str) -> None:
    if DOCUMENT.exists():
        validate(body, schema)
