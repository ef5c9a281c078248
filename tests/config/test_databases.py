"""Settings of databases: none is ignored, and one database is used in one way."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from stackwright.config.sharing import groups, identity, merged
from stackwright.config.storage import Backend
from tests.config.files import complaints, minimal, read

ADAPTER: TypeAdapter[Backend] = TypeAdapter(Backend)


def backend(**settings: Any) -> Backend:
    return ADAPTER.validate_python(settings)


def with_backend(settings: str) -> str:
    """Return a run file with one more backend, `b`, in line 6."""
    return minimal(f"    b: {{{settings}}}\n")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("type: sql_sqlite, db_path: /nowhere/b.db, table_name: kv_store", "are for KV backends"),
        ("type: sql_postgres, table_name: kv_store", "are for KV backends"),
        ("type: kv_sqlite, db_path: ''", "db_path is not the path of a file"),
        ('type: kv_sqlite, db_path: "a\\0b"', "db_path is not the path of a file"),
        ("type: kv_sqlite, db_path: b.db, table_name: 'a b'", "must match"),
        ("type: kv_postgres, ssl_mode: prefer, ca_cert_path: ca.pem", "has no effect with ssl_mode 'prefer'"),
        ("type: kv_postgres, ssl_mode: disable, ca_cert_path: ca.pem", "Set ssl_mode: verify-full"),
        (
            "type: kv_postgres, connection_string: 'postgresql://h/d?sslmode=allow', ca_cert_path: ca.pem",
            "has no effect with ssl_mode 'allow'",
        ),
        (
            "type: kv_postgres, connection_string: 'postgresql://h/d?sslmode=require', ssl_mode: disable",
            "ssl_mode and sslmode in connection_string say the same thing",
        ),
        ("type: kv_redis, tls: false, ca_cert_path: ca.pem", "has no effect without TLS. Set tls: true"),
        ("type: kv_redis, ca_cert_path: ca.pem", "has no effect without TLS. Set tls: true"),
        ("type: kv_redis, url: 'redis://h', ca_cert_path: ca.pem", "Begin url with rediss://"),
        ("type: kv_redis, url: 'redis://h/cache'", "the number of a database, such as /0"),
        ("type: kv_mongodb, url: 'mongodb://h/mine', db: other", "so db would be ignored"),
    ],
)
def test_a_setting_that_would_have_no_effect_is_a_complaint(settings: str, words: str) -> None:
    (found,) = complaints(with_backend(settings))
    assert found.startswith("run.yaml:6:")
    assert words in found


@pytest.mark.parametrize(
    "settings",
    [
        "type: sql_sqlite, db_path: /nowhere/b.db",
        "type: kv_postgres, ca_cert_path: ca.pem",
        "type: kv_postgres, ssl_mode: require, ca_cert_path: ca.pem",
        "type: kv_postgres, connection_string: 'postgres://h,other:5/d?sslmode=verify-ca', ca_cert_path: ca.pem",
        "type: kv_redis, tls: true, ca_cert_path: ca.pem",
        "type: kv_redis, url: 'rediss://h', ca_cert_path: ca.pem",
        "type: kv_redis, url: 'unix:///run/redis.sock?db=2'",
        "type: kv_mongodb, url: 'mongodb+srv://h', db: other",
    ],
)
def test_a_setting_that_has_one_is_none(settings: str) -> None:
    assert complaints(with_backend(settings)) == []


@pytest.mark.parametrize(
    "password", ["hunter2/secret", "hunter2?secret", "hunter2#secret", "1234/hunter2", "1?hunter2"]
)
@pytest.mark.parametrize(
    ("settings", "form"),
    [
        ("type: kv_redis, url: 'redis://user:{}@host:1/0'", "redis://host:port/0"),
        ("type: kv_mongodb, url: 'mongodb://user:{}@host:1/d'", "mongodb://host:port/db"),
        (
            "type: kv_postgres, connection_string: 'postgresql://user:{}@host:1/d'",
            "postgresql://host:port/db",
        ),
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_refused_without_showing_it(
    settings: str, form: str, password: str
) -> None:
    (found,) = complaints(with_backend(settings.replace("{}", password)))
    assert f"is not of the form {form}" in found
    assert "%2F" in found
    assert "hunter2" not in found


LIMITS = {
    "pool_timeout": ("2", "5"),
    "command_timeout": ("2", "5.5"),
    "pool_size": ("2", "5"),
    "pool_recycle": ("-1", "60"),
}


@pytest.mark.parametrize("key", LIMITS)
def test_backends_of_one_database_agree_about_its_use(key: str) -> None:
    ours, theirs = LIMITS[key]
    text = with_backend(f"type: kv_postgres, host: db, {key}: {ours}")
    text += f"    c: {{type: sql_postgres, host: DB, port: 5432, {key}: {theirs}}}\n"
    (found,) = complaints(text)
    column = text.splitlines()[6].index(f"{key}: ") + len(f"{key}: ") + 1
    assert found == (
        f"run.yaml:7:{column}  storage.backends.c.{key}\n"
        f"    This backend shares its database with 'b', but {key} differs: {ours} and {theirs}. "
        "Give both the same, or only one of them any."
    )
    run = read(text.replace(f", {key}: {ours}", ""))
    (names,) = [names for names in groups(run.storage.backends) if len(names) == 2]
    assert getattr(merged([run.storage.backends[name] for name in names]), key) == float(theirs)


def test_two_backends_on_one_file_agree_about_it() -> None:
    text = with_backend("type: kv_sqlite, db_path: /nowhere/../nowhere/kv.db, command_timeout: 3")
    assert complaints(text) == []
    assert "shares its database with 'kv_default'" in "".join(
        complaints(text.replace("nowhere/kv.db}", "nowhere/kv.db, command_timeout: 4}"))
    )


ONE_DATABASE: list[list[dict[str, Any]]] = [
    [
        {"type": "kv_redis", "url": "redis://me:p%40ss@Cache/2"},
        {"type": "kv_redis", "url": "redis://me:p%40ss@cache:6379?db=2", "namespace": "n"},
        {"type": "kv_redis", "host": "cache", "db": 2, "username": "me", "password": "p@ss"},
    ],
    [
        {"type": "kv_redis", "url": "rediss://cache"},
        {"type": "kv_redis", "host": "cache", "tls": True},
    ],
    [
        {"type": "kv_mongodb", "url": "mongodb://me:x@docs/mine?authSource=admin", "collection_name": "a"},
        {"type": "kv_mongodb", "host": "docs", "db": "mine", "user": "me", "password": "x", "collection_name": "b"},
    ],
    [
        {"type": "kv_mongodb", "url": "mongodb://docs"},
        {"type": "kv_mongodb", "host": "docs", "collection_name": "b"},
    ],
    [
        {"type": "sql_postgres", "connection_string": "postgres://me:x@db/mine?sslmode=require"},
        {"type": "kv_postgres", "host": "db", "db": "mine", "user": "me", "password": "x", "ssl_mode": "require"},
    ],
]


@pytest.mark.parametrize("spellings", ONE_DATABASE)
def test_every_spelling_of_a_database_is_the_same(spellings: list[dict[str, Any]]) -> None:
    assert len({identity(backend(**spelling)) for spelling in spellings}) == 1


def test_other_databases_other_users_and_other_ways_there_are_not() -> None:
    others: list[dict[str, Any]] = [
        {"type": "kv_redis", "url": "rediss://me:p%40ss@cache/2"},
        {"type": "kv_redis", "host": "cache", "db": 3, "username": "me", "password": "p@ss"},
        {"type": "kv_redis", "url": "unix:///run/a.sock"},
        {"type": "kv_redis", "url": "unix:///run/b.sock"},
        {"type": "kv_mongodb", "url": "mongodb://me:x@docs/mine"},
        {"type": "kv_mongodb", "host": "docs", "db": "other"},
        {"type": "kv_mongodb", "host": "docs", "port": 1},
        {"type": "sql_postgres", "host": "db", "db": "mine", "user": "me", "password": "x"},
        {"type": "sql_postgres", "host": "db", "db": "mine", "user": "you", "password": "x", "ssl_mode": "require"},
    ]
    every = [one for spellings in ONE_DATABASE for one in spellings]
    found = {identity(backend(**one)) for one in [*every, *others]}
    assert len(found) == len(ONE_DATABASE) + len(others)


@pytest.mark.parametrize("name", ["a/b", "*", "", "a b", "x" * 65, "a\n"])
def test_a_tenant_is_a_plain_name(name: str) -> None:
    text = minimal(f"server: {{auth: {{mode: api_keys, api_keys: [{{name: a, key: b, tenant: {name!r}}}]}}}}")
    (found,) = complaints(text.replace(r"'a\n'", '"a\\n"'))
    assert "A tenant's name has 1 to 64 characters" in found


def test_a_tenant_may_be_a_mail_address() -> None:
    auth = "{mode: api_keys, api_keys: [{name: a, key: b, tenant: me_2.x-y@team.example}]}"
    assert complaints(minimal(f"server: {{auth: {auth}}}")) == []
