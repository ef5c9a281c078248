"""Conversations with the official client."""

import uuid
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.running import RunningServer
from tests.schemas import needs_schemas, validate

HELLO: Any = {"role": "user", "content": "Hello."}
ANSWER: Any = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi!"}]}
PICTURE: Any = {
    "role": "user",
    "content": [
        {"type": "input_text", "text": "Look."},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
    ],
}
PICTURE_KEPT: Any = {
    "type": "message",
    "role": "user",
    "status": "completed",
    "content": [{"type": "input_text", "text": "Look."}, {"type": "input_image", "detail": "auto"}],
}


def named(text: str) -> Any:
    return {"type": "message", "role": "user", "content": text}


def texts(items: Any) -> list[str]:
    return [item.content[0].text for item in items]


def test_a_conversation_is_made_read_changed_and_deleted(client: OpenAI) -> None:
    made = client.conversations.create(items=[HELLO, ANSWER], metadata={"topic": "greetings"})
    assert made.id.startswith("conv_")
    assert client.conversations.retrieve(made.id) == made
    assert made.metadata == {"topic": "greetings"}
    assert texts(client.conversations.items.list(made.id, order="asc")) == ["Hello.", "Hi!"]

    changed = client.conversations.update(made.id, metadata={"topic": "farewells"})
    assert changed.metadata == {"topic": "farewells"}
    assert client.conversations.retrieve(made.id) == changed

    gone = client.conversations.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "conversation.deleted")
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.list(made.id)


def test_an_empty_conversation_needs_nothing(client: OpenAI) -> None:
    made = client.conversations.create()
    assert made.metadata == {}
    assert client.conversations.items.list(made.id).data == []


def test_items_are_paged_in_both_directions(client: OpenAI) -> None:
    talk = client.conversations.create(items=[named(str(number)) for number in range(20)])
    client.conversations.items.create(talk.id, items=[named(str(number)) for number in range(20, 25)])

    newest = client.conversations.items.list(talk.id, limit=10)
    assert texts(newest.data) == [str(number) for number in range(24, 14, -1)]
    assert newest.has_more
    assert newest.last_id == newest.data[-1].id
    assert texts(newest) == [str(number) for number in range(24, -1, -1)]
    assert texts(client.conversations.items.list(talk.id, limit=7, order="asc")) == [str(n) for n in range(25)]


def test_items_are_added_read_and_deleted(client: OpenAI) -> None:
    talk = client.conversations.create(items=[HELLO])
    call: Any = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
    added = client.conversations.items.create(talk.id, items=[call, output])
    assert [item.type for item in added.data] == ["function_call", "function_call_output"]
    assert (added.first_id, added.last_id, added.has_more) == (added.data[0].id, added.data[1].id, False)

    first = added.data[0]
    assert first.id is not None
    assert client.conversations.items.retrieve(first.id, conversation_id=talk.id) == first
    assert client.conversations.items.delete(first.id, conversation_id=talk.id) == talk
    with pytest.raises(openai.NotFoundError, match=r"No conversation item with id"):
        client.conversations.items.retrieve(first.id, conversation_id=talk.id)
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.delete(first.id, conversation_id=talk.id)
    assert [item.type for item in client.conversations.items.list(talk.id)] == ["function_call_output", "message"]


def test_what_can_be_long_is_shown_when_it_is_included(client: OpenAI) -> None:
    thought: Any = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    talk = client.conversations.create(items=[PICTURE, thought])
    short = [item.to_dict() for item in client.conversations.items.list(talk.id, order="asc")]
    assert short == [{**PICTURE_KEPT, "id": short[0]["id"]}, {"type": "reasoning", "id": "rs_1", "summary": []}]

    both: Any = ["message.input_image.image_url", "reasoning.encrypted_content"]
    whole: Any = [item.to_dict() for item in client.conversations.items.list(talk.id, order="asc", include=both)]
    assert whole[0]["content"] == PICTURE["content"]
    assert whole[1] == thought
    one = client.conversations.items.retrieve("rs_1", conversation_id=talk.id, include=["reasoning.encrypted_content"])
    assert one.to_dict()["encrypted_content"] == "gAAAA"


