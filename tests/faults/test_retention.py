"""Retention: what is too old goes, with all that is its own and nothing else, whoever of several processes does it."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.databases import Execute, backend_at
from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config: {models: {echo: {reply: "Yes."}}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: ~/kv.db}
    sql_default: %s
  stores:
    inference: {backend: sql_default, table_name: inference_store, retention: 60s}
    conversations: {backend: sql_default, table_name: talks, retention: 1m}
    responses: {backend: sql_default, table_name: responses, retention: 1m}
    prompts: {backend: sql_default, table_name: prompts, retention: 1m}
"""
T = TypeVar("T")
AGE = 10_000
CHILDREN = {
    "inference_store_metadata": "seq NOT IN (SELECT seq FROM inference_store)",
    "talks_items": "conversation NOT IN (SELECT seq FROM talks)",
    "responses_items": "response_id NOT IN (SELECT id FROM responses)",
    "responses_events": "response_id NOT IN (SELECT id FROM responses)",
    "responses_jobs": "id NOT IN (SELECT id FROM responses)",
    "prompts_versions": "prompt_id NOT IN (SELECT id FROM prompts)",
    "prompts_drafts": "prompt_id NOT IN (SELECT id FROM prompts)",
    "prompts_events": "prompt_id NOT IN (SELECT id FROM prompts)",
}


class Site:
    """A server of two processes, and its database."""

    def __init__(self, server: RunningServer, execute: Execute) -> None:
        self.server = server
        self.execute = execute

    def grow_old(self, table: str, *ids: str, column: str = "created") -> None:
        listed = ", ".join(f"'{one}'" for one in ids)
        self.execute(f"UPDATE {table} SET {column} = {column} - {AGE} WHERE id IN ({listed})")

    def post(self, path: str, body: Any) -> str:
        answer = self.server.post(path, body)
        assert answer.status == 200, answer.body
        return str(answer.json["id"])

    def removed(self) -> dict[str, int]:
        text = self.server.get("/metrics").body.decode()
        found = re.findall(r'^stackwright_retention_removed_total\{store="(\w+)"\} ([\d.]+)$', text, re.MULTILINE)
        return {store: int(float(number)) for store, number in found if float(number)}

    def statuses(self, *paths: str) -> list[int]:
        return [self.server.get(path).status for path in paths]


@pytest.fixture
def site(where: str, execute: Execute, tmp_path: Path) -> Iterator[Site]:
    with RunningServer(tmp_path, RUN_FILE % backend_at(where), "--workers", "2") as server:
        server.wait_for("/v1/models/demo/echo")
        yield Site(server, execute)


