"""The run file that the project is about: it loads as it stands, and a server on it serves."""

from pathlib import Path

from tests.running import RunningServer
from tests.servers import PostgresServer

BLOCK = """
version: 2
image_name: foo
apis: [inference, responses, vector_io, files]
providers:
  inference:
    - provider_id: openai
      provider_type: remote::openai
      config: {base_url: "${env.OPENAI_BASE_URL:=https://api.openai.com/v1}", api_key: "${env.OPENAI_API_KEY:=}"}
  vector_io:
    - provider_id: chromadb
      provider_type: remote::chromadb
      config:
        url: ${env.CHROMADB_URL}
        persistence: {backend: kv_default, namespace: "vector_io::chroma_remote"}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: ~/.llama/distributions/foo/kvstore.db}
    sql_default:
      type: sql_postgres
      host: ${env.POSTGRES_HOST}
      port: ${env.POSTGRES_PORT}
      db: ${env.POSTGRES_DB}
      user: ${env.POSTGRES_USER}
      password: ${env.POSTGRES_PASSWORD}
  stores:
    metadata: {backend: kv_default, namespace: registry}
    inference: {backend: sql_default, table_name: inference_store, max_write_queue_size: 10000, num_writers: 4}
    conversations: {backend: sql_default, table_name: openai_conversations}
"""


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
    with RunningServer(tmp_path, BLOCK, environ=environ) as server:
        server.wait_for("/ready")
        assert server.get("/v1/models").json == {"object": "list", "data": []}
        assert server.get("/v1/chat/completions").json["data"] == []
        refused = server.post(
            "/v1/chat/completions", {"model": "openai/x", "messages": [{"role": "user", "content": "x"}]}
        )
        assert (refused.status, refused.error["code"]) == (502, "upstream_error")
    assert postgres_server.sql("SELECT count(*) FROM inference_store", postgres_db) == "0"
    assert (tmp_path / ".llama" / "distributions" / "foo" / "kvstore.db").exists()
