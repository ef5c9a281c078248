"""What is refused of prompts, in which words; and what a response keeps of one."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from stackwright import Stackwright
from tests.running import RunningServer

PNG = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
T = TypeVar("T")
LABEL = "Expected a string that matches the pattern '^[a-z][a-z0-9_.-]{0,62}$'."


def until(look: Callable[[], T], good: Callable[[T], bool], within: float = 10.0) -> T:
    """Return the first of what `look` sees that is good."""
    deadline = time.monotonic() + within
    while not good(seen := look()):
        assert time.monotonic() < deadline, seen
        signal.sigtimedwait([], 0.02)
    return seen


@pytest.fixture
def prompts_client(server: RunningServer) -> Iterator[Stackwright]:
    with Stackwright(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def prompt_id(server: RunningServer) -> str:
    body = {"name": "refusals", "instructions": "{{ city }}", "labels": ["prod"]}
    return str(server.post("/v1/prompts", body).json["id"])


@pytest.mark.parametrize(
    ("method", "path", "body", "param", "message"),
    [
        ("POST", "", {"prompt": "x", "temprature": 1}, "temprature", "Unknown parameter: 'temprature'."),
        ("POST", "", {"prompt": "x", "": 1}, "", "Unknown parameter: ''."),
        ("POST", "", {"prompt": "x", "response_format": {}}, "response_format", "Did you mean 'text.format'?"),
        ("POST", "/refusals/versions", {"prompt": "x", "max_tokens": 9}, "max_tokens", "mean 'max_output_tokens'?"),
        (
            "POST",
            "/import",
            {"data": [{"id": "pmpt_a", "versions": [{"spec": {"reasoning_effort": "low"}}]}]},
            "data[0].versions[0].spec.reasoning_effort",
            "Did you mean 'data[0].versions[0].spec.reasoning.effort'?",
        ),
        ("POST", "", {"prompt": "x", "instructions": "y"}, "prompt", "'prompt' is another name of 'instructions'"),
        ("POST", "", {"spec": {"instructions": "x"}, "model": "m"}, "spec", "model beside it would be ignored"),
        ("POST", "", {"prompt": "x", "labels": ["Prod"]}, "labels[0]", f"string does not match pattern. {LABEL}"),
        ("POST", "", {"prompt": "x", "labels": ["default"]}, "label", "have a meaning of their own"),
        ("POST", "", {"prompt": "x", "id": "prompt_1"}, "id", "matches the pattern '^pmpt_[A-Za-z0-9_-]{1,128}$'"),
        ("POST", "", {"prompt": "x", "id": "pmpt_1\n"}, "id", "matches the pattern '^pmpt_[A-Za-z0-9_-]{1,128}$'"),
        ("POST", "", {"prompt": "x", "variables": {"a\n": {}}}, "variables", "pattern '^[A-Za-z_][A-Za-z0-9_]*$'"),
        ("POST", "", {"prompt": "x", "labels": ["prod\n"]}, "labels[0]", LABEL),
        (
            "POST",
            "",
            {"prompt": "x", "tool_choice": "never"},
            "tool_choice",
            "Invalid value for 'tool_choice': 'never'. Supported",
        ),
        ("POST", "", {"name": "empty"}, "instructions", "A prompt needs text"),
        ("POST", "/refusals", {}, None, "Nothing to change: give some of name, description"),
        ("POST", "/refusals", {"prompt": "x"}, "prompt", "Unknown parameter: 'prompt'."),
        ("PUT", "/refusals/labels/Prod", {"version": 1}, "label", "Invalid label 'Prod'"),
        ("PUT", "/refusals/labels/7", {"version": 1}, "label", "Invalid label '7'"),
        ("PUT", f"/refusals/labels/{'a' * 64}", {"version": 1}, "label", "Invalid label 'aaa"),
        ("PUT", "/refusals/default", {"version": "draft"}, "version", "A draft has no number: publish it first."),
        ("POST", "/import", {"data": [{"id": "pmpt_a", "nmae": "x"}]}, "data[0].nmae", "Unknown parameter"),
        ("POST", "/refusals/render", {"variables": {"city": "x"}, "input": [{"a": 1}]}, "input[0].id", "input[0].id"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(
    server: RunningServer, prompt_id: str, method: str, path: str, body: dict[str, Any], param: str, message: str
) -> None:
    raw = json.dumps(body).encode()
    answer = server.request(method, f"/v1/prompts{path}", raw, **{"content-type": "application/json"})
    assert answer.status == 400
    assert message in answer.error["message"]
    assert answer.error["param"] == param


@pytest.mark.parametrize("slip", ["verison", "variable"])
def test_a_slip_in_what_names_a_prompt_is_not_the_default_instead(
    server: RunningServer, prompt_id: str, slip: str
) -> None:
    prompt = {"id": prompt_id, "variables": {"city": "Oslo"}, slip: "1"}
    answer = server.post("/v1/responses", {"model": "echo", "prompt": prompt})
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "unknown_parameter", f"prompt.{slip}")


def test_a_label_that_is_not_where_it_was_seen_says_where_it_is(server: RunningServer, prompt_id: str) -> None:
    def refusal(path: str, expected: int | None) -> tuple[int, str, str]:
        body = json.dumps({"version": 1, "expected_version": expected}).encode()
        answer = server.request("PUT", f"/v1/prompts/{prompt_id}{path}", body)
        # OpenAI's clients would try a 409 twice more.
        assert answer.headers["x-should-retry"] == "false"
        return answer.status, answer.error["code"], answer.error["message"]

    assert refusal("/labels/prod", None) == (
        409,
        "prompt_label_conflict",
        "The label 'prod' is version 1, was expected not to exist.",
    )
    assert refusal("/labels/beta", 2) == (
        409,
        "prompt_label_conflict",
        "The label 'beta' does not exist, not version 2.",
    )
    assert refusal("/default", 2) == (409, "prompt_default_conflict", "The default is version 1, not version 2.")


def test_imported_versions_that_leave_gaps_are_compared(prompts_client: Stackwright) -> None:
    versions = [{"version": 2, "instructions": "two"}, {"version": 5, "instructions": "five"}]
    prompts_client.prompts.import_([{"id": "pmpt_gaps", "versions": versions}])
    difference = prompts_client.prompts.diff("pmpt_gaps")
    assert (difference.from_version, difference.to_version) == ("2", "5")
    prompts_client.prompts.import_([{"id": "pmpt_alone", "versions": versions[1:]}])
    assert prompts_client.prompts.diff("pmpt_alone").identical


def test_a_prompts_frame_is_of_its_request_alone(prompts_client: Stackwright) -> None:
    made = prompts_client.prompts.create(
        model="demo/echo", instructions="Be {{ mood }}.", messages=[{"role": "user", "content": "framed {{ mood }}"}]
    )
    talk = prompts_client.conversations.create()
    first = prompts_client.responses.create(
        prompt={"id": made.id, "variables": {"mood": "kind"}}, input="one", conversation=talk.id
    )
    assert first.instructions == "Be kind."
    kept = [item.to_dict() for item in prompts_client.conversations.items.list(talk.id, order="asc")]
    assert "framed" not in json.dumps(kept)
    assert len(kept) == 2
    assert "framed" not in prompts_client.responses.input_items.list(first.id).to_json()
    second = prompts_client.responses.create(model="demo/echo", input="two", conversation=talk.id)
    assert (second.instructions, second.prompt, second.output_text) == (None, None, "two")


def test_streams_and_background_responses_use_prompts_too(prompts_client: Stackwright, server: RunningServer) -> None:
    made = prompts_client.prompts.create(model="demo/poet", instructions="For {{ who }}.")
    prompts_client.prompts.set_label(made.id, "prod", 1)
    prompt: Any = {"prompt_id": made.id, "version": "prod", "variables": {"who": "Ada"}}
    with prompts_client.responses.create(stream=True, extra_body={"prompt": prompt}) as stream:
        events = list(stream)
    assert events[0].type == "response.created"
    assert events[0].response.instructions == "For Ada."
    assert events[-1].type == "response.completed"
    assert events[-1].response.prompt is not None
    assert events[-1].response.prompt.version == "1"
    begun = prompts_client.responses.create(background=True, extra_body={"prompt": prompt})
    ended = until(lambda: server.get(f"/v1/responses/{begun.id}").json, lambda body: body["status"] == "completed")
    assert ended["instructions"] == "For Ada."
    assert ended["prompt"] == {"id": made.id, "version": "1", "variables": {"who": "Ada"}}


def test_sensitive_values_are_in_no_answer_and_no_log(prompts_client: Stackwright, server: RunningServer) -> None:
    made = prompts_client.prompts.create(
        model="demo/echo",
        instructions="The pin is {{ pin }}.",
        messages=[{"role": "user", "content": "{{ pin }} {{ picture }}"}],
        variables={"pin": {"sensitive": True, "pattern": "^[a-z]"}, "picture": {"type": "image", "sensitive": True}},
    )
    given: dict[str, Any] = {"pin": "hunter-two", "picture": PNG}
    response = prompts_client.responses.create(prompt={"id": made.id, "variables": given}, input="hi")
    assert response.instructions == "The pin is [sensitive]."
    stored = prompts_client.responses.retrieve(response.id)
    items = prompts_client.responses.input_items.list(response.id)
    rendered = prompts_client.prompts.render(made.id, variables=given)
    refused = server.post(f"/v1/prompts/{made.id}/render", {"variables": given | {"pin": "9hunter-two"}})
    assert refused.error["message"] == "Invalid value for prompt variable 'pin': expected a match of '^[a-z]'."
    shown = stored.to_json() + items.to_json() + rendered.to_json() + refused.body.decode() + server.log.read_text()
    assert "hunter-two" not in shown
    assert "iVBORw0KGgo" not in shown


def test_metrics_count_what_was_found_in_memory(prompts_client: Stackwright, server: RunningServer) -> None:
    made = prompts_client.prompts.create(model="demo/echo", instructions="x")

    def figures() -> dict[str, float]:
        lines = server.get("/metrics").body.decode().splitlines()
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in lines)
            if name.startswith("stackwright_prompt")
        }

    before = figures()
    for _ in range(3):
        prompts_client.prompts.render(made.id)
    hits = 'stackwright_prompt_lookups_total{result="hit"}'
    after = until(figures, lambda found: found[hits] >= before[hits] + 3)
    assert after['stackwright_prompt_lookups_total{result="miss"}'] >= 0
    assert after["stackwright_prompt_lag_rows"] >= 0
    assert 0 <= after["stackwright_prompt_lag_seconds"] < 5
    assert after["stackwright_prompt_cache_bytes"] > 0
