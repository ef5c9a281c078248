"""Old run files, and what is needed to load what becomes of them."""

import re
from collections.abc import Mapping
from pathlib import Path

from stackwright.config.load import loads
from stackwright.config.migrate import Migration, migrate
from stackwright.config.runfile import RunFile
from stackwright.providers.registry import TYPES

PAIRS = sorted((Path(__file__).parent / "pairs").iterdir())
AFTER = """\
version: 2
image_name: foo
providers:
  vector_io:
    - provider_id: chromadb
      provider_type: remote::chromadb
      config:
        url: ${env.CHROMADB_URL}
        persistence: {backend: kv_default, namespace: "vector_io::chroma_remote"}
storage:
  backends:
    kv_default:
      type: kv_sqlite
      db_path: ~/.llama/distributions/foo/kvstore.db
    sql_default:
      type: sql_postgres
      host: ${env.POSTGRES_HOST}
      port: ${env.POSTGRES_PORT}
      db: ${env.POSTGRES_DB}
      user: ${env.POSTGRES_USER}
      password: ${env.POSTGRES_PASSWORD}
  stores:
    metadata:
      backend: kv_default
      namespace: registry
    inference:
      backend: sql_default
      table_name: inference_store
      max_write_queue_size: 10000
      num_writers: 4
    conversations:
      backend: sql_default
      table_name: openai_conversations
"""


def migrated(text: str, *, storage_only: bool = False) -> Migration:
    """Migrate with the provider types of this package."""
    return migrate(text, types=TYPES, storage_only=storage_only)


def environ(text: str) -> dict[str, str]:
    """Return a value for every variable that a text cannot do without."""
    return {name: _value(name) for name in re.findall(r"\$\{env\.(\w+)\}", text)}


def load(text: str, folder: Path, variables: Mapping[str, str] | None = None) -> RunFile:
    """Load a text as `serve` would."""
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / "postgres").write_text("correct horse")
    return loads(text, environ=environ(text) if variables is None else variables, types=TYPES, folder=folder)


def _value(name: str) -> str:
    return "5433" if name.endswith("PORT") else "http://localhost:8000" if name.endswith("URL") else name.lower()
