"""Every property that OpenAI's document gives a request has an effect, is shown again, or is refused with a reason."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from stackwright.errors import StackwrightError
from stackwright.testing.upstream import answer, completion
from tests.areas.responses.asking import Asking, Body
from tests.schemas import needs_schemas, properties, validate

DOES = {"name": "f", "description": "Does.", "parameters": {"type": "object", "properties": {}}, "strict": True}
FUNCTION = {"type": "function", **DOES}
AS_FUNCTION = {"type": "function", "function": DOES}
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
HELLO = {"role": "user", "content": "Hello."}


@dataclass(frozen=True)
class Case:
    """What a request says, what the vendor is asked for it, and what the answer shows of it."""

    given: Body
    asked: Body = field(default_factory=dict)
    shown: Body = field(default_factory=dict)


def same(name: str, value: Any, asked: str | None = None, *, shown: bool = True) -> Case:
    """A property that keeps its value on its way, under chat's name for it, and in the answer."""
    return Case({name: value}, {asked or name: value}, {name: value} if shown else {})


CASES = {
    "model": Case({"model": "up/m"}, {"model": "m"}, {"model": "up/m"}),
    "input": Case({"input": "Well?"}, {"messages": [{"role": "user", "content": "Well?"}]}),
    "instructions": Case(
        {"instructions": "Be brief."},
        {"messages": [{"role": "system", "content": "Be brief."}, HELLO]},
        {"instructions": "Be brief."},
    ),
    "metadata": Case({"metadata": {"a": "b"}}, {}, {"metadata": {"a": "b"}}),
    "store": Case({"store": False}, {}, {"store": False}),
    "temperature": same("temperature", 0.5),
    "top_p": same("top_p", 0.25),
    "top_logprobs": Case({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}, {"top_logprobs": 3}),
    "include": Case({"include": ["message.output_text.logprobs"]}, {"logprobs": True, "top_logprobs": 0}),
    "max_output_tokens": same("max_output_tokens", 17, "max_completion_tokens"),
    "max_tool_calls": Case({"max_tool_calls": 1}, {}, {"max_tool_calls": 1}),
    "parallel_tool_calls": Case(
        {"parallel_tool_calls": False, "tools": [FUNCTION]},
        {"parallel_tool_calls": False},
        {"parallel_tool_calls": False},
    ),
    "prompt_cache_key": same("prompt_cache_key", "key"),
    "prompt_cache_options": same("prompt_cache_options", {"ttl": "30m", "mode": "explicit"}),
    "prompt_cache_retention": same("prompt_cache_retention", "24h"),
    "reasoning": Case(
        {"reasoning": {"effort": "high"}},
        {"reasoning_effort": "high"},
        {"reasoning": {"effort": "high", "summary": None}},
    ),
    "safety_identifier": same("safety_identifier", "somebody"),
    "service_tier": same("service_tier", "flex"),
    "text": Case(
        {
            "text": {
                "verbosity": "low",
                "format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True},
            }
        },
        {
            "verbosity": "low",
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
        },
        {
            "text": {
                "verbosity": "low",
                "format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True},
            }
        },
    ),
    "tools": Case({"tools": [FUNCTION]}, {"tools": [AS_FUNCTION]}, {"tools": [FUNCTION]}),
    "tool_choice": Case(
        {"tools": [FUNCTION], "tool_choice": "required"}, {"tool_choice": "required"}, {"tool_choice": "required"}
    ),
    "truncation": Case({"truncation": "auto"}, {}, {"truncation": "auto"}),
    "user": same("user", "somebody-else"),
}
"""Those whose effect is in what the vendor is asked, or in the answer."""
REFUSED: dict[str, Any] = {
    "moderation": {"model": "omni-moderation-latest"},
    "context_management": [{"type": "compaction", "compact_threshold": 1000}],
    "stream_options": {"include_obfuscation": True},
}
"""Those that nobody here does, or not without another."""
ELSEWHERE = {
    "background": "test_background.py",
    "conversation": "test_chains.py",
    "previous_response_id": "test_chains.py",
    "prompt": "tests/journeys/test_prompts.py",
    "stream": "test_shapes.py",
}
"""Those whose effect is a story of its own."""


@needs_schemas
def test_every_published_property_is_tried() -> None:
    assert CASES.keys() | REFUSED.keys() | ELSEWHERE.keys() == properties("CreateResponse")


@pytest.mark.parametrize("name", CASES)
async def test_a_property_has_its_effect(ask: Asking, name: str) -> None:
    case = CASES[name]
    ask.vendor.scripts = [answer(completion())]
    made = await ask.whole(**case.given)
    plain = {"model": "m", "messages": [HELLO]}
    tools = {"tools": [AS_FUNCTION]} if "tools" in case.given else {}
    assert ask.asked == {**plain, **tools, **case.asked}
    assert {name: made[name] for name in case.shown} == case.shown


@needs_schemas
@pytest.mark.parametrize("name", CASES)
def test_what_is_tried_is_what_the_document_describes(name: str) -> None:
    validate({"model": "up/m", "input": "Hello.", **CASES[name].given}, "CreateResponse")


