"""What a model thought: shown, sealed for callers who keep it themselves, and given back to the model."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stackwright.errors import StackwrightError
from stackwright.testing.upstream import Upstream, answer, completion, stream
from tests.areas.responses.asking import Asking, Body, called, piece, said, served

ENCRYPTED = ["reasoning.encrypted_content"]
THINKING = stream([piece(reasoning_content="Let me "), piece(reasoning_content="see."), *said("Yes.")])
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
async def thinker(vendor: Upstream, tmp_path: Path) -> AsyncIterator[Asking]:
    vendor.scripts = [THINKING]
    async with served(vendor, tmp_path) as asking:
        yield asking


async def _thought(ask: Asking, **body: Any) -> Body:
    *_, last = await ask.events(**body)
    thought: Body = last["response"]["output"][0]
    assert thought["type"] == "reasoning"
    return thought


async def test_a_thought_is_sealed_for_who_asks(thinker: Asking) -> None:
    assert "encrypted_content" not in await _thought(thinker, store=False)
    thought = await _thought(thinker, store=False, include=ENCRYPTED)
    assert thought["content"] == [{"type": "reasoning_text", "text": "Let me see."}]
    assert "Let me see" not in thought["encrypted_content"]


@pytest.mark.parametrize("shown", [True, False], ids=["with its text", "sealed only"])
async def test_a_caller_without_storage_gives_the_model_its_thoughts_back(thinker: Asking, shown: bool) -> None:
    thinker.vendor.scripts = [stream([piece(reasoning_content="I call f."), *called(("f", "{}"))])]
    *_, last = await thinker.events(store=False, include=ENCRYPTED, tools=[TOOL])
    thought, call = last["response"]["output"]
    if not shown:
        del thought["content"]
    thinker.vendor.scripts = [THINKING]
    talk = [
        {"role": "user", "content": "Go."},
        thought,
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "ok"},
    ]
    await thinker.events(store=False, input=talk, tools=[TOOL])
    assert thinker.asked["messages"][1]["reasoning_content"] == "I call f."
    assert [call["function"]["name"] for call in thinker.asked["messages"][1]["tool_calls"]] == ["f"]


async def test_a_stored_thought_goes_back_to_the_model_by_itself(thinker: Asking) -> None:
    *_, last = await thinker.events()
    await thinker.events(previous_response_id=last["response"]["id"])
    assert thinker.asked["messages"] == [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Yes.", "reasoning_content": "Let me see."},
        {"role": "user", "content": "Hello."},
    ]
    await thinker.events(previous_response_id=last["response"]["id"], reasoning={"context": "current_turn"})
    assert thinker.asked["messages"][1] == {"role": "assistant", "content": "Yes."}


async def test_a_stored_seal_is_shown_to_who_asks(thinker: Asking) -> None:
    *_, last = await thinker.events(include=ENCRYPTED)
    made = last["response"]["id"]
    sealed = last["response"]["output"][0]["encrypted_content"]
    assert "encrypted_content" not in (await thinker.kept(made))["output"][0]
    assert (await thinker.kept(made, include=ENCRYPTED))["output"][0]["encrypted_content"] == sealed


async def test_a_seal_that_is_not_ours_or_anothers_is_refused(thinker: Asking, tmp_path: Path) -> None:
    sealed = (await _thought(thinker, store=False, include=ENCRYPTED))["encrypted_content"]
    broken = [sealed[:-4] + "AAAA", sealed[:20], "", "gAAAAABo" * 8, "sw1.", "sw1.ä", "sw1.A"]
    for tenant, token in [("other", sealed), *(("t", token) for token in broken)]:
        item = {"type": "reasoning", "summary": [], "encrypted_content": token}
        with pytest.raises(StackwrightError, match="could not be verified") as refused:
            await thinker.create(tenant, input=[{"role": "user", "content": "Hi."}, item])
        assert (refused.value.status, refused.value.code) == (400, "invalid_encrypted_content")
        assert refused.value.param == "input[1].encrypted_content"


async def test_a_seal_holds_on_every_replica_and_after_a_restart(vendor: Upstream, tmp_path: Path) -> None:
    vendor.scripts = [THINKING]
    async with served(vendor, tmp_path) as ask:
        thought = await _thought(ask, store=False, include=ENCRYPTED)
        async with served(vendor, tmp_path) as replica:
            await replica.events(input=[thought, {"role": "assistant", "content": "Yes."}], store=False)
            assert replica.asked["messages"][0]["reasoning_content"] == "Let me see."


async def test_a_vendor_that_refuses_thoughts_is_sent_none(vendor: Upstream, tmp_path: Path) -> None:
    async with served(vendor, tmp_path, type="remote::openai") as ask:
        vendor.scripts = [THINKING]
        *_, last = await ask.events()
        await ask.events(previous_response_id=last["response"]["id"])
        assert ask.asked["messages"][1] == {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"summary": "concise"}, "reasoning.summary"),
        ({"summary": "detailed"}, "reasoning.summary"),
        ({"generate_summary": "detailed"}, "reasoning.generate_summary"),
        ({"mode": "pro"}, "reasoning.mode"),
    ],
)
async def test_reasoning_that_nobody_does_is_refused(ask: Asking, wanted: Body, param: str) -> None:
    with pytest.raises(StackwrightError) as refused:
        await ask.create(reasoning=wanted)
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, param, "unsupported_value")


async def test_the_best_summary_there_is_is_none(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion())]
    made = await ask.whole(reasoning={"summary": "auto", "effort": "low", "mode": "standard"})
    assert made["reasoning"] == {"effort": "low", "summary": None, "mode": "standard"}
    assert ask.asked["reasoning_effort"] == "low"
