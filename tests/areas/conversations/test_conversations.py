"""Conversations on both databases: what other areas rely on, and what two processes may not break."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from stackwright.areas.conversations import Conversations, ConversationStore
from stackwright.areas.conversations.types import ItemsQuery, NewConversation, NewItems
from stackwright.errors import InvalidRequest, NotFound
from stackwright.storage.sql import Do, Migration, Script
from stackwright.wire.items import InputText, Message, OutputText, encode

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def conversations(database: Any) -> Conversations:
    store = ConversationStore(database, "talks")
    await store.prepare()
    return Conversations(store)


def said(text: str) -> Message:
    return Message(role="user", content=[InputText(text=text)])


def texts(items: list[Any]) -> list[str]:
    return [item.text for item in items]


async def test_a_turn_is_appended_in_the_transaction_that_completes_it(
    conversations: Conversations, database: Any
) -> None:
    await database.migrate("turns", [Migration(1, ["CREATE TABLE turns (id TEXT PRIMARY KEY)"])])
    talk = await conversations.create("ada", NewConversation(items=[{"role": "user", "content": "one"}]))
    turn = [said("two"), Message(role="assistant", content=[OutputText(text="three")])]

    def script(id: str, conversation_id: str) -> Script[None]:
        yield Do(database.render("INSERT INTO turns (id) VALUES ($1)"), (id,))
        yield from conversations.appending("ada", conversation_id, turn)

    await database.transact(lambda: script("first", talk.id))
    assert texts(await conversations.history("ada", talk.id)) == ["one", "two", "three"]

    with pytest.raises(NotFound):
        await database.transact(lambda: script("second", "conv_gone"))
    assert await database.fetch("SELECT id FROM turns") == [("first",)]


async def test_an_item_that_is_there_already_stays_where_it_is(conversations: Conversations, database: Any) -> None:
    talk = await conversations.create("ada", NewConversation())
    first, second = said("first"), said("second")
    for turn in ([first], [first, second, second]):
        await database.transact(lambda turn=turn: conversations.appending("ada", talk.id, turn))
    assert await conversations.history("ada", talk.id) == [first, second]


async def test_a_long_turn_is_appended_in_order(conversations: Conversations, database: Any) -> None:
    talk = await conversations.create("ada", NewConversation())
    turn = [said(str(number)) for number in range(65)]
    await database.transact(lambda: conversations.appending("ada", talk.id, turn))
    assert await conversations.history("ada", talk.id) == turn


async def test_an_item_deleted_is_not_in_the_next_turn(conversations: Conversations) -> None:
    items = [{"role": "user", "content": text, "id": f"msg_{text}"} for text in "abc"]
    talk = await conversations.create("ada", NewConversation(items=items))
    await conversations.delete_item("ada", talk.id, "msg_b")
    await conversations.append("ada", talk.id, NewItems(items=[{"role": "user", "content": "d"}]))
    assert texts(await conversations.history("ada", talk.id)) == ["a", "c", "d"]


async def test_nothing_is_left_of_a_deleted_conversation(conversations: Conversations, database: Any) -> None:
    talk = await conversations.create("ada", NewConversation(items=[{"role": "user", "content": "secret"}]))
    await conversations.delete("ada", talk.id)
    assert await database.fetch("SELECT id FROM talks_items") == []
    with pytest.raises(NotFound):
        await conversations.history("ada", talk.id)


async def test_a_stranger_finds_nothing(conversations: Conversations, database: Any) -> None:
    talk = await conversations.create("ada", NewConversation(items=[{"role": "user", "content": "hi", "id": "msg_1"}]))
    new = NewItems(items=[{"role": "user", "content": "mine now"}])
    attempts: list[Any] = [
        lambda: conversations.get("eve", talk.id),
        lambda: conversations.history("eve", talk.id),
        lambda: conversations.items("eve", talk.id, ItemsQuery()),
        lambda: conversations.item("eve", talk.id, "msg_1", ()),
        lambda: conversations.append("eve", talk.id, new),
        lambda: conversations.update("eve", talk.id, {}),
        lambda: conversations.delete_item("eve", talk.id, "msg_1"),
        lambda: conversations.delete("eve", talk.id),
        lambda: database.transact(lambda: conversations.appending("eve", talk.id, [said("x")])),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound, match=f"No conversation with id '{talk.id}'"):
            await attempt()
    assert texts(await conversations.history("ada", talk.id)) == ["hi"]


async def test_appending_to_a_conversation_that_is_being_deleted_leaves_no_orphans(
    conversations: Conversations, database: Any
) -> None:
    talk = await conversations.create("ada", NewConversation())
    appends = [
        conversations.append("ada", talk.id, NewItems(items=[{"role": "user", "content": "x"}])) for _ in range(20)
    ]
    outcomes = await asyncio.gather(
        *appends[:10], conversations.delete("ada", talk.id), *appends[10:], return_exceptions=True
    )
    assert all(not isinstance(one, Exception) or isinstance(one, NotFound) for one in outcomes)
    assert await database.fetch("SELECT id FROM talks_items") == []


async def test_a_thousand_appends_from_two_processes_all_find_their_place(
    conversations: Conversations, database: Any, where: str
) -> None:
    talk = await conversations.create("ada", NewConversation())
    command = [sys.executable, "-m", "tests.areas.conversations.appending", where, talk.id]
    both = [await asyncio.create_subprocess_exec(*command, name, "500", cwd=ROOT) for name in ("one", "two")]
    async with asyncio.timeout(60):
        assert [await process.wait() for process in both] == [0, 0]

    positions = [row[0] for row in await database.fetch("SELECT position FROM talks_items ORDER BY position")]
    assert positions == list(range(1000))
    history = await conversations.history("ada", talk.id)
    assert {item.id for item in history} == {f"msg_{name}_{n}" for name in ("one", "two") for n in range(500)}


async def test_one_that_spoils_a_batch_fails_alone(conversations: Conversations) -> None:
    talk = await conversations.create("ada", NewConversation(items=[{"role": "user", "content": "0", "id": "msg_0"}]))
    ids = [f"msg_{number}" for number in (1, 2, 0, 3, 3, 4)]
    new = [NewItems(items=[{"role": "user", "content": "x", "id": one}]) for one in ids]
    outcomes = await asyncio.gather(*(conversations.append("ada", talk.id, one) for one in new), return_exceptions=True)
    assert [isinstance(outcome, InvalidRequest) for outcome in outcomes] == [False, False, True, False, True, False]
    assert [item.id for item in await conversations.history("ada", talk.id)] == [f"msg_{n}" for n in range(5)]


async def test_a_busy_conversation_takes_one_connection(conversations: Conversations, database: Any) -> None:
    talk = await conversations.create("ada", NewConversation())
    before = database.commits
    new = NewItems(items=[{"role": "user", "content": "x"}])
    await asyncio.gather(*(conversations.append("ada", talk.id, new) for _ in range(500)))
    assert len(await conversations.history("ada", talk.id)) == 500
    assert database.commits - before <= 20


async def test_a_caller_that_stops_waiting_holds_nobody_up(conversations: Conversations) -> None:
    talk = await conversations.create("ada", NewConversation())
    new = NewItems(items=[{"role": "user", "content": "x"}])
    tasks = [asyncio.create_task(conversations.append("ada", talk.id, new)) for _ in range(9)]
    await asyncio.sleep(0)
    for task in tasks[1:8]:
        task.cancel()
    await asyncio.wait_for(asyncio.wait(tasks), 5)
    assert len(await conversations.history("ada", talk.id)) == 2


async def test_a_page_is_the_json_of_its_items(conversations: Conversations, database: Any) -> None:
    talk = await conversations.create("ada", NewConversation())
    turn = [said("a"), said("b"), said("c")]
    await database.transact(lambda: conversations.appending("ada", talk.id, turn))
    page = await conversations.items("ada", talk.id, ItemsQuery(limit=2, order="asc", after=turn[0].id))
    assert page == b'{"object":"list","data":[%b,%b],"first_id":"%b","last_id":"%b","has_more":false}' % (
        encode(turn[1]),
        encode(turn[2]),
        turn[1].id.encode(),
        turn[2].id.encode(),
    )
