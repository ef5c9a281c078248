"""Run files that are wrong: where, what, and what would be right."""

import pytest

from stackwright.config import legacy
from stackwright.config.complaint import RunFileError
from stackwright.config.load import load
from tests.config.files import AFTER, BEFORE, POSTGRES, TYPES, complaints, minimal


def only(text: str, **environ: str) -> str:
    """Return the one complaint that a text gets."""
    (one,) = complaints(text, **environ)
    return one


def test_a_complaint_reads_as_the_style_guide_shows_it() -> None:
    assert only(
        AFTER.replace('backend: kv_default, namespace: "v', 'backend: kv_defualt, namespace: "v'), **POSTGRES
    ) == (
        "run.yaml:14:32  providers.vector_io[0].config.persistence.backend\n"
        "    'kv_defualt' is not a declared backend. Did you mean 'kv_default'? "
        "Declared: kv_default (kv_sqlite), sql_default (sql_postgres)."
    )


def test_everything_is_said_at_once_and_in_the_order_of_the_file() -> None:
    wrong = """\
version: 3
imagename: foo
apis: [inferense]
server: {port: true, hots: x, auth: {mode: nonee}}
providers:
  infernce: []
  inference:
    - {provider_id: a, provider_type: remote::opnai}
    - {provider_id: b, provider_type: remote::chromadb}
    - {provider_id: b, provider_type: remote::openai, config: {base_urll: x, timeout: abc, api_key: [1]}}
    - {provider_id: c, provider_type: remote::plain, config: {nam: x}}
  vector_io:
    - {provider_id: d, provider_type: remote::chromadb, config: {persistence: {backend: sql_default, namespace: b}}}
    - provider_id: e
      provider_type: inline::deep
      config: {inner: {x: {kv: {backend: nope, namespace: q}}}, either: {backend: sql_default, table_name: t, bogus: 1}}
models:
  - {model_id: m, provider_id: bb, model_type: lllm}
storage:
  backends:
    kv_default: {type: kv_sqllite, db_path: x}
    sql_default: {type: sql_sqlite, db_path: "${env.HERE}", pool_timeout: 0}
  stores:
    inference: {backend: sql_default, table_name: prompts}
    prompts: {backend: sql_default, table_name: PROMPTS}
    convs: {}
"""
    paths = [complaint.splitlines()[0].split("  ")[1] for complaint in complaints(wrong)]
    assert paths == [
        "version",
        "imagename",
        "apis[0]",
        "server.port",
        "server.hots",
        "server.auth.mode",
        "providers.infernce",
        "providers.inference[0].provider_type",
        "providers.inference[1].provider_type",
        "providers.inference[2].provider_id",
        "providers.inference[2].config.base_urll",
        "providers.inference[2].config.timeout",
        "providers.inference[2].config.api_key",
        "providers.inference[3].config.nam",
        "providers.vector_io[0].config.url",
        "providers.vector_io[0].config.persistence.backend",
        "providers.vector_io[1].config.inner.x.kv.backend",
        "providers.vector_io[1].config.either.bogus",
        "models[0].provider_id",
        "models[0].model_type",
        "storage.backends.kv_default.type",
        "storage.backends.sql_default.db_path",
        "storage.backends.sql_default.pool_timeout",
        "storage.stores.prompts.table_name",
        "storage.stores.convs",
    ]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("storage: {}", "1:1", "'version' is missing"),
        ("version: 2", "1:1", "'storage' is missing. Where state is kept: add `storage: {backends:"),
        ("version: 2\nstorage: {backends: {}}", "2:11", "must not be empty"),
        (minimal("servr: {}"), "6:1", "'servr' is not a key here. Did you mean 'server'?"),
        (minimal("server: {port: 0x10000}"), "6:16", "'0x10000' is not right: it must be at most 65535."),
        (minimal("server: {host: 0.0.0.0}"), "6:16", "0.0.0.0 is reachable from other machines"),
        (
            minimal("server: {host: '127.0.0.1:80'}"),
            "6:16",
            "server.host (--host) be 127.0.0.1, server.port (--port) 80.",
        ),
        (minimal("server: {host: '[::1]:80'}"), "6:16", "server.host (--host) be [::1], server.port"),
        (minimal("server: {grace_seconds: .inf}"), "6:25", "must be a finite number"),
        (minimal("server: [1]"), "6:1", "must be a mapping"),
        (minimal("apis: inference"), "6:7", "must be a list"),
        (minimal("server: {auth: {mode: api_keys}}"), "6:10", "no key is given"),
        (minimal("server: {auth: {api_keys: [{name: a, key: b}]}}"), "6:10", "Set mode: api_keys"),
        (minimal("server: {auth: {mode: api_keys, api_keys: [{name: a, key: ''}]}}"), "6:44", "The key is empty"),
        (minimal("server: {max_body_bytes: 600000000}"), "6:1", "max_body_bytes_at_once (536870912)"),
        (minimal("responses: {max_file_bytes: 300000000}"), "6:1", "max_file_bytes_at_once (268435456)"),
        (minimal("providers: {inference: [{provider_type: remote::openai}]}"), "6:25", "'provider_id' is missing"),
        (minimal("providers: {inference: [{provider_id: a/b, provider_type: remote::openai}]}"), "6:39", "must match"),
        (minimal("version: 2"), "6:1", "'version' is given twice; the first is in line 1."),
        (minimal("server: {port: !!binary abc}"), "6:16", "YAML tags"),
        (minimal("<<: {server: {}}"), "6:1", "Merge keys"),
        (minimal("? [a]\n: b"), "6:3", "A key must be a name"),
        (minimal("server:\n\tport: 1"), "7:1", "Not YAML: a tab. Indent with spaces."),
        (minimal("server: {port: 1"), "6:17", "Not YAML: expected ',' or '}', but got '<stream end>'."),
        (minimal("server: {host: ${env.X}}"), "6:17", "put quotes around a value with ${...}"),
        (minimal("---\nversion: 2"), "6:1", "A second document begins here"),
        (minimal("server: &a {auth: *a}"), "6:", "contain themselves"),
        (minimal("server: " + "[" * 60), "6:", "Nested deeper than 48 levels."),
        (minimal().replace("/nowhere/sql", "$HOME/sql"), "5:", "knows $HOME: write ${env.HOME} in its place."),
        ("", "1:1", "The file is empty"),
        ("# only a comment", "1:1", "The file is empty"),
        ("- a", "1:1", "A run file is a mapping"),
        ("a: 1\nb: \x07", "2:4", "control character"),
        (minimal().replace("kv_sqlite, ", "kv_sqlite, namspace: x, "), "4:35", "Did you mean 'namespace'?"),
        (minimal().replace("sql_sqlite, ", "sql_sqlite, namespace: x, "), "5:5", "are for KV backends"),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, place: str, words: str) -> None:
    found = complaints(text)
    assert any(complaint.startswith(f"run.yaml:{place}") and words in complaint for complaint in found), found
    assert len(found) == 1 or text in ("storage: {}",)


