"""Run files for tests, and provider types that exist nowhere else."""

import builtins
from dataclasses import dataclass

from pydantic import BaseModel, Field

from stackwright.config.complaint import RunFileError
from stackwright.config.load import loads
from stackwright.config.runfile import RunFile
from stackwright.config.secret import Secret
from stackwright.config.section import Section
from stackwright.config.storage import KVReference, SqlReference


class Limits(Section):
    password_number: int = 0


class OpenAIConfig(Section):
    base_url: str = "https://api.openai.com/v1"
    api_key: Secret | None = None
    timeout: float = 60.0
    retries: int = 2
    limits: Limits = Limits()


class ChromaConfig(Section):
    url: str
    persistence: KVReference


class Deep(Section):
    kv: KVReference | None = None
    sql: tuple[SqlReference, ...] = ()


class DeepConfig(Section):
    inner: dict[str, Deep] = Field({})
    either: KVReference | SqlReference | None = None
    metadata_store: KVReference = KVReference(backend="kv_default", namespace="deep")


class PlainConfig(BaseModel):
    """A config that forgot to forbid unknown keys."""

    name: str = "plain"


@dataclass(frozen=True)
class FakeType:
    type: str
    api: str
    config: builtins.type[BaseModel]


TYPES = {
    fake.type: fake
    for fake in (
        FakeType("remote::openai", "inference", OpenAIConfig),
        FakeType("remote::plain", "inference", PlainConfig),
        FakeType("remote::chromadb", "vector_io", ChromaConfig),
        FakeType("inline::deep", "vector_io", DeepConfig),
    )
}

STORAGE = """\
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: /nowhere/kv.db}
    sql_default: {type: sql_sqlite, db_path: /nowhere/sql.db}
"""

BEFORE = """\
version: 2
image_name: foo
providers:
  vector_io:
    - provider_id: chromadb
      provider_type: remote::chromadb
      config:
        url: ${env.CHROMADB_URL}
        kvstore:
          type: sqlite
          db_path: ~/.llama/distributions/foo/chroma.db
metadata_store:
  type: sqlite
  db_path: ~/.llama/distributions/foo/registry.db
inference_store:
  type: postgres
  host: ${env.POSTGRES_HOST}
  port: ${env.POSTGRES_PORT}
  db: ${env.POSTGRES_DB}
  user: ${env.POSTGRES_USER}
  password: ${env.POSTGRES_PASSWORD}
conversations_store:
  type: postgres
  host: ${env.POSTGRES_HOST}
  port: ${env.POSTGRES_PORT}
  db: ${env.POSTGRES_DB}
  user: ${env.POSTGRES_USER}
  password: ${env.POSTGRES_PASSWORD}
"""

AFTER = """\
version: 2
image_name: foo                      # alias: distro_name
apis: [inference, responses, vector_io, files]     # absent = all
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

POSTGRES = {
    "CHROMADB_URL": "http://localhost:8000",
    "POSTGRES_HOST": "db.internal",
    "POSTGRES_PORT": "5433",
    "POSTGRES_DB": "foo",
    "POSTGRES_USER": "bar",
    "POSTGRES_PASSWORD": "123456",
}


def read(text: str, **environ: str) -> RunFile:
    """Load a text with these variables."""
    return loads(text, environ=environ, types=TYPES)


def outcome(text: str, **environ: str) -> RunFile | RunFileError:
    """Load a text; return what came of it."""
    try:
        return read(text, **environ)
    except RunFileError as error:
        return error


def complaints(text: str, **environ: str) -> list[str]:
    """Load a text that is wrong; return what it is told."""
    found = outcome(text, **environ)
    return [str(complaint) for complaint in found.complaints] if isinstance(found, RunFileError) else []


def minimal(text: str = "") -> str:
    """Return a run file with both defaults declared, and `text` below."""
    return f"version: 2\n{STORAGE}{text}"
