"""Answers of vendors with an accent become OpenAI's objects; answers without one are left alone."""

import json
from collections.abc import Mapping
from copy import deepcopy
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.errors import UpstreamError
from stackwright.ports.inference import Chunk, ModelCall
from stackwright.providers.inference.inline_scripted import CATEGORIES
from stackwright.providers.inference.reading import CHAT, CHECKS, TEXT, Decoder, Reading, checked
from stackwright.testing.upstream import completion, delta, event
from tests.schemas import needs_schemas, validate

SCHEMAS = {
    "chat": "CreateChatCompletionResponse",
    "completions": "CreateCompletionResponse",
    "embeddings": "CreateEmbeddingResponse",
    "moderations": "CreateModerationResponse",
}
TEXT_ANSWER = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "text": "Hi", "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
VECTORS = {
    "object": "list",
    "model": "m",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}
FLAGS = {
    "id": "modr-1",
    "model": "m",
    "results": [
        {
            "flagged": False,
            "categories": dict.fromkeys(CATEGORIES, False),
            "category_scores": dict.fromkeys(CATEGORIES, 0.1),
            "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
        }
    ],
}
GOOD: Mapping[str, Any] = {
    "chat": completion(),
    "completions": TEXT_ANSWER,
    "embeddings": VECTORS,
    "moderations": FLAGS,
}

GONE = object()


def changed(body: Any, path: str, value: Any) -> Any:
    """Return a copy with the value at a dotted path replaced, or taken out."""
    copy = deepcopy(body)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = copy
    for step in steps:
        place = place[step]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return copy


