"""`stackwright storage copy`: everything that a server kept is served by another on other databases."""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stackwright.cli import main
from tests.cli.command import Done, run
from tests.running import RunningServer
from tests.servers import PostgresServer
from tests.servers_kv import ValkeyServer

RUN_FILE = """\
version: 2
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: ~/kv.db}
    kv_other: %s
    sql_default: {type: sql_sqlite, db_path: ~/sql.db}
    sql_other: %s
  stores:
    metadata: {backend: %s, namespace: registry}
    inference: {backend: %s, table_name: completions}
    conversations: {backend: %s, table_name: openai_conversations}
    responses: {backend: %s, table_name: responses}
    prompts: {backend: %s, table_name: prompts}
providers:
  inference:
    - provider_id: demo
      provider_type: inline::scripted
      config: {models: {echo: {reply: "Bergen, since 1070."}}}
  files:
    - provider_id: folder
      provider_type: inline::localfs
      config: {storage_dir: ~/files, metadata_store: {backend: %s, table_name: files_metadata}}
"""
TABLES = 15
KEYS = """WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
    INSERT INTO kv_store (namespace, key, value) SELECT 'registry', char(945 + n % 9) || n, randomblob(n % 50) FROM n"""
ADD = (
    "INSERT INTO completions (tenant, id, created, model, metadata, messages, body) "
    "VALUES ('a', '%s', 1, 'm', '{}', x'00', x'00')"
)


