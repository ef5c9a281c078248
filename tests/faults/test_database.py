"""A Postgres that is late, gone, restarted, or has another password: at most 503s, and no restart of ours."""

from pathlib import Path

import pytest

from tests.running import RunningServer
from tests.servers import PostgresServer

RUN_FILE = """
version: 2
providers:
  inference: [{{provider_id: demo, provider_type: inline::scripted, config: {{}}}}]
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: "${{env.HOME}}/kv.db"}}
    sql_default:
      {{type: sql_postgres, host: {host}, port: {port}, db: {db}, user: {user}, password: "${{file:{secret}}}"}}
"""
KEEP = {"model": "demo/scripted", "messages": [{"role": "user", "content": "x"}], "store": True}
CHAT = "/v1/chat/completions"


@pytest.fixture
def server(tmp_path: Path, postgres_server: PostgresServer, postgres_db: str) -> RunningServer:
    """A server on Postgres under a role of its own, not yet started; its password is in `tmp_path/secret`."""
    role = postgres_db.replace("test", "role")
    postgres_server.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'first'; ALTER DATABASE {postgres_db} OWNER TO {role}")
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    run_file = RUN_FILE.format(
        host=postgres_server.host, port=postgres_server.port, db=postgres_db, user=role, secret=secret
    )
    return RunningServer(tmp_path, run_file)


def _kept(server: RunningServer) -> str:
    made = server.post(CHAT, KEEP)
    assert made.status == 200, made.body
    return str(made.json["id"])


def _recovers(server: RunningServer, within: float = 10) -> None:
    server.wait_for("/ready", within=within)
    server.wait_for(CHAT, within=within)


def test_a_server_starts_before_its_database_and_heals(server: RunningServer, postgres_server: PostgresServer) -> None:
    postgres_server.stop("immediate")
    try:
        with server:
            assert server.get("/health").status == 200
            not_ready = server.get("/ready")
            assert not_ready.status == 503
            assert "sql_default" in not_ready.error["message"]
            assert str(postgres_server.port) not in not_ready.error["message"]
            refused = server.post(CHAT, KEEP)
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert refused.error["message"] == "Backend 'sql_default' cannot be reached at the moment."
            unstored = {name: value for name, value in KEEP.items() if name != "store"}
            assert server.post(CHAT, unstored).status == 200
            postgres_server.start()
            _recovers(server)
            assert _kept(server)
    finally:
        if not _answers(postgres_server):
            postgres_server.start()


def _answers(postgres_server: PostgresServer) -> bool:
    try:
        return postgres_server.sql("SELECT 1") == "1"
    except AssertionError:
        return False


def test_a_restarted_database_costs_503s_for_a_moment(server: RunningServer, postgres_server: PostgresServer) -> None:
    with server:
        server.wait_for("/ready")
        before = _kept(server)
        postgres_server.stop("immediate")
        assert server.post(CHAT, KEEP).status == 503
        postgres_server.start()
        _recovers(server)
        after = _kept(server)
        ids = {one["id"] for one in server.get(f"{CHAT}?limit=100").json["data"]}
        assert {before, after} <= ids


def test_cut_connections_are_replaced(server: RunningServer, postgres_server: PostgresServer) -> None:
    with server:
        server.wait_for("/ready")
        for _ in range(3):
            _kept(server)
            postgres_server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'role%'")
            assert server.post(CHAT, KEEP).status in (200, 503)
            _recovers(server)


def test_a_rotated_password_is_picked_up(
    server: RunningServer, postgres_server: PostgresServer, tmp_path: Path, postgres_db: str
) -> None:
    role = postgres_db.replace("test", "role")
    with server:
        server.wait_for("/ready")
        _kept(server)
        postgres_server.sql(f"ALTER ROLE {role} PASSWORD 'second'")
        (tmp_path / "secret").write_text("second\n")
        postgres_server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'role%'")
        _recovers(server)
        assert _kept(server)
        assert "second" not in server.log.read_text()