CALL = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
MESSAGE = "choices.0.message"
ACCENTS: list[tuple[str, str, Any]] = [
    ("chat", "id", GONE),
    ("chat", "id", None),
    ("chat", "object", GONE),
    ("chat", "object", "chat.completions"),
    ("chat", "created", GONE),
    ("chat", "created", 1.5),
    ("chat", "model", None),
    ("chat", "system_fingerprint", None),
    ("chat", "service_tier", "on_demand"),
    ("chat", "usage", None),
    ("chat", "usage", {"prompt_tokens": 1, "completion_tokens": 2}),
    ("chat", "usage.prompt_tokens_details", None),
    ("chat", "usage.completion_tokens_details", None),
    ("chat", "choices.0.index", GONE),
    ("chat", "choices.0.logprobs", GONE),
    ("chat", "choices.0.logprobs", {"content": []}),
    ("chat", "choices.0.finish_reason", None),
    ("chat", "choices.0.finish_reason", "eos"),
    ("chat", "choices.0.finish_reason", "STOP"),
    ("chat", f"{MESSAGE}.refusal", GONE),
    ("chat", f"{MESSAGE}.content", GONE),
    ("chat", f"{MESSAGE}.role", GONE),
    ("chat", f"{MESSAGE}.tool_calls", None),
    ("chat", f"{MESSAGE}.function_call", None),
    ("chat", f"{MESSAGE}.annotations", None),
    ("chat", f"{MESSAGE}.content", [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hi"}]),
    ("chat", f"{MESSAGE}.tool_calls", [{"function": {"name": "f", "arguments": {"x": 1}}}]),
    ("chat", f"{MESSAGE}.tool_calls", changed(CALL, "0.id", None)),
    ("chat", f"{MESSAGE}.tool_calls", changed(CALL, "0.type", GONE)),
    ("completions", "choices.0.logprobs", GONE),
    ("completions", "choices.0.finish_reason", None),
    ("completions", "id", GONE),
    ("embeddings", "object", GONE),
    ("embeddings", "usage", GONE),
    ("embeddings", "usage", {"prompt_tokens": 3}),
    ("embeddings", "model", None),
    ("embeddings", "data.0.object", GONE),
    ("embeddings", "data.0.index", GONE),
    ("moderations", "results.0.category_applied_input_types", GONE),
    ("moderations", "id", GONE),
]


@pytest.mark.parametrize("port", GOOD)
def test_a_good_answer_is_left_alone(port: str) -> None:
    body = json.dumps({**GOOD[port], "x_vendor": {"a": [1, None]}}, indent=1).encode()
    assert checked(CHECKS[port], body, "m") is body


@needs_schemas
@pytest.mark.parametrize("port", GOOD)
def test_what_is_left_alone_is_valid(port: str) -> None:
    validate(GOOD[port], SCHEMAS[port])


@needs_schemas
@pytest.mark.parametrize(("port", "path", "value"), ACCENTS)
def test_an_accent_is_repaired_to_what_openai_publishes(port: str, path: str, value: Any) -> None:
    broken = changed({**GOOD[port], "x_vendor": 1}, path, value)
    mended = json.loads(checked(CHECKS[port], json.dumps(broken).encode(), "m"))
    validate(mended, SCHEMAS[port])
    assert mended["x_vendor"] == 1


def test_what_the_vendor_thought_aloud_survives_a_repair() -> None:
    body = changed(changed(completion(), f"{MESSAGE}.reasoning_content", "Hm."), "id", GONE)
    mended = json.loads(checked(CHECKS["chat"], json.dumps(body).encode(), "m"))
    assert mended["choices"][0]["message"]["reasoning_content"] == "Hm."


def test_tool_calls_without_a_finish_reason_finish_with_tool_calls() -> None:
    body = changed(changed(completion(), f"{MESSAGE}.tool_calls", CALL), "choices.0.finish_reason", None)
    mended = json.loads(checked(CHECKS["chat"], json.dumps(body).encode(), "m"))
    assert mended["choices"][0]["finish_reason"] == "tool_calls"


STREAM_ACCENTS: list[tuple[str, Any]] = [
    ("id", GONE),
    ("id", None),
    ("object", ""),
    ("object", GONE),
    ("created", GONE),
    ("model", None),
    ("system_fingerprint", None),
    ("choices.0.index", GONE),
    ("choices.0.finish_reason", GONE),
    ("choices.0.finish_reason", ""),
    ("choices.0.delta", None),
    ("choices.0.delta.tool_calls", None),
    ("choices.0.delta.function_call", None),
    ("choices.0.delta.role", None),
    ("choices.0.delta.tool_calls", [{"function": {"name": "f", "arguments": "{}"}}]),
    ("choices.0.delta.tool_calls", [{"index": 0, "id": None, "function": {"name": None, "arguments": "x"}}]),
    ("choices", GONE),
]


@needs_schemas
@pytest.mark.parametrize(("path", "value"), STREAM_ACCENTS)
def test_an_accent_in_a_chunk_is_repaired(path: str, value: Any) -> None:
    (mended,) = Reading(CHAT, ModelCall("m", {})).feed(event(changed(delta("a", x_vendor=1), path, value)))
    validate(json.loads(mended.data), "CreateChatCompletionStreamResponse")
    assert json.loads(mended.data)["x_vendor"] == 1


def test_chunks_without_an_id_get_one_for_the_whole_stream() -> None:
    reading = Reading(CHAT, ModelCall("m", {}))
    chunks = [one for _ in range(3) for one in reading.feed(event(changed(delta("a"), "id", GONE)))]
    ids = {json.loads(one.data)["id"] for one in chunks}
    assert len(ids) == 1
    assert ids.pop().startswith("chatcmpl-")


@pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource"])
def test_an_answer_that_the_vendor_gave_up_is_no_answer(reason: str) -> None:
    body = changed(completion(), "choices.0.finish_reason", reason)
    with pytest.raises(UpstreamError, match=reason):
        checked(CHECKS["chat"], json.dumps(body).encode(), "m")


TEXT_EVENTS = [changed(TEXT_ANSWER, "choices.0.finish_reason", None), TEXT_ANSWER]
STREAMS: list[tuple[Decoder, list[Any]]] = [
    (CHAT, [delta("é € 😀"), delta("b"), delta(finish="length", usage=completion()["usage"])]),
    (TEXT, TEXT_EVENTS),
]


@given(stream=st.sampled_from(STREAMS), end=st.sampled_from([b"\n", b"\r\n"]), cuts=st.lists(st.integers(0, 900)))
def test_where_the_network_cuts_does_not_matter(stream: tuple[Decoder, list[Any]], end: bytes, cuts: list[int]) -> None:
    decoder, events = stream
    content = b"".join(event(one) for one in [*events, b"[DONE]"]).replace(b"\n", end)
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    reading = Reading(decoder, ModelCall("m", {}))
    chunks: list[Chunk] = []
    for start, stop in pairwise(edges):
        chunks += reading.feed(content[start:stop])
    assert reading.over
    assert [json.loads(one.data) for one in chunks] == events


@given(st.binary(max_size=300))
def test_noise_is_an_error_or_nothing_but_never_a_success(noise: bytes) -> None:
    reading = Reading(CHAT, ModelCall("m", {"n": msgspec.Raw(b"1")}))
    try:
        assert reading.feed(b"data: " + noise + b"\n\n") == []
    except UpstreamError:
        return
    with pytest.raises(UpstreamError):
        reading.end()
