"""Scripts of web pages call where the run file lets them, and nowhere else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.typing import Origin

from stackwright.config.complaint import RunFileError
from stackwright.config.load import loads
from stackwright.providers.registry import TYPES
from tests.running import RunningServer

CHAT = "/v1/chat/completions"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
OURS = "http://localhost:3000"
RUN_FILE = """
version: 2
providers:
  inference: [{provider_id: demo, provider_type: inline::scripted, config: {models: {echo: {}}}}]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
server:
  allow_origins: [%s]
  auth: {mode: api_keys, api_keys: [{name: page, key: page-key}]}
"""


@pytest.fixture(scope="module")
def friendly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("origins"), RUN_FILE % OURS) as running:
        running.wait_for("/v1/models/echo", authorization="Bearer page-key")
        yield running


def preflight(origin: str, **more: str) -> dict[str, str]:
    """What a browser asks before a page of `origin` may post JSON with a key."""
    asked = {"method": "POST", "headers": "authorization,content-type,x-stainless-lang", **more}
    return {"origin": origin} | {f"access-control-request-{what}": value for what, value in asked.items()}


def test_a_page_of_a_listed_origin_asks_beforehand_and_calls(friendly: RunningServer) -> None:
    asked = friendly.request("OPTIONS", CHAT, None, **preflight(OURS, **{"private-network": "true"}))
    assert (asked.status, asked.body) == (204, b"")
    told = {name: value for name, value in asked.headers.items() if name.startswith("access-control-")}
    assert told == {
        "access-control-allow-origin": OURS,
        "access-control-expose-headers": "x-request-id, retry-after",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "authorization,content-type,x-stainless-lang",
        "access-control-allow-private-network": "true",
        "access-control-max-age": "600",
    }
    page = {"origin": OURS, "sec-fetch-site": "cross-site", "authorization": "Bearer page-key"}
    answer = friendly.post(CHAT, HELLO, **page)
    assert answer.json["choices"][0]["message"]["content"] == "hello"
    assert (answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (OURS, "origin")


@pytest.mark.parametrize(("path", "key", "status"), [("/v1/nothing", "page-key", 404), (CHAT, "wrong", 401)])
def test_a_page_can_read_what_was_wrong(friendly: RunningServer, path: str, key: str, status: int) -> None:
    answer = friendly.post(path, HELLO, origin=OURS, authorization=f"Bearer {key}")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, OURS)


def test_a_page_of_another_origin_is_told_the_setting(friendly: RunningServer) -> None:
    answer = friendly.request("OPTIONS", CHAT, None, **preflight("http://localhost:3001"))
    assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")
    assert answer.error["message"] == (
        "Web pages of 'http://localhost:3001' may not call this server. "
        "If they should, list that origin under server.allow_origins in the run file."
    )
    assert answer.headers["access-control-allow-origin"] is None


async def test_a_listed_page_may_open_a_websocket_and_no_other(friendly: RunningServer) -> None:
    url = friendly.url.replace("http:", "ws:") + "/v1/responses"
    key = {"authorization": "Bearer page-key"}
    async with connect(url, additional_headers=key, origin=Origin(OURS)):
        pass
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connect(url, additional_headers=key, origin=Origin("http://evil.example")):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_without_keys_no_page_of_another_site_does_anything(server: RunningServer, site: str) -> None:
    """A plain text is posted by any page without asking, and a body is read whatever it is called."""
    page = {"origin": "http://evil.example", "sec-fetch-site": site, "content-type": "text/plain"}
    answer = server.post(CHAT, HELLO, **page)
    assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")
    assert server.get("/v1/models", **page).headers["access-control-allow-origin"] is None


@pytest.mark.parametrize("headers", [{}, {"origin": "app://desktop"}, {"sec-fetch-site": "same-origin"}])
def test_programs_and_pages_of_the_server_itself_are_not_asked(server: RunningServer, headers: dict[str, str]) -> None:
    assert server.post(CHAT, HELLO, **headers).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8321", "EVIL.example", "127.0.0.1.evil.example", "[evil.example]", "127.0.0.1."]
)
def test_without_keys_a_name_that_a_stranger_points_here_is_refused(server: RunningServer, host: str) -> None:
    """Its page would be of the same origin as the answers, and could read them."""
    for answer in (server.get("/v1/models", host=host), server.post(CHAT, HELLO, host=host)):
        assert (answer.status, answer.error["code"]) == (403, "host_not_allowed")
        assert f"list 'http://{host}' under server.allow_origins" in answer.error["message"]


@pytest.mark.parametrize(
    "host", ["localhost:1", "127.0.0.2", "[::1]:8321", "10.1.2.3:80", "box", "host.docker.internal:1"]
)
def test_names_that_nobody_else_can_give_are_as_good_as_localhost(server: RunningServer, host: str) -> None:
    assert server.get("/v1/models", host=host).status == 200


def test_with_keys_the_name_does_not_matter(friendly: RunningServer) -> None:
    assert friendly.get("/v1/models", host="api.example.org", authorization="Bearer page-key").status == 200


@pytest.mark.parametrize(
    ("origins", "auth"), [("https://api.example.org", "{mode: none}"), ("", "{mode: none, i_understand: true}")]
)
def test_a_name_that_is_listed_or_guarded_elsewhere_is_answered(tmp_path: Path, origins: str, auth: str) -> None:
    run_file = (RUN_FILE % origins).replace("{mode: api_keys, api_keys: [{name: page, key: page-key}]}", auth)
    with RunningServer(tmp_path, run_file) as running:
        assert running.get("/v1/models", host="api.example.org").status == 200


def _loaded(text: str) -> tuple[str, ...]:
    return loads(text, environ={"HOME": "/nowhere"}, types=TYPES).server.allow_origins


@pytest.mark.parametrize("origin", ["https://chat.example.org/", "chat.example.org", "https://Chat.example.org"])
def test_an_origin_is_written_as_browsers_write_it(origin: str) -> None:
    with pytest.raises(RunFileError, match="scheme://host or scheme://host:port"):
        _loaded(RUN_FILE % origin)


def test_every_origin_needs_keys() -> None:
    every = RUN_FILE % "'*'"
    assert _loaded(every) == ("*",)
    with pytest.raises(RunFileError, match="any page that anybody here looks at could use this server"):
        _loaded(every.partition("  auth:")[0])