def test_aliases_cannot_multiply_for_ever() -> None:
    bomb = "\n".join(
        [f"a0: &a0 [{', '.join(['x'] * 9)}]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9))]
    )
    assert "too large" in only(bomb)


def test_a_missing_variable_is_named_once_for_each_place() -> None:
    found = complaints(AFTER, **{**POSTGRES, "POSTGRES_HOST": "", "POSTGRES_PASSWORD": ""})
    assert [complaint.split("  ")[1].splitlines()[0] for complaint in found] == [
        "storage.backends.sql_default.host",
        "storage.backends.sql_default.password",
    ]
    assert "The variable POSTGRES_HOST is not set. Set it, or give a default: ${env.POSTGRES_HOST:=...}." in found[0]


def test_a_store_with_nowhere_to_go_says_so() -> None:
    text = minimal().replace("    kv_default: {type: kv_sqlite, db_path: /nowhere/kv.db}\n", "")
    assert only(text).endswith("no KV backend is declared. Add 'kv_default' to storage.backends.")
    several = minimal().replace(
        "kv_default: {type: kv_sqlite, db_path: /nowhere/kv.db}", "a: &a {type: kv_redis}\n    b: *a"
    )
    assert only(several).endswith("several KV backends. Name one: a, b.")


def test_a_reference_to_the_wrong_family_names_those_of_the_right_one() -> None:
    text = minimal("  stores: {metadata: {backend: sql_default, namespace: x}}")
    assert only(text).endswith(
        "'sql_default' is a backend of type sql_sqlite; a KV backend is needed here. Declared KV backends: kv_default."
    )


def test_two_stores_on_one_table_are_found_across_backends_of_one_database() -> None:
    text = minimal().replace(
        "    kv_default", "    twin: {type: sql_sqlite, db_path: /nowhere/../nowhere/sql.db}\n    kv_default"
    )
    text += "  stores: {prompts: {backend: twin, table_name: Responses}}"
    assert only(text).endswith("taken by storage.stores.prompts (line 7). Give each its own table_name.")


def test_a_provider_on_the_namespace_of_a_store_is_found() -> None:
    config = "{url: x, persistence: {backend: kv_default, namespace: registry}}"
    text = minimal(f"providers: {{vector_io: [{{provider_id: c, provider_type: remote::chromadb, config: {config}}}]}}")
    assert "This namespace of this backend is taken by" in only(text)


def test_a_default_reference_is_checked_like_a_written_one() -> None:
    text = minimal("providers: {vector_io: [{provider_id: d, provider_type: inline::deep}]}")
    assert complaints(text) == []
    several = text.replace(
        "kv_default: {type: kv_sqlite, db_path: /nowhere/kv.db}", "a: {type: kv_redis}\n    b: {type: kv_redis, db: 1}"
    )
    several += "\n".join(["", "server: {}"])
    assert "providers.vector_io[0].config.metadata_store" in "".join(complaints(several))


def test_a_model_of_a_provider_that_is_switched_off_needs_the_same_condition() -> None:
    text = minimal(
        "providers: {inference: [{provider_id: '${env.OFF:+gpt}', provider_type: remote::openai}]}\n"
        "models: [{model_id: m, provider_id: gpt}]"
    )
    assert "'gpt' is not a provider of inference. Known: none. A provider may be switched off" in only(text)


def test_a_misspelt_type_of_a_provider_that_is_switched_off_is_found() -> None:
    text = minimal("providers: {inference: [{provider_id: '${env.OFF:+gpt}', provider_type: 'remote::opnai'}]}")
    assert "'remote::opnai' is not a provider type. Did you mean 'remote::openai'?" in only(text)
    assert complaints(text.replace("opnai'", "openai', config: {api_key: '${env.NOBODY_HAS_THIS}'}")) == []
    assert complaints(text.replace("remote::opnai", "remote::of-another-package")) == []
    assert complaints(text.replace("remote::opnai", "${env.NOBODY_HAS_THIS}")) == []


def test_an_address_is_given_one_way() -> None:
    text = minimal().replace(
        "type: sql_sqlite, db_path: /nowhere/sql.db", "type: sql_postgres, connection_string: x, port: 1"
    )
    assert only(text).endswith(
        "connection_string is the whole address, so port would be ignored. Give one or the other."
    )


@pytest.mark.parametrize("missing", ["${file:/run/secrets/none}", "${env.NOT_SET}"])
def test_what_could_not_be_substituted_is_complained_about_once(missing: str) -> None:
    text = minimal().replace(
        "type: sql_sqlite, db_path: /nowhere/sql.db", f'type: sql_postgres, connection_string: "{missing}"'
    )
    assert "${file:...} names does not exist" in only(text) or "NOT_SET is not set" in only(text)


def test_the_old_layout_gets_one_complaint_for_each_place() -> None:
    places = {
        "9:9": "providers.vector_io[0].config.kvstore",
        "12:1": "metadata_store",
        "15:1": "inference_store",
        "22:1": "conversations_store",
    }
    expected = [f"run.yaml:{where}  {path}\n    {legacy.WORDS}" for where, path in places.items()]
    assert complaints(BEFORE, **POSTGRES) == expected


def test_variables_of_the_old_layout_are_not_asked_for() -> None:
    assert len(complaints(BEFORE, CHROMADB_URL="x")) == 4


def test_a_file_that_cannot_be_read_is_a_complaint(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "bad.yaml").write_bytes(b"version: 2\nimage_name: \xff\n")
    for name, words in (
        ("none.yaml", "1:1\n    Cannot be read"),
        ("bad.yaml", "2:13\n    Not UTF-8."),
        (".", "Cannot be read"),
    ):
        with pytest.raises(RunFileError, match=words):
            load(folder / name, environ={}, types=TYPES)
