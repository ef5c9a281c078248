"""Run files that are right, and what they come out as."""

from pathlib import Path

import pytest

from stackwright.config.server import Auth, exposure
from stackwright.config.storage import PostgresBackend, SqliteBackend
from tests.config.files import AFTER, POSTGRES, STORAGE, ChromaConfig, DeepConfig, OpenAIConfig, minimal, read


def test_the_block_of_the_design_loads_as_it_stands() -> None:
    run = read(AFTER, **POSTGRES)
    assert run.image_name == "foo"
    assert [run.serves(api) for api in ("inference", "files", "prompts")] == [True, True, False]
    (chroma,) = run.providers["vector_io"]
    assert isinstance(chroma.config, ChromaConfig)
    assert chroma.config.url == "http://localhost:8000"
    assert chroma.config.persistence.namespace == "vector_io::chroma_remote"
    postgres = run.storage.backends["sql_default"]
    assert isinstance(postgres, PostgresBackend)
    assert (postgres.host, postgres.port, postgres.user) == ("db.internal", 5433, "bar")
    assert postgres.password is not None
    assert postgres.password.reveal() == "123456"
    assert run.storage.stores.inference.num_writers == 4


def test_the_smallest_run_file_gets_every_default() -> None:
    run = read(minimal())
    assert run.image_name == "stackwright"
    assert run.serves("batches")
    assert (run.server.host, run.server.port, run.server.workers) == ("127.0.0.1", 8321, 1)
    assert run.server.max_body_bytes == 10 * 1024 * 1024
    assert run.storage.stores.metadata.backend == "kv_default"
    assert run.storage.stores.prompts.backend == "sql_default"


def test_a_lone_backend_of_another_name_takes_the_stores_that_name_none() -> None:
    run = read(minimal().replace("kv_default", "cache").replace("sql_default", "rows"))
    assert run.storage.stores.metadata.backend == "cache"
    assert run.storage.stores.responses.backend == "rows"


def test_the_older_names_of_things_still_work() -> None:
    older = (
        "version: '2'\ndistro_name: foo\nmodels:\n- {model_id: m, provider_id: a}\n"
        "providers: {inference: [{provider_id: a, provider_type: remote::openai}]}\n" + STORAGE
    )
    run = read(older)
    assert run.image_name == "foo"
    assert [model.model_id for model in run.registered_models] == ["m"]


@pytest.mark.parametrize("literal", ["123456", "true", "0123", "1e3", "2024-01-01", "1_000", '"x"', "~x"])
def test_a_literal_stays_the_text_it_is_where_a_string_is_wanted(literal: str) -> None:
    text = minimal().replace("/nowhere/kv.db", literal)
    text += (
        f"providers: {{inference: [{{provider_id: a, provider_type: remote::openai, config: {{api_key: {literal}}}}}]}}"
    )
    run = read(text)
    backend = run.storage.backends["kv_default"]
    config = run.providers["inference"][0].config
    assert isinstance(backend, SqliteBackend)
    assert isinstance(config, OpenAIConfig)
    assert config.api_key is not None
    assert backend.db_path == config.api_key.reveal() == literal.strip('"')


@pytest.mark.parametrize("value", ["123456", "true", "0123", "null", "", " x "])
def test_a_variable_stays_the_text_it_is_where_a_string_is_wanted(value: str) -> None:
    run = read(minimal().replace("/nowhere/kv.db", '"p${env.X:=}"'), X=value)
    backend = run.storage.backends["kv_default"]
    assert isinstance(backend, SqliteBackend)
    assert backend.db_path == f"p{value}"


def test_a_variable_becomes_what_the_schema_wants_elsewhere() -> None:
    server = "server: {port: '${env.PORT}', grace_seconds: '${env.GRACE}', auth: {i_understand: '${env.SURE}'}}"
    run = read(minimal(server), PORT="80", GRACE="1.5", SURE="true")
    assert (run.server.port, run.server.grace_seconds, run.server.auth.i_understand) == (80, 1.5, True)


def test_metadata_keeps_its_kinds() -> None:
    models = (
        "registered_resources: {models: [{model_id: m, provider_id: a, metadata: {d: 256, x: true, s: abc, f: .5}}]}\n"
    )
    run = read(minimal(models + "providers: {inference: [{provider_id: a, provider_type: remote::openai}]}"))
    assert run.registered_models[0].metadata == {"d": 256, "x": True, "s": "abc", "f": 0.5}


def test_an_empty_substitution_is_none_where_none_is_allowed() -> None:
    entry = "{provider_id: a, provider_type: remote::openai, config: {api_key: '${env.KEY:=}'}}"
    run = read(minimal(f"providers: {{inference: [{entry}]}}"))
    assert run.providers["inference"][0].config == OpenAIConfig()


def test_a_key_without_a_value_is_a_key_left_out() -> None:
    assert read(minimal("server:\nproviders:\nregistered_resources: {models: }\n")) == read(minimal())


def test_a_provider_that_is_switched_off_is_not_read() -> None:
    text = minimal(
        "providers:\n  inference:\n"
        "  - {provider_id: '${env.OFF:+openai}', provider_type: no::such, config: {a: '${env.MISSING}', b: 1}}\n"
        "  - {provider_id: on, provider_type: remote::openai, config: {base_url: '${env.URL}'}}\n"
        "models:\n- {model_id: '${env.MISSING}', provider_id: '${env.OFF:+openai}'}\n"
    )
    run = read(text, URL="http://x")
    assert [entry.provider_id for entry in run.providers["inference"]] == ["on"]
    assert run.registered_models == ()


def test_references_are_found_at_any_depth() -> None:
    config = "{inner: {x: {kv: {backend: kv_default, namespace: a}, sql: [{backend: sql_default, table_name: t}]}}}"
    run = read(
        minimal(f"providers: {{vector_io: [{{provider_id: d, provider_type: inline::deep, config: {config}}}]}}")
    )
    deep = run.providers["vector_io"][0].config
    assert isinstance(deep, DeepConfig)
    assert deep.inner["x"].sql[0].table_name == "t"
    assert deep.metadata_store.backend == "kv_default"


def test_aliases_of_yaml_work() -> None:
    text = minimal().replace("{type: kv_sqlite, db_path", "{type: kv_sqlite, pool_timeout: &n 7, db_path")
    run = read(text + "server: {workers: *n}")
    assert run.server.workers == 7


def test_checking_makes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read(minimal().replace("/nowhere", str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_beyond_loopback_somebody_must_guard_the_door() -> None:
    open_ = Auth()
    assert exposure("0.0.0.0", open_) is not None
    assert exposure("example.org", open_) is not None
    assert exposure("127.evil.example", open_) is not None
    assert exposure("::", open_) is not None
    assert [exposure(host, open_) for host in ("127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost")] == [None] * 5
    assert exposure("0.0.0.0", Auth(i_understand=True)) is None
