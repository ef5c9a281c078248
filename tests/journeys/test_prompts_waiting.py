"""A response that waits in the background keeps the version of its prompt that it was accepted with."""

from pathlib import Path

from stackwright import Stackwright
from tests.journeys.test_prompt_refusals import until
from tests.running import RunningServer

RUN_FILE = """
version: 2
apis: [inference, prompts, responses, conversations]
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config: {models: {echo: {}, slow: {delay: 1}}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kv.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql.db"}
responses: {background: {workers: 1}}
"""


def test_a_waiting_response_keeps_the_version_it_was_accepted_with(tmp_path: Path) -> None:
    with (
        RunningServer(tmp_path, RUN_FILE) as server,
        Stackwright(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
    ):
        server.wait_for("/v1/models/demo/slow")
        made = client.prompts.create(model="demo/echo", instructions="first")
        first = client.responses.create(model="demo/slow", input="I take the one worker.", background=True)
        waiting = client.responses.create(prompt={"id": made.id}, input="hi", background=True)
        client.prompts.publish(made.id, model="demo/echo", instructions="second")
        assert client.responses.retrieve(first.id).status != "completed"
        ended = until(lambda: client.responses.retrieve(waiting.id), lambda one: one.status == "completed")
    assert ended.prompt is not None
    assert (ended.prompt.version, ended.instructions) == ("1", "first")
