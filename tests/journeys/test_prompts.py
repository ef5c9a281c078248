"""Prompts with our client, with Llama Stack's, and on the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, ConflictError, NotFoundError, OpenAI
from openai.resources.responses import Responses

from stackwright import AsyncStackwright, Stackwright
from tests.cli.command import Done, run
from tests.running import RunningServer


@pytest.fixture
def prompts_client(server: RunningServer) -> Iterator[Stackwright]:
    with Stackwright(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_the_client_is_openais_with_prompts(prompts_client: Stackwright) -> None:
    assert isinstance(prompts_client, OpenAI)
    assert isinstance(prompts_client.responses, Responses)
    assert prompts_client.models.list().data


def test_a_prompts_life(prompts_client: Stackwright) -> None:
    prompts = prompts_client.prompts
    made = prompts.create(
        name="city guide",
        instructions="Guide people of {{ age }} through {{ city }}.",
        model="demo/echo",
        variables={"age": {"type": "integer"}},
        tags=["travel"],
        note="first",
    )
    assert made.id.startswith("pmpt_")
    assert len(made.id) == len("pmpt_") + 48
    assert (made.version, made.default_policy, made.variables) == (1, "follow", ["age", "city"])

    second = prompts.publish(
        made.id, instructions="Guide {{ name }} through {{ city }}.", model="demo/echo", labels=["prod"]
    )
    assert (second.version, second.is_default, second.parent_version) == (2, True, 1)
    difference = prompts.diff(made.id)
    assert difference.breaking
    assert [(one.name, one.change, one.breaking) for one in difference.variables] == [
        ("age", "removed", True),
        ("name", "added", True),
    ]

    rendered = prompts.render("city guide", version="1", variables={"city": "Oslo", "age": 30}, input="Hello")
    assert rendered.request == {
        "model": "demo/echo",
        "instructions": "Guide people of 30 through Oslo.",
        "input": [{"type": "message", "role": "user", "content": "Hello"}],
        "prompt": {"id": made.id, "version": "1", "variables": {"city": "Oslo", "age": 30}},
    }
    back = prompts.set_default(made.id, 1)
    assert (back.default_version, back.default_policy, back.labels) == (1, "pinned", {"prod": 2})
    assert prompts.set_label(made.id, "prod", 1, expected_version=2).labels == {"prod": 1}
    assert prompts.delete_label(made.id, "prod").labels == {}
    assert [one.version for one in prompts.versions(made.id, limit=1)] == [2, 1]
    assert prompts.version(made.id, 2).spec["instructions"] == "Guide {{ name }} through {{ city }}."
    assert prompts.yank(made.id, 2, reason="wrong").yanked
    assert [one.type for one in prompts.events(made.id)][:2] == ["prompt.version.yanked", "prompt.label.deleted"]
    renamed = prompts.update(made.id, name=None, description="d", if_match=prompts.retrieve(made.id).etag)
    assert (renamed.name, renamed.description) == (None, "d")
    assert prompts.delete(made.id).deleted
    with pytest.raises(NotFoundError, match=f"Prompt with id '{made.id}' not found."):
        prompts.retrieve(made.id)
    assert prompts.restore(made.id).version == 1


def test_refusals_reach_the_caller_as_they_are(prompts_client: Stackwright) -> None:
    prompts = prompts_client.prompts
    made = prompts.create(instructions="{{ city }} {{ tone }}")
    with pytest.raises(BadRequestError) as bad:
        prompts.render(made.id, variables={"cty": "x"})
    assert bad.value.code == "missing_prompt_variables"
    assert bad.value.param == "prompt.variables"
    assert "Missing prompt variables: city, tone" in bad.value.message
    assert "Unknown prompt variables: cty (did you mean 'city'?)" in bad.value.message
    prompts.publish(made.id, instructions="other")
    with pytest.raises(ConflictError) as conflict:
        prompts.publish(made.id, instructions="third", base_version=1)
    assert isinstance(conflict.value.body, dict)
    assert conflict.value.body["latest_version"] == 2
    with pytest.raises(APIStatusError) as stale:
        prompts.update(made.id, description="x", if_match='"1"')
    assert (stale.value.status_code, stale.value.code) == (412, "precondition_failed")
    with pytest.raises(BadRequestError) as unknown:
        prompts_client.post("/prompts", body={"instructions": "x", "temprature": 1}, cast_to=object)
    assert "temprature" in unknown.value.message
    with pytest.raises(BadRequestError):
        prompts.create(instructions="x", tools=[{"type": "function"}])


def test_lists_page_by_themselves(prompts_client: Stackwright) -> None:
    made = [prompts_client.prompts.create(instructions=f"page {n}", tags=["paging"]).id for n in range(5)]
    assert [one.id for one in prompts_client.prompts.list(tag="paging", limit=2, order="asc")] == made
    assert [one.id for one in prompts_client.prompts.list(q="PAGE 3")] == [made[3]]


async def test_the_asynchronous_client_does_the_same(server: RunningServer) -> None:
    async with AsyncStackwright(base_url=f"{server.url}/v1", api_key="none") as client:
        made = [(await client.prompts.create(instructions=f"async {n}", tags=["async"])).id for n in range(3)]
        assert [one.id async for one in client.prompts.list(tag="async", limit=1, order="asc")] == made
        await client.prompts.publish(made[0], instructions="more")
        assert (await client.prompts.diff(made[0])).messages[0].lines == ["@@ -1 +1 @@", "-async 0", "+more"]


def test_prompts_move_between_servers_with_their_ids(prompts_client: Stackwright) -> None:
    copied = "pmpt_68b0c29740048196bd3a6e6ac3c4d0e20ed9a13f0d15bf5e"
    versions = [{"version": 2, "instructions": "Hi from {{ city }}, {{ age }}", "model": "demo/echo"}]
    result = prompts_client.prompts.import_([{"id": copied, "versions": versions}])
    assert [(one.id, one.status, one.versions) for one in result.data] == [(copied, "created", [2])]
    export = prompts_client.prompts.export(copied)
    assert prompts_client.prompts.import_(export.data).data[0].status == "unchanged"
    rendered = prompts_client.prompts.render(copied, version="2", variables={"city": "San Francisco", "age": 30})
    assert rendered.request["instructions"] == "Hi from San Francisco, 30"


def test_what_was_deleted_is_not_imported_without_a_word(prompts_client: Stackwright) -> None:
    one = {"id": "pmpt_gone", "versions": [{"version": 1, "instructions": "one"}]}
    more = {"id": "pmpt_gone", "versions": [*one["versions"], {"version": 2, "instructions": "two"}]}
    prompts_client.prompts.import_([one])
    prompts_client.prompts.delete("pmpt_gone")
    for again in one, more:
        with pytest.raises(ConflictError, match="was deleted here"):
            prompts_client.prompts.import_([again])
    deleted = [one for one in prompts_client.prompts.export().data if one["id"] == "pmpt_gone"]
    assert prompts_client.prompts.import_(deleted).data[0].status == "unchanged"
    prompts_client.post("/prompts/pmpt_gone/restore", cast_to=object)
    assert prompts_client.prompts.import_([more]).data[0].versions == [2]
    assert prompts_client.prompts.retrieve("pmpt_gone").prompt == "two"


def test_a_response_needs_nothing_but_a_prompt(prompts_client: Stackwright) -> None:
    made = prompts_client.prompts.create(
        model="demo/echo",
        instructions="People of {{ age }} in {{ city }}.",
        messages=[{"role": "user", "content": "{{ city }}?"}],
        temperature=0.5,
        metadata={"of": "the prompt"},
    )
    prompts_client.prompts.publish(made.id, instructions="Other.", model="demo/poet")
    variables: dict[str, Any] = {"city": "San Francisco", "age": 30}
    response = prompts_client.responses.create(prompt={"id": made.id, "version": "1", "variables": variables})
    assert response.status == "completed"
    assert response.instructions == "People of 30 in San Francisco."
    assert "San Francisco?" in response.output_text
    assert response.prompt is not None
    assert (response.prompt.id, response.prompt.version) == (made.id, "1")
    assert response.temperature == 0.5
    newest = prompts_client.responses.create(prompt={"id": made.id}, input="Hi", temperature=0.25)
    assert newest.output_text == "Roses are red, violets are blue."
    assert newest.prompt is not None
    assert (newest.prompt.version, newest.temperature) == ("2", 0.25)


def test_a_response_is_refused_in_openais_words(prompts_client: Stackwright) -> None:
    made = prompts_client.prompts.create(instructions="{{ city }}")
    with pytest.raises(NotFoundError) as unknown:
        prompts_client.responses.create(prompt={"id": "pmpt_none"}, previous_response_id="resp_none")
    assert unknown.value.body == {
        "message": "Prompt with id 'pmpt_none' not found.",
        "type": "invalid_request_error",
        "param": "prompt.id",
        "code": "prompt_not_found",
    }
    with pytest.raises(BadRequestError) as no_model:
        prompts_client.responses.create(prompt={"id": made.id, "variables": {"city": "Oslo"}})
    assert (no_model.value.code, no_model.value.param) == ("missing_required_parameter", "model")
    with pytest.raises(BadRequestError) as wrong_type:
        prompts_client.responses.create(extra_body={"prompt": "pmpt_none"})
    assert wrong_type.value.body == {
        "message": "Invalid type for 'prompt': expected an object, but got a string instead.",
        "type": "invalid_request_error",
        "param": "prompt",
        "code": "invalid_type",
    }
    with pytest.raises(BadRequestError) as missing:
        prompts_client.responses.create(prompt={"id": made.id}, model="demo/echo")
    assert (missing.value.code, missing.value.param) == ("missing_prompt_variables", "prompt.variables")


def test_llama_stacks_client_works_unchanged(server: RunningServer) -> None:
    from ogx_client import ConflictError as TheirConflict
    from ogx_client import NotFoundError as TheirNotFound
    from ogx_client import OgxClient

    with OgxClient(base_url=server.url, api_key="none") as client:
        made = client.prompts.create(prompt="Hi {{ name }}", variables=["name"])
        assert (made.version, made.is_default, made.prompt, made.variables) == (1, True, "Hi {{ name }}", ["name"])
        updated = client.prompts.update(made.prompt_id, prompt="Hello {{ name }}", version=1, variables=["name"])
        assert (updated.version, updated.is_default) == (2, True)
        with pytest.raises(TheirConflict):
            client.prompts.update(made.prompt_id, prompt="stale", version=1)
        aside = client.prompts.update(made.prompt_id, prompt="aside", version=2, set_as_default=False)
        assert (aside.version, aside.is_default) == (3, False)
        assert client.prompts.retrieve(made.prompt_id).version == 2
        assert client.prompts.retrieve(made.prompt_id, version=1).prompt == "Hi {{ name }}"
        pinned = client.prompts.set_default_version(made.prompt_id, version=1)
        assert (pinned.version, pinned.is_default) == (1, True)
        listed = client.prompts.versions.list(made.prompt_id)
        assert {one.version: one.is_default for one in listed} == {1: True, 2: False, 3: False}
        assert made.prompt_id in [one.prompt_id for one in client.prompts.list()]
        client.prompts.delete(made.prompt_id)
        with pytest.raises(TheirNotFound):
            client.prompts.retrieve(made.prompt_id)


def test_the_command_line(server: RunningServer, tmp_path: Path) -> None:
    def prompts(*arguments: object, status: int = 0) -> Done:
        done = run(tmp_path, "prompts", *arguments, STACKWRIGHT_URL=server.url)
        assert done.returncode == status, done.stderr
        return done

    (tmp_path / "one.md").write_text("Guide people through {{ city }}.\n")
    (tmp_path / "two.md").write_text("Guide {{ name }} through {{ city }}.\n")
    prompts("create", "one.md", "--name", "cli", "--model", "demo/echo")
    assert "version 2, the default" in prompts("publish", "cli", "two.md", "--label", "prod", "--note", "names").stdout
    assert "variable name added, breaking: required" in prompts("diff", "cli").stdout
    rendered = prompts("render", "cli", "--var", "city=Oslo", "--var", "name=Ada").stdout
    assert "Guide Ada through Oslo." in rendered
    assert '"model": "demo/echo"' in rendered
    assert "default 1 (pinned)" in prompts("default", "cli", "1").stdout
    assert "prod=1" in prompts("label", "cli", "prod", "1").stdout
    assert "labels -" in prompts("label", "cli", "prod", "--delete").stdout
    shown = prompts("show", "cli").stdout
    assert "Guide people through {{ city }}." in shown
    assert "1 *" in shown
    assert "cli" in prompts("list", "-q", "guide {{ NAME").stdout
    (tmp_path / "export.json").write_text(prompts("export", "cli").stdout)
    assert "unchanged" in prompts("import", "export.json").stdout
    assert json.loads(prompts("list", "--json", "-q", "cli").stdout)[0]["name"] == "cli"
    refused = prompts("show", "nobody", status=1)
    assert refused.stderr == "Prompt with id 'nobody' not found.\n"
    nobody = run(tmp_path, "prompts", "list", "--url", "http://127.0.0.1:1")
    assert nobody.returncode == 1
    assert "Is `stackwright serve` running there?" in nobody.stderr
