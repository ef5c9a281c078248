"""Chains and branches of responses, on both databases: each item stored once, a chain read at once."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from stackwright.errors import StackwrightError
from stackwright.testing.upstream import Upstream, answer, completion
from tests.areas.responses.asking import Asking, served
from tests.servers import PostgresServer


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgres"])
async def ask(
    request: pytest.FixtureRequest, vendor: Upstream, tmp_path: Path, postgres: PostgresServer
) -> AsyncIterator[Asking]:
    sql: dict[str, Any] | None = None
    if request.param == "postgres":
        where = {"host": postgres.host, "port": postgres.port, "user": postgres.user, "password": postgres.password}
        sql = {"type": "sql_postgres", "db": postgres.create_database(), **where}
    vendor.scripts = [answer(completion("Yes."))]
    async with served(vendor, tmp_path, sql=sql) as asking:
        yield asking


def _said(ask: Asking) -> list[str]:
    return [message["content"] for message in ask.asked["messages"]]


async def test_a_chain_is_the_whole_talk_and_its_instructions_are_not_inherited(ask: Asking) -> None:
    first = await ask.whole(input="one", instructions="Be brief.")
    second = await ask.whole(input="two", previous_response_id=first["id"])
    assert _said(ask) == ["one", "Yes.", "two"]
    await ask.whole(input="three", previous_response_id=second["id"])
    assert _said(ask) == ["one", "Yes.", "two", "Yes.", "three"]


async def test_branches_of_a_chain_know_nothing_of_each_other(ask: Asking) -> None:
    root = await ask.whole(input="root")
    left = await ask.whole(input="left", previous_response_id=root["id"])
    right = await ask.whole(input="right", previous_response_id=root["id"])
    await ask.whole(input="more", previous_response_id=left["id"])
    assert _said(ask) == ["root", "Yes.", "left", "Yes.", "more"]
    await ask.whole(input="more", previous_response_id=right["id"])
    assert _said(ask) == ["root", "Yes.", "right", "Yes.", "more"]


async def test_a_long_chain_keeps_its_order_and_stores_only_what_is_new(ask: Asking) -> None:
    last = None
    for turn in range(30):
        last = await ask.whole(input=str(turn), **({"previous_response_id": last["id"]} if last else {}))
    assert _said(ask) == [text for turn in range(29) for text in (str(turn), "Yes.")] + ["29"]
    assert last is not None
    assert len((await ask.input_items(last["id"]))["data"]) == 1


async def test_a_chain_with_a_link_missing_says_which(ask: Asking) -> None:
    first = await ask.whole(input="one")
    second = await ask.whole(input="two", previous_response_id=first["id"])
    await ask.responses.delete("t", first["id"])
    for previous, missing in ((second["id"], first["id"]), ("resp_none", "resp_none")):
        with pytest.raises(StackwrightError) as refused:
            await ask.create(previous_response_id=previous)
        assert refused.value.message == f"Previous response with id '{missing}' not found."
        assert (refused.value.status, refused.value.code) == (400, "previous_response_not_found")
        assert refused.value.param == "previous_response_id"


async def test_a_strangers_response_is_not_found(ask: Asking) -> None:
    mine = await ask.whole(input="secret")
    for attempt in (
        ask.kept(mine["id"], tenant="other"),
        ask.input_items(mine["id"], tenant="other"),
        ask.responses.delete("other", mine["id"]),
        ask.responses.cancel("other", mine["id"]),
    ):
        with pytest.raises(StackwrightError) as refused:
            await attempt
        assert (refused.value.status, refused.value.message) == (404, f"Response with id '{mine['id']}' not found.")
    with pytest.raises(StackwrightError, match="not found"):
        await ask.create(tenant="other", previous_response_id=mine["id"])
    [item] = (await ask.input_items(mine["id"]))["data"]
    with pytest.raises(StackwrightError, match="not found"):
        await ask.create(tenant="other", input=[{"type": "item_reference", "id": item["id"]}])
    assert (await ask.page(tenant="other"))["data"] == []


async def test_an_item_that_is_kept_can_be_referred_to(ask: Asking) -> None:
    first = await ask.whole(input="one")
    [item] = first["output"]
    await ask.whole(input=[{"type": "item_reference", "id": item["id"]}, {"role": "user", "content": "two"}])
    assert ask.asked["messages"] == [
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "two"},
    ]


async def test_input_items_come_in_pages(ask: Asking) -> None:
    talk = [{"role": "user", "content": str(number)} for number in range(25)]
    made = await ask.whole(input=talk)
    for order, expected in (("asc", list(range(25))), ("desc", list(range(24, -1, -1)))):
        found: list[int] = []
        after: dict[str, Any] = {}
        while True:
            page = await ask.input_items(made["id"], order=order, limit=10, **after)
            found += [int(item["content"][0]["text"]) for item in page["data"]]
            if not page["has_more"]:
                break
            after = {"after": page["last_id"]}
        assert found == expected
    with pytest.raises(StackwrightError, match="to list after"):
        await ask.input_items(made["id"], after="msg_none")


async def test_responses_come_in_pages_with_their_output(ask: Asking) -> None:
    made = [(await ask.whole(input=str(number)))["id"] for number in range(5)]
    first = await ask.page(limit=3, order="asc")
    rest = await ask.page(limit=3, order="asc", after=first["last_id"])
    assert [one["id"] for one in first["data"] + rest["data"]] == made
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert all(one["output"][0]["content"][0]["text"] == "Yes." for one in first["data"])
    assert [one["id"] for one in (await ask.page(model="up/m"))["data"]] == made[::-1]
    assert (await ask.page(model="other"))["data"] == []


async def test_a_deleted_response_is_gone_with_its_items(ask: Asking) -> None:
    made = await ask.whole()
    assert (await ask.responses.delete("t", made["id"])).deleted
    for attempt in (ask.kept(made["id"]), ask.input_items(made["id"]), ask.responses.delete("t", made["id"])):
        with pytest.raises(StackwrightError, match="not found"):
            await attempt
    with pytest.raises(StackwrightError, match="not found"):
        await ask.create(input=[{"type": "item_reference", "id": made["output"][0]["id"]}])
