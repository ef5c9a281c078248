"""Old run files and what becomes of them."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stackwright.config.migrate import Migration
from stackwright.config.show import show
from tests.config.files import BEFORE
from tests.config.migrate.files import AFTER, PAIRS, load, migrated

STORAGE_ONLY = [pair for pair in PAIRS if (pair / "after-storage-only.yaml").exists()]
STORAGE = {"storage", "metadata_store", "inference_store", "conversations_store", "responses_store", "prompts_store"}


def name(pair: Path) -> str:
    return pair.name


def test_repeated_snippets_become_named_backends() -> None:
    assert migrated(BEFORE).text == AFTER


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_an_old_file_becomes_the_new_one(pair: Path) -> None:
    assert migrated((pair / "before.yaml").read_text()).text == (pair / "after.yaml").read_text()


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_the_new_file_loads(pair: Path, tmp_path: Path) -> None:
    run = load((pair / "after.yaml").read_text(), tmp_path)
    assert load(show(run).replace("********", "x"), tmp_path).storage.stores == run.storage.stores


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_a_new_file_comes_back_byte_for_byte(pair: Path) -> None:
    text = (pair / "after.yaml").read_text()
    again = migrated(text)
    assert (again.text, again.changes, again.was_old) == (text, (), False)


@pytest.mark.parametrize("pair", STORAGE_ONLY, ids=name)
def test_storage_can_be_changed_alone(pair: Path) -> None:
    before, after = (pair / "before.yaml").read_text(), (pair / "after-storage-only.yaml").read_text()
    assert migrated(before, storage_only=True).text == after
    assert not migrated(after, storage_only=True).was_old
    old, new = YAML(typ="safe").load(before), YAML(typ="safe").load(after)
    for document in (old, new):
        for section in document.get("providers", {}).values():
            for entry in section:
                entry.pop("config", None)
        document.get("server", {}).pop("quota", None)
    assert {k: v for k, v in old.items() if k not in STORAGE} == {k: v for k, v in new.items() if k not in STORAGE}


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_nothing_is_resolved_and_no_secret_is_told(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("POSTGRES_PASSWORD", "PGPASSWORD", "MONGO_PASSWORD", "POSTGRES_HOST", "VLLM_URL"):
        monkeypatch.setenv(variable, "zq9secret")
    before = (pair / "before.yaml").read_text().replace("${env.PGPASSWORD}", "zq9literal")
    result = migrated(before)
    assert "zq9secret" not in result.text
    assert ("zq9literal" in result.text) == ("zq9literal" in before)
    assert "zq9" not in "".join(map(str, result.changes))


def test_every_thing_that_was_done_is_told_by_path() -> None:
    assert [str(change) for change in migrated(BEFORE).changes] == [
        "merged   storage.backends.kv_default\n"
        "         metadata_store (~/.llama/distributions/foo/registry.db), providers.vector_io[0].config.kvstore "
        "(~/.llama/distributions/foo/chroma.db): each is a namespace in ~/.llama/distributions/foo/kvstore.db",
        "merged   storage.backends.sql_default\n"
        "         2 copies of one connection: inference_store, conversations_store",
        "moved    metadata_store\n         to storage.stores.metadata: backend kv_default, namespace registry",
        "moved    inference_store\n"
        "         to storage.stores.inference: backend sql_default, table_name inference_store",
        "moved    conversations_store\n"
        "         to storage.stores.conversations: backend sql_default, table_name openai_conversations",
        "moved    providers.vector_io[0].config.kvstore\n"
        "         to providers.vector_io[0].config.persistence: backend kv_default, namespace vector_io::chroma_remote",
    ]


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_every_key_that_is_gone_is_in_the_report(pair: Path) -> None:
    result = migrated((pair / "before.yaml").read_text())
    told = "\n".join(change.path for change in result.changes)
    gone = YAML(typ="safe").load(result.old).keys() - YAML(typ="safe").load(result.text).keys()
    assert {key for key in gone if key not in told} - {"persistence"} == set()


def test_what_somebody_must_decide_is_said() -> None:
    quota = migrated((PAIRS[10] / "before.yaml").read_text())
    assert [change.path for change in quota.changes if change.kind == "decide"] == [
        "server.quota",
        "server.auth",
        "server.tls_certfile",
        "server.tls_keyfile",
        "server.cors",
        "server.host",
    ]
    tuned = migrated((PAIRS[16] / "before.yaml").read_text())
    assert [change.path for change in tuned.changes if change.kind == "decide"] == [
        "storage.backends.kv_default.pool_size",
        "storage.backends.sql_default.pool_size",
        "storage.stores.responses.backend",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "server: {auth: {i_understand: true}, host: 0.0.0.0}\n",
        "providers: {inference: [{provider_id: a, provider_type: remote::openai, config: {api_key: '$${env.X:y}'}}]}\n",
        "storage: {backends: {kv_default: {type: kv_sqlite, db_path: x, typo: 1}}}\n",
        "version: '2'\n",
        "providers: {inference: [{provider_id: a, provider_type: remote::openai, config: {api_key: '${env.X:-y}'}}]}\n",
        "unheard_of: 1\n",
    ],
)
def test_a_mistake_in_a_new_file_is_not_for_migrating(text: str) -> None:
    assert migrated(text) == Migration(text, text)