class Site:
    """A run file with its stores on one pair of backends or the other."""

    def __init__(self, folder: Path, kv: str, sql: str) -> None:
        self.folder = folder
        self._others = (kv, sql)

    def text(self, kv: str, sql: str) -> str:
        return RUN_FILE % (*self._others, kv, *[sql] * 5)

    def on(self, kv: str, sql: str) -> "Site":
        (self.folder / "run.yaml").write_text(self.text(kv, sql))
        return self

    def copy(self, source: str, target: str, *options: str) -> Done:
        return run(self.folder, "storage", "copy", "--from", source, "--to", target, "run.yaml", *options)

    def copied(self, source: str, target: str, *options: str) -> Any:
        done = self.copy(source, target, "--json", *options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def serve(self) -> RunningServer:
        return RunningServer(self.folder, (self.folder / "run.yaml").read_text())


@pytest.fixture
def site(tmp_path: Path, postgres_server: PostgresServer, postgres_db: str, valkey_server: ValkeyServer) -> Site:
    """SQLite files, and instead of them Valkey and Postgres."""
    kv = f"{{type: kv_redis, port: {valkey_server.port}, namespace: {tmp_path.name}}}"
    return Site(tmp_path, kv, f'{{type: sql_postgres, connection_string: "{postgres_server.url(postgres_db)}"}}')


def _fill(server: RunningServer) -> list[str]:
    """Have something of everything kept, and return the paths that show it."""
    server.wait_for("/v1/models/demo/echo")
    server.post("/v1/models", {"model_id": "registered", "provider_id": "demo", "provider_model_id": "echo"})
    said = [{"role": "user", "content": "Where to?"}]
    body = {"model": "demo/echo", "store": True, "messages": said, "metadata": {"team": "é\u2028"}}
    completion = server.post("/v1/chat/completions", body).json["id"]
    prompt = _prompts(server)
    talk = server.post("/v1/conversations", {"items": [{"type": "message", "role": "user", "content": "One."}]}).json[
        "id"
    ]
    server.post("/v1/responses", {"model": "demo/echo", "input": "Two.", "conversation": talk})
    first = server.post("/v1/responses", {"model": "demo/echo", "input": "Begin."}).json["id"]
    body = {"model": "demo/echo", "input": "Go on.", "previous_response_id": first, "prompt": {"id": prompt}}
    second = server.post("/v1/responses", body).json["id"]
    long = {"model": "demo/echo", "input": "Slowly.", "background": True, "stream": True}
    events = server.post("/v1/responses", long).body
    background = json.loads(events.split(b"data: ")[1].split(b"\n")[0])["response"]["id"]
    gone = server.post("/v1/responses", {"model": "demo/echo", "input": "Forget this."}).json["id"]
    server.request("DELETE", f"/v1/responses/{gone}", None)
    with server.client() as client:
        file = client.files.create(file=("way.txt", b"North."), purpose="user_data").id
    return [
        f"/v1/files/{file}",
        f"/v1/files/{file}/content",
        "/v1/models/registered",
        "/v1/chat/completions?metadata[team]=é\u2028".replace("é\u2028", "%C3%A9%E2%80%A8"),
        f"/v1/chat/completions/{completion}",
        f"/v1/chat/completions/{completion}/messages",
        "/v1/conversations",
        f"/v1/conversations/{talk}",
        f"/v1/conversations/{talk}/items",
        "/v1/responses",
        f"/v1/responses/{second}",
        f"/v1/responses/{second}/input_items",
        f"/v1/responses/{background}",
        f"/v1/responses/{background}?stream=true&starting_after=1",
        "/v1/prompts",
        *(f"/v1/prompts/{prompt}{rest}" for rest in ("", "/versions", "/versions/1", "/draft", "/events")),
    ]


def _prompts(server: RunningServer) -> str:
    made = server.post("/v1/prompts", {"name": "guide", "instructions": "Guide.", "model": "demo/echo"}).json["id"]
    server.post(f"/v1/prompts/{made}/versions", {"instructions": "Guide well.", "labels": ["prod"]})
    server.request("PUT", f"/v1/prompts/{made}/draft", b'{"instructions": "Guide better."}')
    gone = server.post("/v1/prompts", {"name": "gone", "instructions": "Go."}).json["id"]
    server.request("DELETE", f"/v1/prompts/{gone}", None)
    return str(made)


def _shown(server: RunningServer, paths: Sequence[str]) -> dict[str, bytes]:
    found = {path: server.get(path) for path in paths}
    assert {path: answer.body for path, answer in found.items() if answer.status != 200} == {}
    return {path: answer.body for path, answer in found.items()}


def test_a_server_on_the_copy_answers_the_same_bytes_and_counts_on(site: Site) -> None:
    with site.on("kv_default", "sql_default").serve() as server:
        paths = _fill(server)
        before = _shown(server, paths)
        assert server.stop() == 0
    keys = site.copied("kv_default", "kv_other")
    assert keys["changes"] == {"storage.stores.metadata": {"backend": "kv_other", "namespace": "registry"}}
    rows = site.copied("sql_default", "sql_other")
    assert len(rows["parts"]) == TABLES
    assert rows["changes"]["storage.stores.prompts"] == {"backend": "sql_other", "table_name": "prompts"}
    assert rows["stayed"] == {}
    with site.on("kv_other", "sql_other").serve() as server:
        server.wait_for("/v1/models/registered")
        assert _shown(server, paths) == before
        _count_on(server, paths)
        refused = site.copy("sql_other", "sql_default")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "Backend 'sql_other' is in use by 'stackwright/stackwright'. Stop the servers on it" in refused.stderr
        assert server.stop() == 0
    # And all the way back, over what was there.
    again = site.copied("sql_other", "sql_default", "--replace")
    site.copied("kv_other", "kv_default", "--replace")
    with site.on("kv_default", "sql_default").serve() as server:
        server.wait_for("/v1/models/registered")
        changed = _shown(server, paths)
        assert {path: changed[path] for path in paths[:4]} == {path: before[path] for path in paths[:4]}
        _count_on(server, paths)
        assert server.stop() == 0
    assert {part["name"]: part["rows"] for part in again["parts"]}["prompts_versions"] == 4


def _count_on(server: RunningServer, paths: Sequence[str]) -> None:
    """New objects get the numbers after the old ones."""
    prompt = next(path for path in paths if path.startswith("/v1/prompts/pmpt_"))
    latest = max(int(one["version"]) for one in server.get(f"{prompt}/versions").json["data"])
    published = server.post(f"{prompt}/versions", {"instructions": f"Guide {latest}."})
    assert (published.status, int(published.json["version"])) == (200, latest + 1), published.body
    talk = next(path for path in paths if path.startswith("/v1/conversations/"))
    item = {"type": "message", "role": "user", "content": f"After {latest}."}
    assert server.post(f"{talk}/items", {"items": [item]}).status == 200
    texts = [one["content"][0]["text"] for one in server.get(f"{talk}/items?order=asc").json["data"]]
    assert texts[:3] == ["One.", "Two.", "Bergen, since 1070."]
    assert texts[-1] == f"After {latest}."
    response = next(path for path in paths if path.startswith("/v1/responses/"))
    body = {"model": "registered", "input": "And?", "previous_response_id": response.rpartition("/")[2]}
    made = server.post("/v1/responses", body).json
    assert made["status"] == "completed"
    assert server.get("/v1/responses?limit=1").json["first_id"] == made["id"]


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run file with two SQLite files for rows and two for keys, those in use with their tables."""
    folder = tmp_path_factory.mktemp("upgraded")
    kv, sql = "{type: kv_sqlite, db_path: ~/kv2.db}", "{type: sql_sqlite, db_path: ~/sql2.db}"
    (folder / "run.yaml").write_text(RUN_FILE % (kv, sql, "kv_default", *["sql_default"] * 5))
    assert run(folder, "db", "upgrade", "run.yaml").returncode == 0
    for other in ("kv2.db", "sql2.db"):
        (folder / other).unlink()
    return folder


@pytest.fixture
def files(upgraded: Path, tmp_path: Path) -> Site:
    """The same for one test."""
    shutil.copytree(upgraded, tmp_path, dirs_exist_ok=True)
    return Site(tmp_path, "{type: kv_sqlite, db_path: ~/kv2.db}", "{type: sql_sqlite, db_path: ~/sql2.db}")


def _execute(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql).fetchall()


def test_what_a_server_uses_is_not_copied(files: Site) -> None:
    with files.serve():
        for source, target, where in (("sql_default", "sql_other", "sql.db"), ("kv_default", "kv_other", "kv.db")):
            refused = files.copy(source, target)
            assert refused.returncode == 1
            assert (
                f"Backend '{source}' is in use by another process, which has {files.folder / where} open"
                in refused.stderr
            )
        assert _execute(files.folder / "sql2.db", "SELECT name FROM sqlite_master") == []
    assert files.copied("sql_default", "sql_other", "--stores", "prompts")["parts"]


@pytest.mark.parametrize("kind", ["redis", "postgres", "mongodb"])
def test_keys_go_to_every_kind_of_database_and_back(kind: str, files: Site, request: pytest.FixtureRequest) -> None:
    if kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        other = f'{{type: kv_postgres, connection_string: "{server.url(request.getfixturevalue("postgres_db"))}"}}'
    else:
        port = request.getfixturevalue({"redis": "valkey_server", "mongodb": "mongo_server"}[kind]).port
        other = f"{{type: kv_{kind}, port: {port}, namespace: {files.folder.name}}}"
    there = Site(files.folder, other, "{type: sql_sqlite, db_path: ~/sql2.db}").on("kv_default", "sql_default")
    _execute(files.folder / "kv.db", KEYS)
    _execute(files.folder / "kv.db", "UPDATE kv_store SET expires_at = unixepoch() + 500 WHERE key LIKE '%7'")
    before = _execute(files.folder / "kv.db", "SELECT key, value, expires_at IS NULL FROM kv_store ORDER BY key")
    (part,) = there.copied("kv_default", "kv_other")["parts"]
    assert (part["name"], part["rows"], part["present"]) == ("registry", 2700, 0)
    there.on("kv_other", "sql_default")
    (part,) = there.copied("kv_other", "kv_default", "--replace")["parts"]
    assert (
        _execute(files.folder / "kv.db", "SELECT key, value, expires_at IS NULL FROM kv_store ORDER BY key") == before
    )
    (part,) = there.copied("kv_other", "kv_default")["parts"]
    assert (part["rows"], part["present"]) == (2700, 2700)


def test_rows_of_others_are_left_alone(files: Site) -> None:
    _execute(files.folder / "sql.db", ADD % "mine")
    files.copied("sql_default", "sql_other")
    _execute(files.folder / "sql2.db", ADD % "theirs")
    refused = files.copy("sql_default", "sql_other")
    assert refused.returncode == 1
    assert "completions in 'sql_other' has 2 rows that are not the first 2 of 'sql_default'" in refused.stderr
    assert [row[0] for row in _execute(files.folder / "sql2.db", "SELECT id FROM completions")] == ["mine", "theirs"]
    files.copied("sql_default", "sql_other", "--replace")
    assert [row[0] for row in _execute(files.folder / "sql2.db", "SELECT id FROM completions")] == ["mine"]


def test_what_was_deleted_is_not_counted_again(files: Site) -> None:
    for number in range(3):
        _execute(files.folder / "sql.db", ADD % number)
    _execute(files.folder / "sql.db", "DELETE FROM completions WHERE id > '0'")
    files.copied("sql_default", "sql_other")
    _execute(files.folder / "sql2.db", ADD % "next")
    assert _execute(files.folder / "sql2.db", "SELECT seq, id FROM completions") == [(1, "0"), (4, "next")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sql_default", "kv_other"), "rows go to a sql_ backend, keys and values to a kv_ one"),
        (
            ("sql_default", "sql_defualt"),
            "No backend is named 'sql_defualt'. Declared: kv_default, kv_other, sql_default",
        ),
        (("sql_default", "sql_default"), "are one and the same database"),
        (("sql_other", "sql_default"), "No store and no provider refers to 'sql_other'"),
        (("sql_default", "sql_other", "--stores", "prompts,metadata"), "'metadata': no store on 'sql_default'"),
    ],
)
def test_a_copy_that_makes_no_sense_is_refused(files: Site, arguments: Sequence[str], words: str) -> None:
    source, target, *options = arguments
    command = ["storage", "copy", "--from", source, "--to", target, str(files.folder / "run.yaml"), *options]
    refused = CliRunner(env={"HOME": str(files.folder)}).invoke(main, command)
    assert refused.exit_code == 1
    assert words in refused.stderr
    assert refused.stdout == ""


def test_what_must_move_together_is_said_when_half_of_it_was_asked_for(files: Site) -> None:
    stayed = files.copied("sql_default", "sql_other", "--stores", "responses,prompts")["stayed"]
    assert stayed["storage.stores.inference"] == "not asked for"
    assert "it must be in one backend with storage.stores.responses" in stayed["storage.stores.conversations"]
    stayed = files.copied("sql_default", "sql_other", "--stores", "prompts")["stayed"]
    assert set(stayed.values()) == {"not asked for"}


def test_an_older_schema_is_refused_and_a_store_without_tables_is_none(files: Site) -> None:
    _execute(files.folder / "sql.db", "DELETE FROM stackwright_schema WHERE store = 'prompts'")
    _execute(files.folder / "sql.db", "DELETE FROM stackwright_schema WHERE store = 'responses' AND version > 1")
    refused = files.copy("sql_default", "sql_other")
    assert "responses in 'sql_default' has schema version 1, this Stackwright makes" in refused.stderr
    assert files.copied("sql_default", "sql_other", "--stores", "prompts")["parts"] == []


def test_a_value_that_the_target_cannot_keep_is_named(
    files: Site, postgres_server: PostgresServer, postgres_db: str
) -> None:
    other = f'{{type: sql_postgres, connection_string: "{postgres_server.url(postgres_db)}"}}'
    site = Site(files.folder, "{type: kv_sqlite, db_path: ~/kv2.db}", other).on("kv_default", "sql_default")
    _execute(files.folder / "sql.db", ADD % "a' || char(0) || 'b")
    refused = site.copy("sql_default", "sql_other")
    assert refused.returncode == 1
    assert "completions: 'sql_other' cannot keep a row between (1,) and (1,)" in refused.stderr


def test_stats_tell_rows_bytes_and_times(site: Site) -> None:
    assert run(site.on("kv_default", "sql_default").folder, "db", "upgrade", "run.yaml").returncode == 0
    _execute(site.folder / "sql.db", ADD % "mine")
    _execute(site.folder / "kv.db", KEYS)
    for kv, sql in (("kv_default", "sql_default"), ("kv_other", "sql_other")):
        if kv == "kv_other":
            site.copied("kv_default", "kv_other")
            site.copied("sql_default", "sql_other")
        done = run(site.on(kv, sql).folder, "storage", "stats", "--json", "run.yaml")
        assert done.returncode == 0, done.stderr
        found = {one["holds"]: one for one in json.loads(done.stdout)["stores"]}
        assert len(found) == TABLES + 1
        completions = found["completions"]
        assert completions.pop("bytes") >= 4096
        assert completions == {
            "backend": sql, "store": "inference", "holds": "completions", "rows": 1, "oldest": 1, "newest": 1
        }  # fmt: skip
        assert (found["registry"]["backend"], found["registry"]["rows"]) == (kv, 3000)
        assert 80_000 < found["registry"]["bytes"] < 120_000
        assert (found["responses"]["rows"], found["responses"]["oldest"]) == (0, None)
    shown = run(site.folder, "storage", "stats", "run.yaml")
    assert "sql_other  inference      completions" in shown.stdout
    assert "1970-01-01T00:00Z" in shown.stdout


def test_stats_of_what_is_away_or_not_made_yet(tmp_path: Path) -> None:
    away = '{type: sql_postgres, connection_string: "postgresql://a:planted-secret@127.0.0.1:1/b"}'
    Site(tmp_path, "{type: kv_sqlite, db_path: ~/kv2.db}", away).on("kv_default", "sql_other")
    done = run(tmp_path, "storage", "stats", "run.yaml")
    assert done.returncode == 1
    assert "sql_other: cannot connect to a@127.0.0.1:1/b" in done.stderr
    assert "planted-secret" not in done.stderr
    assert done.stdout.splitlines()[1].split() == ["kv_default", "metadata", "registry", "-", "-", "-", "-"]
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]