def test_what_is_too_old_goes_with_all_that_is_its_own(site: Site) -> None:
    ask = {"model": "demo/echo", "store": True, "metadata": {"a": "b"}, "messages": [{"role": "user", "content": "?"}]}
    completions = [site.post("/v1/chat/completions", ask) for _ in range(2)]
    talks = [site.post("/v1/conversations", {"items": [{"role": "user", "content": "One."}]}) for _ in range(2)]
    chain = _chain(site, 3)
    young = _chain(site, 2)
    making = _chain(site, 1)
    background = site.post("/v1/responses", {"model": "demo/echo", "input": "?", "background": True})
    site.server.wait_for(f"/v1/responses/{background}")
    prompts = [site.post("/v1/prompts", {"instructions": "Go.", "model": "demo/echo"}) for _ in range(3)]
    for prompt in prompts[:2]:
        site.server.request("DELETE", f"/v1/prompts/{prompt}", None)
    _until(lambda: site.server.get(f"/v1/responses/{background}").json["status"], "completed")

    site.execute(f"UPDATE responses SET status = 'in_progress' WHERE id = '{making[0]}'")
    site.grow_old("talks", *talks)
    site.grow_old("talks", *talks, column="changed")
    site.server.post(f"/v1/conversations/{talks[1]}/items", {"items": [{"role": "user", "content": "Still here."}]})
    site.grow_old("inference_store", completions[0])
    site.grow_old("prompts", prompts[0], column="archived_at")
    site.execute(f"UPDATE prompts_events SET created_at = created_at - {AGE} WHERE prompt_id = '{prompts[2]}'")
    site.grow_old("responses", *chain, young[0], *making, background)

    wanted = {"inference": 1, "conversations": 1, "responses": 4, "prompts": 2}
    _until(site.removed, wanted)
    assert site.statuses(*(f"/v1/chat/completions/{one}" for one in completions)) == [404, 200]
    assert site.statuses(*(f"/v1/conversations/{one}" for one in talks)) == [404, 200]
    assert site.statuses(*(f"/v1/responses/{one}" for one in [*chain, background, *young])) == [404] * 4 + [200] * 2
    assert site.execute(f"SELECT count(*) FROM responses WHERE id = '{making[0]}'") == ["1"]
    assert site.execute("SELECT count(*) FROM prompts") == ["2"]
    assert site.statuses(f"/v1/prompts/{prompts[2]}", f"/v1/prompts/{prompts[2]}/versions/1") == [200, 200]
    assert site.server.get(f"/v1/prompts/{prompts[2]}/events").json["data"] == []
    assert site.server.post(f"/v1/prompts/{prompts[1]}/restore", {}).status == 200
    left = {table: site.execute(f"SELECT count(*) FROM {table} WHERE {orphan}") for table, orphan in CHILDREN.items()}
    assert left == {table: ["0"] for table in CHILDREN}
    assert site.removed() == wanted


def test_registered_models_are_forgotten_and_those_of_the_run_file_are_not(tmp_path: Path) -> None:
    metadata = "    metadata: {backend: kv_default, namespace: registry, retention: 2s}\n"
    declared = "registered_resources:\n  models: [{model_id: declared, provider_id: demo, provider_model_id: echo}]\n"
    run_file = RUN_FILE % "{type: sql_sqlite, db_path: ~/sql.db}" + metadata + declared
    with RunningServer(tmp_path, run_file, "--workers", "2") as server:
        server.wait_for("/v1/models/declared")
        registered = server.post("/v1/models", {"model_id": "mine", "provider_model_id": "echo"})
        assert registered.status == 200, registered.body
        path = "/v1/models/mine"
        assert registered.json["created"] > time.time() - 60
        # Two workers answer, each from its own memory.
        _until(lambda: {server.get(path).status for _ in range(20)}, {404})
        assert server.get("/v1/models/declared").status == 200
        assert Site(server, lambda _: []).removed() == {"metadata": 1}
        assert server.get("/v1/models/declared").status == 200


def _chain(site: Site, length: int) -> list[str]:
    made: list[str] = []
    for _ in range(length):
        previous = {"previous_response_id": made[-1]} if made else {}
        made.append(site.post("/v1/responses", {"model": "demo/echo", "input": "Go on.", **previous}))
    return made


def _until(look: Callable[[], T], wanted: T, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, found
        RunningServer._pause()


def test_a_chain_longer_than_a_batch_goes_as_a_whole_when_its_last_is_old(site: Site) -> None:
    first, second = _chain(site, 2)
    columns = "tenant, id, created, status, model, previous_id, conversation, prompt_hash, body"
    lines = (
        f"SELECT tenant, 'resp_{number}', created - {AGE}, status, model, 'resp_{number - 1}', conversation, "
        f"prompt_hash, body FROM responses WHERE id = '{second}'"
        for number in range(250)
    )
    old = " UNION ALL ".join(lines).replace("resp_-1", second)
    site.execute(f"INSERT INTO responses ({columns}) {old}")
    site.grow_old("responses", first, second)
    _until(site.removed, {"responses": 252})
    assert site.execute("SELECT count(*) FROM responses_items") == ["0"]
