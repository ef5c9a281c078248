"""Keys, tenants and the network: nobody comes in who should not, and nobody sees what is another's."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference: [{provider_id: demo, provider_type: inline::scripted, config: {}}]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kv.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql.db"}
server:
  auth:
    mode: api_keys
    api_keys:
      - {name: red, key: "${env.RED_KEY}", tenant: red}
      - {name: blue, key: "${env.BLUE_KEY}", tenant: blue}
"""
KEYS = {"RED_KEY": "sk-red-0123456789", "BLUE_KEY": "sk-blue-0123456789"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("access"), RUN_FILE, environ=KEYS) as running:
        yield running


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/chat/completions", "/metrics", "/openapi.json", "/docs/x", "/nope"]
)
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sk-wrong"}, {"authorization": "Basic sk-red"}])
def test_nobody_gets_in_without_a_key(server: RunningServer, path: str, headers: dict[str, str]) -> None:
    answer = server.get(path, **headers)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


def test_health_and_readiness_need_no_key(server: RunningServer) -> None:
    assert [server.get(path).status for path in ("/health", "/ready")] == [200, 200]


def test_the_page_about_the_api_needs_no_key_and_tells_nothing_without_one(server: RunningServer) -> None:
    page, script, style = (server.get(path) for path in ("/docs", "/docs/docs.js", "/docs/docs.css"))
    assert [page.status, script.status, style.status] == [200, 200, 200]
    assert b'<input id="key" type="password"' in page.body
    for told in (b"/v1/models", b"/v1/responses", b"/metrics"):
        assert told not in page.body + script.body
    assert server.get("/openapi.json", authorization=f"Bearer {KEYS['RED_KEY']}").status == 200


def test_a_strangers_completion_is_not_found(server: RunningServer) -> None:
    with server.client(KEYS["RED_KEY"]) as red, server.client(KEYS["BLUE_KEY"]) as blue:
        made = red.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "x"}], store=True, metadata={"a": "b"}
        )
        assert red.chat.completions.retrieve(made.id).id == made.id
        for attempt in (
            lambda: blue.chat.completions.retrieve(made.id),
            lambda: blue.chat.completions.update(made.id, metadata={}),
            lambda: blue.chat.completions.delete(made.id),
            lambda: list(blue.chat.completions.messages.list(made.id)),
        ):
            with pytest.raises(openai.NotFoundError):
                attempt()
        assert list(blue.chat.completions.list()) == []
        assert list(blue.chat.completions.list(metadata={"a": "b"})) == []
        assert [one.id for one in red.chat.completions.list(metadata={"a": "b"})] == [made.id]


def test_a_strangers_registration_is_unknown(server: RunningServer) -> None:
    red, blue = ({"authorization": f"Bearer {KEYS[name]}"} for name in ("RED_KEY", "BLUE_KEY"))
    server.post("/v1/models", {"model_id": "secret-plan", "provider_model_id": "scripted"}, **red)
    assert server.get("/v1/models/secret-plan", **red).status == 200
    assert server.get("/v1/models/secret-plan", **blue).status == 404
    assert b"secret-plan" not in server.get("/v1/models", **blue).body
    assert server.request("DELETE", "/v1/models/secret-plan", None, **blue).status == 404
    assert server.get("/v1/models/secret-plan", **red).status == 200


def test_keys_never_reach_the_log(server: RunningServer) -> None:
    log = server.log.read_text()
    assert not any(key in log for key in KEYS.values())


def test_listening_beyond_this_machine_without_keys_is_refused_with_the_fix(tmp_path: Path) -> None:
    open_file = RUN_FILE.split("server:")[0]
    server = RunningServer(tmp_path, open_file, "--host", "0.0.0.0")
    with pytest.raises(AssertionError, match=r"0\.0\.0\.0 is reachable from other machines"):
        server.start()
    assert server.process is not None
    assert server.process.wait() == 2
