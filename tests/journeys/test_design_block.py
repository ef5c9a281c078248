"""The run file that the project is about: it loads as it stands, and a server on it serves."""

from pathlib import Path

from tests.config.files import AFTER
from tests.running import RunningServer
from tests.servers import PostgresServer


def test_it_serves_its_apis_on_its_backends(tmp_path: Path, postgres_server: PostgresServer, postgres_db: str) -> None:
    environ = {
        "CHROMADB_URL": "http://127.0.0.1:1",
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "OPENAI_API_KEY": "sk-x",
        "POSTGRES_HOST": postgres_server.host,
        "POSTGRES_PORT": str(postgres_server.port),
        "POSTGRES_DB": postgres_db,
        "POSTGRES_USER": postgres_server.user,
        "POSTGRES_PASSWORD": postgres_server.password,
    }
    with RunningServer(tmp_path, AFTER, environ=environ) as server:
        server.wait_for("/ready")
        assert server.get("/v1/models").json == {"object": "list", "data": []}
        assert server.get("/v1/chat/completions").json["data"] == []
        refused = server.post(
            "/v1/chat/completions", {"model": "openai/x", "messages": [{"role": "user", "content": "x"}]}
        )
        assert (refused.status, refused.error["code"]) == (502, "upstream_error")
    assert postgres_server.sql("SELECT count(*) FROM inference_store", postgres_db) == "0"
    assert (tmp_path / ".llama" / "distributions" / "foo" / "kvstore.db").exists()
