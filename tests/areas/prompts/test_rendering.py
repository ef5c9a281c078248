"""Rendering: laws of the one-pass parser, and what a caller is told about variables."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.areas.prompts.apply import Merged, Resolved, apply
from stackwright.areas.prompts.compiled import Compiled
from stackwright.areas.prompts.content import content
from stackwright.areas.prompts.spec import Spec, normalized, packed, unpacked
from stackwright.areas.prompts.template import Template
from stackwright.errors import InvalidRequest

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}


def compiled(**fields: Any) -> Compiled:
    return Compiled(normalized(msgspec.convert({"instructions": "x", **fields}, Spec)))


def rendered(given: dict[str, Any] | None = None, request: dict[str, Any] | None = None, /, **fields: Any) -> Merged:
    return apply(Resolved("pmpt_1", "3", "sha256:0", compiled(**fields)), given, request or {})


def refusal(given: dict[str, Any], /, **fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        rendered(given, **fields)
    return refused.value


@given(st.text(alphabet="{} \\a._bé\n", max_size=40))
def test_text_without_holes_or_escapes_stays_as_it_is(text: str) -> None:
    template = Template(text)
    if not template.holes and "\\{{" not in text:
        assert template.render({}) == text


@given(
    st.lists(st.text(alphabet="{} \\ax.", max_size=8), min_size=1, max_size=6), st.text(alphabet="{}\\ ax", max_size=12)
)
def test_a_value_is_never_read_again(literals: list[str], value: str) -> None:
    plain = [one.replace("{", "(").replace("\\", "/") for one in literals]
    template = Template("{{ x }}".join(plain))
    assert template.render({"x": value}) == value.join(plain)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{x}}{{ x }}", "VV"),
        (r"\{{ x }}", "{{ x }}"),
        (r"\\{{ x }}", r"\{{ x }}"),
        ("{x} {{ 9x }} {{}} }} {{ x", "{x} {{ 9x }} {{}} }} {{ x"),
        ("{{{ x }}}", "{V}"),
        ("{{ x | upper }}", "{{ x | upper }}"),
        ("{{ x() }}{{ x['a'] }}", "{{ x() }}{{ x['a'] }}"),
    ],
)
def test_braces_that_hold_no_name_are_literal(text: str, shown: str) -> None:
    assert Template(text).render({"x": "V"}) == shown


def test_the_worked_example() -> None:
    spec = {"instructions": "Guide people of {{ age }} through {{ city }}.", "model": "demo/echo"}
    merged = rendered({"city": "San Francisco", "age": 30}, **spec)
    assert merged.fields == {"model": "demo/echo", "instructions": "Guide people of 30 through San Francisco."}
    assert merged.prompt == {"id": "pmpt_1", "version": "3", "variables": {"city": "San Francisco", "age": 30}}
    assert merged.shown is merged.fields


def test_everything_wrong_is_said_at_once() -> None:
    error = refusal(
        {"age": "thirty", "cty": 1},
        instructions="{{ city }} {{ tone }} {{ age }}",
        variables={"age": {"type": "integer"}},
    )
    assert error.message == (
        "Missing prompt variables: city, tone. Unknown prompt variables: cty (did you mean 'city'?). "
        "Invalid value for prompt variable 'age': expected integer, got 'thirty'."
    )
    assert (error.status, error.code, error.param) == (400, "missing_prompt_variables", "prompt.variables")


def test_the_texts_of_single_problems() -> None:
    spec: dict[str, Any] = {"instructions": "{{ city }} {{ age }}", "variables": {"age": {"type": "integer"}}}
    assert refusal({}, **spec).message == "Missing prompt variables: age, city"
    given = {"city": "Oslo", "age": 3}
    assert refusal(given | {"cities": 1}, **spec).message == "Unknown prompt variables: cities (did you mean 'city'?)"
    assert refusal(given | {"zzz": 1}, **spec).message == "Unknown prompt variables: zzz"
    assert (
        refusal(given | {"age": "thirty"}, **spec).message
        == "Invalid value for prompt variable 'age': expected integer, got 'thirty'."
    )


@pytest.mark.parametrize("name", ["first-name", "1st", "Größe", "first name", ""])
def test_a_variable_that_can_have_no_place_is_told_why(name: str) -> None:
    refused = refusal({name: "Ada"}, instructions=f"Greet {{{{{name}}}}}.")
    why = f"a name has letters, digits and underscores, and begins with no digit: {{{{{name}}}}} is plain text"
    assert refused.message == f"Unknown prompt variables: {name} ({why})"


@pytest.mark.parametrize(
    ("declaration", "value", "shown"),
    [
        ({"type": "string"}, "a", "a"),
        ({"type": "string"}, {"type": "input_text", "text": "a"}, "a"),
        ({"type": "string"}, 1.5, "1.5"),
        ({"type": "string"}, True, "true"),
        ({"type": "integer"}, "30", "30"),
        ({"type": "integer"}, 30.0, "30"),
        ({"type": "number"}, "1e3", "1000.0"),
        ({"type": "number"}, 2, "2"),
        ({"type": "boolean"}, "false", "false"),
        ({"type": "enum", "enum": ["a", 1]}, 1, "1"),
        ({"type": "json"}, {"a": [1, None]}, '{"a":[1,null]}'),
        ({"type": "json"}, None, "null"),
        ({"type": "string", "default": "d"}, None, "d"),
        ({"type": "string", "required": False}, None, ""),
    ],
)
def test_values_as_text(declaration: dict[str, Any], value: Any, shown: str) -> None:
    merged = rendered({"v": value}, instructions="<{{ v }}>", variables={"v": declaration})
    assert merged.fields["instructions"] == f"<{shown}>"


@pytest.mark.parametrize(
    ("declaration", "value", "complaint"),
    [
        ({"type": "string"}, ["a"], "expected string, got an array"),
        ({"type": "integer"}, True, "expected integer, got true"),
        ({"type": "integer"}, "1.5", "expected integer, got '1.5'"),
        ({"type": "integer", "min": 1, "max": 9}, 0, "expected at least 1, got 0"),
        ({"type": "integer", "min": 1, "max": 9}, 10, "expected at most 9, got 10"),
        ({"type": "number"}, "x", "expected number, got 'x'"),
        ({"type": "boolean"}, 1, "expected boolean, got 1"),
        ({"type": "enum", "enum": ["a", "b"]}, "c", 'expected one of "a", "b", got \'c\''),
        ({"type": "string", "max_length": 2}, "abc", "expected at most 2 characters, got 3"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "A", "expected a match of '^[a-z]+$', got 'A'"),
        ({"type": "string", "pattern": "^x$", "sensitive": True}, "hunter2", "expected a match of '^x$'"),
        ({"type": "string"}, IMAGE, "expected string, got input_image"),
        ({"type": "string"}, {"type": ["input_text"]}, "expected string, got an object"),
        ({"type": "boolean"}, {"type": {"input_text": 1}}, "expected boolean, got an object"),
    ],
)
def test_values_that_do_not_fit(declaration: dict[str, Any], value: Any, complaint: str) -> None:
    error = refusal({"v": value}, instructions="{{ v }}", variables={"v": declaration})
    assert error.message == f"Invalid value for prompt variable 'v': {complaint}."
    assert error.code == "invalid_prompt_variables"


@given(st.dictionaries(st.sampled_from("abx"), st.text(max_size=3) | st.integers() | st.none(), max_size=3))
def test_what_is_rendered_at_once_is_what_checking_would_have_made_of_it(given: dict[str, Any]) -> None:
    version = compiled(instructions="{{ a }}!", messages=[{"role": "user", "content": "{{ b }}?"}])
    at_once = version.at_once(given)
    assert (at_once is not None) == (given.keys() == {"a", "b"} and all(type(one) is str for one in given.values()))
    if at_once is not None:
        values = version.variables.check(given)
        assert at_once == version.render(values.texts, values.parts)


def test_paths_lead_into_json_values() -> None:
    given = {"user": {"name": "Ada", "tags": ["x", {"y": 1}]}}
    merged = rendered(given, instructions="{{ user.name }} {{ user.tags.1.y }}")
    assert merged.fields["instructions"] == "Ada 1"
    error = refusal({"user": {}}, instructions="{{ user.name }}")
    assert error.message == "Invalid value for prompt variable 'user': it has no 'name'."
    beyond = "9" * 5000
    error = refusal({"user": ["Ada"]}, instructions="{{ user." + beyond + " }}")
    assert error.message == f"Invalid value for prompt variable 'user': it has no '{beyond}'."


def test_a_pattern_takes_time_linear_in_the_text() -> None:
    error = refusal(
        {"v": "a" * 50_000 + "!"},
        instructions="{{ v }}",
        variables={"v": {"type": "string", "pattern": "^(a|a)*(a+)+$"}},
    )
    assert "expected a match" in error.message


def test_an_image_stands_at_its_place_in_a_user_message() -> None:
    message = {"role": "user", "content": "Look: {{ picture }} What is it, {{ name }}?"}
    merged = rendered({"picture": IMAGE, "name": "{{ picture }}"}, instructions=None, messages=[message])
    assert merged.messages == [
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look: "},
                IMAGE,
                {"type": "input_text", "text": " What is it, {{ picture }}?"},
            ],
        }
    ]
    error = refusal({"v": IMAGE}, instructions="{{ v }}")
    assert "input_image can stand in user messages only" in error.message


def test_tools_and_schemas_are_templates_in_their_texts_only() -> None:
    tool = {
        "type": "function",
        "name": "find",
        "description": "Find in {{ where }}",
        "parameters": {"type": "object", "properties": {"{{ where }}": {"description": "{{ where }}"}}},
    }
    schema = {"format": {"type": "json_schema", "name": "n", "schema": {"title": "{{ where }}"}}}
    merged = rendered({"where": '"}], {'}, tools=[tool], text=schema)
    assert merged.fields["tools"] == [
        tool
        | {
            "description": 'Find in "}], {',
            "parameters": {"type": "object", "properties": {"{{ where }}": {"description": '"}], {'}}},
        }
    ]
    assert merged.fields["text"]["format"]["schema"] == {"title": '"}], {'}


def test_a_request_goes_over_its_prompt() -> None:
    spec: dict[str, Any] = {
        "instructions": "prompt's",
        "model": "a",
        "tools": [{"type": "shell"}],
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "reasoning": {"effort": "low"},
        "metadata": {"a": "1", "b": "1"},
        "temperature": 0.5,
    }
    request: dict[str, Any] = {
        "input": "hi",
        "tools": [],
        "text": {"verbosity": "high"},
        "metadata": {"b": "2"},
        "temperature": 0,
        "model": None,
        "instructions": "request's",
    }
    assert rendered(None, request, **spec).fields == {
        "instructions": "request's",
        "model": "a",
        "input": "hi",
        "tools": [],
        "text": {"format": {"type": "text"}, "verbosity": "high"},
        "reasoning": {"effort": "low"},
        "metadata": {"a": "1", "b": "2"},
        "temperature": 0,
    }


def test_sensitive_values_reach_the_model_and_nothing_else() -> None:
    merged = rendered(
        {"pin": "1234", "name": "Ada"},
        instructions="{{ name }}: {{ pin }}",
        messages=[{"role": "user", "content": "{{ pin }}"}],
        variables={"pin": {"type": "string", "sensitive": True}},
    )
    assert merged.fields["instructions"] == "Ada: 1234"
    assert merged.messages[0]["content"] == "1234"
    assert merged.prompt["variables"] == {"name": "Ada"}
    assert "1234" not in repr((merged.shown, merged.shown_messages, merged.prompt))


def test_rendering_leaves_the_version_as_it_was() -> None:
    version = compiled(metadata={"a": "1"}, text={"verbosity": "low"}, reasoning={"effort": "low"})
    before = packed(version.spec)
    for _ in range(2):
        apply(Resolved("p", "1", "h", version), {}, {"metadata": {"b": "2"}, "text": {"verbosity": "high"}})
    assert packed(version.spec) == before
    assert apply(Resolved("p", "1", "h", version), {}, {}).fields["metadata"] == {"a": "1"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"instructions": None}, "instructions"),
        ({"tools": [{"name": "x"}]}, "tools[0].type"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"variables": {"v": {"type": "integer", "default": "x"}}}, "variables.v"),
        ({"variables": {"v": {"type": "enum"}}}, "variables.v"),
        ({"variables": {"v": {"pattern": "("}}}, "variables.v.pattern"),
        ({"instructions": "{{ v }}", "variables": {"v": {"type": "image"}}}, "variables.v"),
        ({"instructions": "{{ v.a }}", "variables": {"v": {"type": "string"}}}, "variables.v"),
    ],
)
def test_content_that_cannot_work_is_not_published(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        content(msgspec.convert({"instructions": "x", **fields}, Spec))
    assert refused.value.param == param


def test_the_same_content_has_the_same_hash() -> None:
    one = content(msgspec.json.decode(b'{"instructions":"x","model":"m","metadata":{"b":"1","a":"2"}}', type=Spec))
    two = content(msgspec.json.decode(b'{"metadata":{"a":"2","b":"1"},"model":"m","instructions":"x"}', type=Spec))
    assert one.hash == two.hash
    assert packed(unpacked(one.spec)) == one.spec