def test_conversations_are_listed(server: RunningServer, client: OpenAI) -> None:
    made = [client.conversations.create(metadata={"batch": uuid.uuid4().hex}) for _ in range(3)]
    page = server.get("/v1/conversations?limit=2").json
    assert [one["id"] for one in page["data"]] == [made[2].id, made[1].id]
    assert page["has_more"]
    rest = server.get(f"/v1/conversations?limit=1&after={page['last_id']}").json
    assert [one["id"] for one in rest["data"]] == [made[0].id]


def test_too_much_or_too_odd_is_refused_and_nothing_is_added(server: RunningServer, client: OpenAI) -> None:
    talk = client.conversations.create(items=[HELLO | {"id": "msg_1"}])
    path = f"/v1/conversations/{talk.id}/items"

    def refused(body: Any, where: str = path) -> tuple[int, Any, Any]:
        answer = server.post(where, body)
        return answer.status, answer.error["param"], answer.error["code"]

    assert refused({"items": [HELLO] * 21}) == (400, "items", "array_above_max_length")
    assert refused({"items": [HELLO] * 21}, "/v1/conversations") == (400, "items", "array_above_max_length")
    assert refused({}) == (400, "items", "missing_required_parameter")
    assert refused({"items": [HELLO, {"type": "zebra"}]}) == (400, "items[1]", "invalid_value")
    assert refused({"items": [{"type": "item_reference", "id": "msg_1"}]})[:2] == (400, "items[0]")
    assert refused({"items": [HELLO, {**HELLO, "id": "msg_1"}]}) == (400, "items", "duplicate_item")
    assert refused({"metadata": {str(number): "" for number in range(17)}}, "/v1/conversations")[:2] == (
        400,
        "metadata",
    )
    assert server.get(path + "?after=msg_none").error["param"] == "after"
    assert server.get(path + "?limit=101").error["param"] == "limit"
    assert server.get(path + "?include[]=everything").error["param"] == "include[0]"
    assert server.get(path + "?include[a]=x&include[]=y").error["param"] == "include"
    assert [item.id for item in client.conversations.items.list(talk.id)] == ["msg_1"]


def test_what_is_not_there_is_not_found(server: RunningServer) -> None:
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", b'{"metadata":{}}'),
        ("DELETE", "", None),
        ("GET", "/items", None),
        ("POST", "/items", b'{"items":[]}'),
        ("POST", "/items", b'{"items":[{"role":"user","content":"x"}]}'),
        ("GET", "/items/msg_1", None),
        ("DELETE", "/items/msg_1", None),
    ):
        answer = server.request(method, f"/v1/conversations/conv_none{path}", body)
        assert answer.status == 404, (method, path)
        assert answer.error["message"] == "No conversation with id 'conv_none'."


@needs_schemas
def test_bodies_are_as_openai_publishes_them(server: RunningServer) -> None:
    made = server.post("/v1/conversations", {"items": [HELLO, ANSWER, PICTURE], "metadata": {"a": "b"}}).json
    path = f"/v1/conversations/{made['id']}"
    validate(made, "ConversationResource")
    validate(server.get(path).json, "ConversationResource")
    validate(server.post(path, {"metadata": {}}).json, "ConversationResource")
    added = server.post(f"{path}/items", {"items": [HELLO, ANSWER]}).json
    validate(added, "ConversationItemList")
    validate(server.get(f"{path}/items").json, "ConversationItemList")
    validate(server.get(f"{path}/items/{added['last_id']}").json, "ConversationItem")
    validate(server.request("DELETE", f"{path}/items/{added['last_id']}", None).json, "ConversationResource")
    validate(server.request("DELETE", path, None).json, "DeletedConversationResource")
