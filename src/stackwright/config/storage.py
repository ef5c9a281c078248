"""The `storage:` section of the run file: backends declared once by name, and references to them."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, WithJsonSchema, field_validator, model_validator

from stackwright.config.path import PathText
from stackwright.config.secret import Secret
from stackwright.config.section import Section
from stackwright.config.url import Url, parse

Family = Literal["kv", "sql"]

KV_ONLY = ("table_name", "namespace")
TABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,47}$"


class SqliteBackend(Section):
    """A SQLite file on this machine."""

    type: Literal["kv_sqlite", "sql_sqlite"] = Field(description="What is kept in it: keys and values, or rows.")
    db_path: PathText = Field(description="Path of the file; `~` is the home directory. Made when absent.")
    pool_timeout: PositiveFloat = Field(2.0, description="Seconds to wait for the write queue before a 503.")
    command_timeout: PositiveFloat = Field(10.0, description="Seconds to wait for another process's lock.")
    table_name: str = Field("kv_store", pattern=TABLE, description="KV only: the table that holds all namespaces.")
    namespace: str | None = Field(None, description="KV only: prefix for every namespace of this backend.")

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        _only_for_kv(self)
        if not self.db_path or "\0" in self.db_path:
            raise ValueError("db_path is not the path of a file")
        return self


class PostgresBackend(Section):
    """A Postgres database, by its parts or by one connection string."""

    type: Literal["kv_postgres", "sql_postgres"] = Field(description="What is kept in it: keys and values, or rows.")
    connection_string: Secret | None = Field(
        None, description="`postgresql://user:password@host:port/db`; instead of the parts."
    )
    host: str = Field("localhost", description="Name or address of the server.")
    port: int = Field(5432, ge=1, le=65535, description="Port of the server.")
    db: str = Field("stackwright", description="Name of the database. It must exist.")
    user: str = Field("stackwright", description="Role to log in as. It must be allowed to make tables.")
    password: Secret | None = Field(None, description="Better `${env.X}` or `${file:...}` than the text.")
    ssl_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = Field(
        None, description="As libpq's `sslmode`. Absent: `prefer`, or `verify-full` when `ca_cert_path` is given."
    )
    ca_cert_path: PathText | None = Field(
        None, description="PEM file of authorities that the server's certificate is checked by."
    )
    pool_size: PositiveInt = Field(10, description="Connections kept open. Where prompts are, one more listens.")
    max_overflow: int = Field(10, ge=0, description="Connections above pool_size, closed when idle for 5 s.")
    pool_timeout: PositiveFloat = Field(2.0, description="Seconds to wait for a connection before a 503.")
    pool_recycle: int = Field(-1, ge=-1, description="Replace connections older than this many seconds; -1 never.")
    command_timeout: PositiveFloat = Field(5.0, description="Seconds a statement may take.")
    table_name: str = Field("kv_store", pattern=TABLE, description="KV only: the table that holds all namespaces.")
    namespace: str | None = Field(None, description="KV only: prefix for every namespace of this backend.")

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        _only_for_kv(self)
        _one_address(self, "connection_string", "host", "port", "db", "user", "password")
        url = _url(self.connection_string, "connection_string", "postgresql://host:port/db", 5432, "postgres")
        query = url.query if url else {}
        for field, key in (("ssl_mode", "sslmode"), ("ca_cert_path", "sslrootcert")):
            if getattr(self, field) is not None and key in query:
                raise ValueError(f"{field} and {key} in connection_string say the same thing. Give one or the other")
        mode = self.ssl_mode or query.get("sslmode")
        if self.ca_cert_path is not None and mode in ("disable", "allow", "prefer"):
            raise ValueError(
                f"ca_cert_path has no effect with ssl_mode '{mode}', which checks no certificate. "
                "Set ssl_mode: verify-full"
            )
        return self


class RedisBackend(Section):
    """A Redis or Valkey server."""

    type: Literal["kv_redis"] = Field(description="Keys and values in Redis.")
    url: Secret | None = Field(None, description="`redis://user:password@host:port/db`; instead of the parts.")
    host: str = Field("localhost", description="Name or address of the server.")
    port: int = Field(6379, ge=1, le=65535, description="Port of the server.")
    db: int = Field(0, ge=0, description="Number of the database.")
    username: str | None = Field(None, description="User of the server's access list.")
    password: Secret | None = Field(None, description="Better `${env.X}` or `${file:...}` than the text.")
    tls: bool = Field(False, description="Encrypt the connection.")
    ca_cert_path: PathText | None = Field(
        None, description="PEM file of authorities that the server's certificate is checked by."
    )
    pool_size: PositiveInt = Field(10, description="Most connections.")
    pool_timeout: PositiveFloat = Field(2.0, description="Seconds to wait for a connection before a 503.")
    command_timeout: PositiveFloat = Field(5.0, description="Seconds a command may take.")
    namespace: str | None = Field(None, description="Prefix for every namespace of this backend.")

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        _one_address(self, "url", "host", "port", "db", "username", "password", "tls")
        url = _url(self.url, "url", "redis://host:port/0", 6379, "rediss", "unix")
        if url is not None and url.scheme != "unix" and not re.fullmatch(r"\d*", url.path):
            raise ValueError("What follows the host in url is the number of a database, such as /0")
        if self.ca_cert_path is not None and not (self.tls or (url is not None and url.scheme == "rediss")):
            fix = "Set tls: true" if url is None else "Begin url with rediss://"
            raise ValueError(f"ca_cert_path has no effect without TLS. {fix}")
        return self


class MongoBackend(Section):
    """A MongoDB database."""

    type: Literal["kv_mongodb"] = Field(description="Keys and values in MongoDB.")
    url: Secret | None = Field(None, description="`mongodb://user:password@host:port`; instead of the parts.")
    host: str = Field("localhost", description="Name or address of the server.")
    port: int = Field(27017, ge=1, le=65535, description="Port of the server.")
    db: str = Field("stackwright", description="Name of the database.")
    user: str | None = Field(None, description="User to log in as.")
    password: Secret | None = Field(None, description="Better `${env.X}` or `${file:...}` than the text.")
    collection_name: str = Field("kv_store", description="The collection that holds all namespaces.")
    pool_size: PositiveInt = Field(10, description="Most connections.")
    pool_timeout: PositiveFloat = Field(2.0, description="Seconds to wait for a connection before a 503.")
    command_timeout: PositiveFloat = Field(5.0, description="Seconds a command may take.")
    namespace: str | None = Field(None, description="Prefix for every namespace of this backend.")

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        _one_address(self, "url", "host", "port", "user", "password")
        url = _url(self.url, "url", "mongodb://host:port/db", 27017, "mongodb+srv")
        if url is not None and url.path and "db" in self.model_fields_set:
            raise ValueError("url names a database already, so db would be ignored. Give one or the other")
        return self


def _only_for_kv(backend: SqliteBackend | PostgresBackend) -> None:
    given = [key for key in KV_ONLY if key in backend.model_fields_set and getattr(backend, key) is not None]
    if backend.type.startswith("sql_") and given:
        raise ValueError(
            "table_name and namespace are for KV backends; what lives in a SQL backend names its own table"
        )


def _url(secret: Secret | None, key: str, form: str, port: int, *schemes: str) -> Url | None:
    if secret is None:
        return None
    try:
        url = parse(secret.reveal(), port)
    except ValueError:
        url = None
    if url is None or url.scheme not in (form.partition("://")[0], *schemes):
        # Nothing of it is shown, for where its password begins and ends is what is in doubt.
        raise ValueError(f"{key} is not of the form {form}, with {_CREDENTIALS}")
    return url


def _one_address(backend: Section, whole: str, *parts: str) -> None:
    given = [part for part in parts if part in backend.model_fields_set and getattr(backend, part) is not None]
    if getattr(backend, whole) is not None and given:
        raise ValueError(f"{whole} is the whole address, so {', '.join(given)} would be ignored. Give one or the other")


_CREDENTIALS = (
    "`user:password@` before the host if need be, in which `%40` stands for `@`, `%2F` for `/`, `%3F` for `?`, "
    "`%23` for `#` and `%3A` for `:`"
)

BACKEND_TYPES = frozenset({"kv_sqlite", "kv_postgres", "kv_redis", "kv_mongodb", "sql_sqlite", "sql_postgres"})
Backend = Annotated[SqliteBackend | PostgresBackend | RedisBackend | MongoBackend, Field(discriminator="type")]


class KVReference(Section):
    """A place in a KV backend: everything under one namespace."""

    backend: str = Field(description="Name of a KV backend in `storage.backends`.")
    namespace: str = Field(min_length=1, description="Name of the namespace; what is in it, others do not see.")


class SqlReference(Section):
    """A table in a SQL backend."""

    backend: str = Field(description="Name of a SQL backend in `storage.backends`.")
    table_name: str = Field(pattern=TABLE, description="Name of the table, which is made when absent.")


REFERENCES = (KVReference, SqlReference)

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_RETENTION = re.compile(r"([1-9][0-9]{0,8})([smhdw])")


class Aging(Section):
    """A store whose objects may grow too old."""

    retention: Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{_RETENTION.pattern}$"})] | None = Field(
        None,
        description="Remove what is older: a number and s, m, h, d or w, such as 30d. Absent: keep it until it is "
        "deleted. What counts as old is told in `docs/guides/moving-data.md`.",
    )

    @property
    def seconds(self) -> float | None:
        """The retention in seconds."""
        found = _RETENTION.fullmatch(self.retention or "")
        return float(int(found[1]) * _SECONDS[found[2]]) if found else None

    @field_validator("retention")
    @classmethod
    def _is_a_length_of_time(cls, value: str | None) -> str | None:
        if value is not None and not _RETENTION.fullmatch(value):
            raise ValueError("retention must be a number and s, m, h, d or w, such as 30d")
        return value


class StoreReference(Aging, SqlReference):
    """A table in a SQL backend whose rows may grow too old."""


class MetadataStore(Aging, KVReference):
    """A place in a KV backend for registered models, which may grow too old."""


class InferenceStore(StoreReference):
    """Where stored chat completions live, and how they get there."""

    table_name: str = Field(
        "inference_store",
        pattern=TABLE,
        description="Name of the table, which is made when absent.",
    )
    max_write_queue_size: PositiveInt = Field(
        10_000,
        description="Most stored completions under way or waiting for their commit; one more is a 503 before its "
        "model is called.",
    )
    num_writers: PositiveInt = Field(4, description="Concurrent batches (Postgres; SQLite has one writer).")
    store_by_default: bool = Field(False, description="Store completions that do not say `store`.")


class Stores(Section):
    """Which store keeps its rows where. A store not named lands in `kv_default` or `sql_default`."""

    metadata: MetadataStore = Field(
        MetadataStore(backend="kv_default", namespace="registry"), description="Registered models."
    )
    inference: InferenceStore = Field(InferenceStore(backend="sql_default"), description="Stored chat completions.")
    conversations: StoreReference = Field(
        StoreReference(backend="sql_default", table_name="openai_conversations"),
        description="Conversations and their items.",
    )
    responses: StoreReference = Field(
        StoreReference(backend="sql_default", table_name="responses"),
        description="Stored responses and their items.",
    )
    prompts: StoreReference = Field(
        StoreReference(backend="sql_default", table_name="prompts"),
        description="Prompts: their versions, labels, drafts and events, in tables whose names begin with this.",
    )


class Storage(Section):
    """Backends by name, and the stores that refer to them."""

    backends: dict[str, Backend] = Field(
        min_length=1,
        description="Databases by name, such as `kv_default: {type: kv_sqlite, db_path: ~/.stackwright/kvstore.db}` "
        "and `sql_default: {type: sql_sqlite, db_path: ~/.stackwright/sql_store.db}`.",
    )
    stores: Stores = Field(Stores(), description="Which store keeps its rows where.")