@pytest.mark.parametrize("name", REFUSED)
async def test_a_property_that_would_have_no_effect_is_refused(ask: Asking, name: str) -> None:
    with pytest.raises(StackwrightError) as refused:
        await ask.create(**{name: REFUSED[name]})
    assert (refused.value.status, refused.value.param) == (400, name)
    assert ask.vendor.requests == []


async def test_what_only_a_vendor_knows_goes_there_as_it_came(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion())]
    extras: dict[str, Any] = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}, "seed": 7, "stop": ["."]}
    await ask.whole(**extras)
    assert ask.asked == {"model": "m", "messages": [HELLO], **extras}


async def test_what_the_vendor_acts_on_goes_there_whole(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion())]
    options = {"ttl": "30m", "mode": "explicit", "field_of_2030": {"deep": [1]}}
    made = await ask.whole(prompt_cache_options=options)
    assert ask.asked == {"model": "m", "messages": [HELLO], "prompt_cache_options": options}
    assert made["prompt_cache_options"] == {"ttl": "30m", "mode": "explicit"}


async def test_what_chat_completions_have_no_place_for_is_told_the_model(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion())]
    skills = [{"name": "pdf", "description": "Makes PDFs.", "path": "/skills/pdf"}]
    tools = [
        {**FUNCTION, "output_schema": {"type": "integer"}},
        {"type": "shell", "environment": {"type": "local", "skills": skills}},
    ]
    made = await ask.whole(tools=tools)
    function, shell = (tool["function"]["description"] for tool in ask.asked["tools"])
    assert function == 'Does.\n\nReturns JSON of this schema: {"type":"integer"}'
    assert shell.endswith("That machine has skills:\n- pdf: Makes PDFs. See /skills/pdf/SKILL.md")
    assert made["tools"] == tools


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("max_tokens", "Unknown parameter: 'max_tokens'. Did you mean 'max_output_tokens'?"),
        ("messages", "Unknown parameter: 'messages'. Did you mean 'input'?"),
        ("n", "Unknown parameter: 'n'."),
        ("api_base", "'api_base' is not for requests to say: where they go, and with which key, is in the run file."),
        (
            "extra_headers",
            "'extra_headers' is not for requests to say: where they go, and with which key, is in the run ",
        ),
    ],
)
async def test_what_belongs_elsewhere_goes_to_no_vendor(ask: Asking, name: str, words: str) -> None:
    sent: dict[str, Any] = {name: 7}
    for background in (False, True):
        with pytest.raises(StackwrightError) as refused:
            await ask.create(background=background, **sent)
        assert (refused.value.status, refused.value.param) == (400, name)
        assert refused.value.message.startswith(words)
    assert ask.vendor.requests == []


async def test_what_codex_says_of_itself_goes_nowhere(ask: Asking) -> None:
    ask.vendor.scripts = [answer(completion())]
    await ask.whole(client_metadata={"thread_id": "t"})
    assert ask.asked == {"model": "m", "messages": [HELLO]}


SHELL, PATCH = {"type": "shell"}, {"type": "apply_patch"}
NOTE = {"type": "custom", "name": "note"}


@needs_schemas
@pytest.mark.parametrize(
    ("chosen", "asked"),
    [
        ("none", "none"),
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "name": "f"}, "f"),
        ({"type": "custom", "name": "note"}, "note"),
        (SHELL, "shell"),
        (PATCH, "apply_patch"),
    ],
)
async def test_a_choice_of_tool_is_the_models(ask: Asking, chosen: Any, asked: str) -> None:
    ask.vendor.scripts = [answer(completion())]
    body = {"tools": [FUNCTION, NOTE, SHELL, PATCH], "tool_choice": chosen}
    validate({"model": "m", "input": "x", **body}, "CreateResponse")
    made = await ask.whole(**body)
    assert made["tool_choice"] == chosen
    named = asked if isinstance(chosen, str) else {"type": "function", "function": {"name": asked}}
    assert ask.asked["tool_choice"] == named
    assert len(ask.asked["tools"]) == 4


@needs_schemas
@pytest.mark.parametrize("mode", ["auto", "required"])
async def test_a_choice_among_tools_narrows_them(ask: Asking, mode: str) -> None:
    ask.vendor.scripts = [answer(completion())]
    chosen = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "f"}, SHELL]}
    made = await ask.whole(tools=[FUNCTION, NOTE, SHELL, PATCH], tool_choice=chosen)
    assert made["tool_choice"] == chosen
    assert [tool["function"]["name"] for tool in ask.asked["tools"]] == ["f", "shell"]
    assert ask.asked["tool_choice"] == mode


@pytest.mark.parametrize(
    "kind",
    [
        *("file_search", "web_search_preview", "web_search_preview_2025_03_11", "computer", "computer_use"),
        *("computer_use_preview", "image_generation", "code_interpreter", "programmatic_tool_calling"),
    ],
)
async def test_a_choice_of_what_is_not_offered_is_refused(ask: Asking, kind: str) -> None:
    with pytest.raises(StackwrightError, match=f"Tool choice '{kind}' not found in 'tools' parameter") as refused:
        await ask.create(tools=[FUNCTION], tool_choice={"type": kind})
    assert (refused.value.status, refused.value.param) == (400, "tool_choice")


async def test_a_tool_must_be_there_to_be_required(ask: Asking) -> None:
    with pytest.raises(StackwrightError, match="must be specified with 'tools'"):
        await ask.create(tool_choice="required")
