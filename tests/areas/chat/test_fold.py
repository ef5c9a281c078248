"""Laws of folding a stream into the completion it spells."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stackwright.areas.chat.fold import Fold

CALLS = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=30)), max_size=3)


def _chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    body = {"id": "theirs", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}
    return json.dumps(body).encode()


def _pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(places)]


def _folded(chunks: list[bytes], sizes: list[int]) -> dict[str, Any]:
    """Fold chunks that arrive in batches of these sizes, over and over."""
    fold = Fold()
    place, turn = 0, 0
    while place < len(chunks):
        size = sizes[turn % len(sizes)]
        fold.feed(chunks[place : place + size])
        place, turn = place + size, turn + 1
    return fold.completion("ours")


@given(st.text(max_size=200), st.lists(st.integers(0, 300), max_size=100), st.lists(st.integers(1, 90), min_size=1))
def test_deltas_add_up_to_the_text_however_it_is_cut_and_batched(text: str, cuts: list[int], sizes: list[int]) -> None:
    chunks = [_chunk(0, {"role": "assistant", "content": ""})]
    chunks += [_chunk(0, {"content": piece}) for piece in _pieces(text, cuts)]
    whole = _folded([*chunks, _chunk(0, {}, "stop")], sizes)
    assert whole == {
        "id": "ours",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
    }


@given(st.permutations([0, 0, 0, 1, 1, 2]))
def test_choices_that_interleave_stay_apart_and_in_order(order: list[int]) -> None:
    chunks = [_chunk(index, {"content": str(index)}) for index in order]
    whole = _folded([*chunks, *(_chunk(index, {}, "stop") for index in (2, 0, 1))], [2])
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["000", "11", "2"]


@given(CALLS, st.lists(st.integers(0, 40), max_size=10))
def test_tool_calls_are_put_together_from_their_pieces(calls: list[tuple[str, str]], cuts: list[int]) -> None:
    chunks = []
    for place, (name, arguments) in enumerate(calls):
        first = {"index": place, "id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": ""}}
        chunks.append(_chunk(0, {"tool_calls": [first]}))
        rest = [{"index": place, "function": {"arguments": piece}} for piece in _pieces(arguments, cuts)]
        chunks += [_chunk(0, {"tool_calls": [part]}) for part in rest]
    message = _folded([*chunks, _chunk(0, {}, "tool_calls")], [3])["choices"][0]["message"]
    assert [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])
    ] == [(f"call_{place}", name, arguments) for place, (name, arguments) in enumerate(calls)]


def test_what_did_not_finish_says_so() -> None:
    whole = _folded([_chunk(0, {"content": "half"})], [1])
    assert whole["choices"][0]["finish_reason"] is None


def test_usage_and_fingerprints_are_kept() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    last = json.dumps({"choices": [], "usage": usage, "system_fingerprint": "fp"}).encode()
    first = json.dumps({"created": 7, "model": "m", "choices": [], "system_fingerprint": "fp", "usage": None}).encode()
    whole = _folded([first, last], [1])
    assert (whole["usage"], whole["system_fingerprint"]) == (usage, "fp")


def test_reasoning_that_is_no_text_is_left_out() -> None:
    whole = _folded([_chunk(0, {"content": "x", "reasoning": {"odd": 1}, "reasoning_content": "why"}, "stop")], [1])
    assert whole["choices"][0]["message"]["reasoning_content"] == "why"
    assert "reasoning" not in whole["choices"][0]["message"]
