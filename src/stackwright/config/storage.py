"""The `storage:` section of the run file: backends declared once by name, and references to them."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from stackwright.config.secret import Secret
from stackwright.config.section import Section as Section

Family = Literal["kv", "sql"]


class SqliteBackend(Section):
    """A SQLite file on this machine."""

    type: Literal["kv_sqlite", "sql_sqlite"]
    db_path: str = Field(description="Path of the file; `~` is the home directory. Made when absent.")
    pool_timeout: PositiveFloat = Field(2.0, description="Seconds to wait for the write queue before a 503.")
    command_timeout: PositiveFloat = Field(10.0, description="Seconds to wait for another process's lock.")
    table_name: str = Field("kv_store", description="KV only: the table that holds all namespaces.")
    namespace: str | None = Field(None, description="KV only: prefix for every namespace of this backend.")

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        _only_for_kv(self.type, self.table_name, self.namespace)
        return self


class PostgresBackend(Section):
    """A Postgres database, by its parts or by one connection string."""

    type: Literal["kv_postgres", "sql_postgres"]
    connection_string: Secret | None = Field(None, description="`postgresql://user:password@host:port/db`.")
    host: str = "localhost"
    port: int = Field(5432, ge=1, le=65535)
    db: str = "stackwright"
    user: str = "stackwright"
    password: Secret | None = None
    ssl_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    ca_cert_path: str | None = None
    pool_size: PositiveInt = Field(10, description="Connections kept open.")
    max_overflow: int = Field(10, ge=0, description="Connections above pool_size, closed when idle.")
    pool_timeout: PositiveFloat = Field(2.0, description="Seconds to wait for a connection before a 503.")
    pool_recycle: int = Field(-1, ge=-1, description="Replace connections older than this many seconds; -1 never.")
    command_timeout: PositiveFloat = Field(5.0, description="Seconds a statement may take.")
    table_name: str = Field("kv_store", description="KV only: the table that holds all namespaces.")
    namespace: str | None = Field(None, description="KV only: prefix for every namespace of this backend.")

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        _only_for_kv(self.type, self.table_name, self.namespace)
        _one_address(self, "connection_string", "host", "port", "db", "user", "password")
        return self


class RedisBackend(Section):
    """A Redis or Valkey server."""

    type: Literal["kv_redis"]
    url: Secret | None = Field(None, description="`redis://user:password@host:port/db`; instead of the parts.")
    host: str = "localhost"
    port: int = Field(6379, ge=1, le=65535)
    db: int = Field(0, ge=0)
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    ca_cert_path: str | None = None
    pool_size: PositiveInt = 10
    pool_timeout: PositiveFloat = 2.0
    command_timeout: PositiveFloat = 5.0
    namespace: str | None = Field(None, description="Prefix for every namespace of this backend.")

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        _one_address(self, "url", "host", "port", "db", "username", "password", "tls")
        return self


class MongoBackend(Section):
    """A MongoDB database."""

    type: Literal["kv_mongodb"]
    url: Secret | None = Field(None, description="`mongodb://user:password@host:port`; instead of the parts.")
    host: str = "localhost"
    port: int = Field(27017, ge=1, le=65535)
    db: str = "stackwright"
    user: str | None = None
    password: Secret | None = None
    collection_name: str = "kv_store"
    pool_size: PositiveInt = 10
    pool_timeout: PositiveFloat = 2.0
    command_timeout: PositiveFloat = 5.0
    namespace: str | None = Field(None, description="Prefix for every namespace of this backend.")

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        _one_address(self, "url", "host", "port", "user", "password")
        return self


def _only_for_kv(type: str, table_name: str, namespace: str | None) -> None:
    if type.startswith("sql_") and (table_name != "kv_store" or namespace is not None):
        raise ValueError(
            "table_name and namespace are for KV backends; what lives in a SQL backend names its own table"
        )


def _one_address(backend: Section, whole: str, *parts: str) -> None:
    given = [part for part in parts if part in backend.model_fields_set and getattr(backend, part) is not None]
    if getattr(backend, whole) is not None and given:
        raise ValueError(f"{whole} is the whole address, so {', '.join(given)} would be ignored. Give one or the other")


BACKEND_TYPES = frozenset({"kv_sqlite", "kv_postgres", "kv_redis", "kv_mongodb", "sql_sqlite", "sql_postgres"})
Backend = Annotated[SqliteBackend | PostgresBackend | RedisBackend | MongoBackend, Field(discriminator="type")]


class KVReference(Section):
    """A place in a KV backend: everything under one namespace."""

    backend: str
    namespace: str = Field(min_length=1)


class SqlReference(Section):
    """A table in a SQL backend."""

    backend: str
    table_name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,47}$")


class InferenceStore(SqlReference):
    """Where stored chat completions live, and how they get there."""

    table_name: str = Field("inference_store", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,47}$")
    max_write_queue_size: PositiveInt = Field(
        10_000, description="Most completions waiting for their commit; one more is a 503 before the model is called."
    )
    num_writers: PositiveInt = Field(4, description="Concurrent batches (Postgres; SQLite has one writer).")
    store_by_default: bool = Field(False, description="Store completions that do not say `store`.")


class Stores(Section):
    """Which store keeps its rows where. A store not named lands in `kv_default` or `sql_default`."""

    metadata: KVReference = KVReference(backend="kv_default", namespace="registry")
    inference: InferenceStore = InferenceStore(backend="sql_default")
    conversations: SqlReference = SqlReference(backend="sql_default", table_name="openai_conversations")
    responses: SqlReference = SqlReference(backend="sql_default", table_name="responses")
    prompts: SqlReference = SqlReference(backend="sql_default", table_name="prompts")


class Storage(Section):
    """Backends by name, and the stores that refer to them."""

    backends: dict[str, Backend] = Field(
        min_length=1,
        description="Databases by name, such as `kv_default: {type: kv_sqlite, db_path: ~/.stackwright/kvstore.db}` "
        "and `sql_default: {type: sql_sqlite, db_path: ~/.stackwright/sql_store.db}`.",
    )
    stores: Stores = Stores()
