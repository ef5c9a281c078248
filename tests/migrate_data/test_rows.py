"""Rows that are in doubt: nothing is skipped silently, nothing is written over."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import run
from tests.migrate_data.carrying import Carried, carry, command
from tests.migrate_data.llama_stack import Place, asked, completion, model, prompt_keys, response, said
from tests.migrate_data.releases import PROMPT, RELEASES, Old
from tests.servers import PostgresServer

NEW = """
version: 2
providers: {inference: [{provider_id: openai, provider_type: "inline::scripted"}]}
registered_resources: {models: [{model_id: declared, provider_id: openai}]}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: new-kv.db}
    sql_default: {type: sql_sqlite, db_path: new.db}
"""


class Ground:
    """A folder with an old file that names one SQLite file, and a new file beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = Place(folder / "old.db")
        self.old = Old(folder / "old.yaml", {})
        self.old.path.write_text(f"metadata_store: {{type: sqlite, db_path: {folder}/old.db}}\n")
        self.new = folder / "new.yaml"
        self.new.write_text(NEW)

    def carry(self, *options: str) -> Carried:
        return carry(self.old, self.new, *options)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "new.db")) as opened:
            return opened.execute(sql).fetchall()

    def reasons(self, carried: Carried, what: str, key: str = "not_carried") -> dict[str, str]:
        (one,) = [one for one in carried.report["carried"] if one["what"] == what]
        return {row["id"]: row["why"] for row in one[key]}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_a_row_that_differs_is_told_and_left_alone(ground: Ground) -> None:
    ground.place.add("0.3.5", "inference_store", [completion(1), completion(2)])
    assert ground.carry().status == 0
    ground.place.run("UPDATE inference_store SET model = 'another' WHERE id = 'chatcmpl-000002'")
    again = ground.carry()
    assert (again.status, again.counts()["chat completions"]) == (1, (0, 1, 1, 0))
    assert ground.reasons(again, "chat completions", "conflicts") == {"chatcmpl-000002": "another content has this id"}
    assert ground.rows("SELECT model FROM inference_store ORDER BY id") == [("mine",), ("mine",)]


def test_rows_that_cannot_be_ours_are_listed_with_their_reason(ground: Ground) -> None:
    ground.place.add(
        "0.3.5",
        "inference_store",
        [
            completion(1),
            completion(2, choices="{broken"),
            completion(3, choices="null"),
            completion(4, created=None),
            completion(5, input_messages=[1]),
            completion(6, choices='[{"index": 0, "message": {"content": "x"}, "logprobs": NaN}]'),
        ],
    )
    ground.place.add(
        "0.3.5",
        "openai_responses",
        [
            response("resp_a", 1, [asked("x")], [said("y", "msg_a")], status="in_progress"),
            response("resp_b", 2, [asked("x")], [{"type": "telepathy", "id": "t"}]),
            response("resp_c", 3, [asked("x"), said("y", "msg_a"), asked("z")], [], previous_response_id="resp_a"),
        ],
    )
    carried = ground.carry()
    assert carried.status == 1
    assert carried.counts() == {"chat completions": (2, 0, 0, 4), "responses": (1, 0, 0, 2)}
    assert ground.reasons(carried, "chat completions") == {
        "chatcmpl-000002": "its choices is not JSON",
        "chatcmpl-000003": "its choices is no list of objects",
        "chatcmpl-000004": "its created is empty",
        "chatcmpl-000005": "its input_messages is no list of objects",
    }
    reasons = ground.reasons(carried, "responses")
    assert reasons["resp_a"] == "it was still in_progress"
    assert reasons["resp_b"].startswith("item[0]: Invalid value: 'telepathy'")
    # What came before the third is in it, since it is nowhere else.
    assert ground.rows("SELECT previous_id FROM responses") == [(None,)]
    assert ground.rows("SELECT COUNT(*) FROM responses_items") == [(3,)]
    assert json.loads(ground.rows("SELECT body FROM responses")[0][0])["previous_response_id"] == "resp_a"


def test_a_text_that_is_not_utf_8_is_a_reason_to_leave_its_row(ground: Ground) -> None:
    ground.place.add("0.3.5", "inference_store", [completion(number) for number in range(1, 250)])
    ground.place.add("0.3.5", "openai_responses", [response(f"resp_{n}", n, [asked("x")], []) for n in range(1, 5)])
    talks = [{"id": f"conv_{n}", "created_at": n, "items": [], "metadata": {}} for n in range(1, 5)]
    ground.place.add("0.3.5", "openai_conversations", talks)
    items = [
        {"id": f"msg_{n}", "conversation_id": f"conv_{n}", "created_at": n, "item_data": asked("one", f"msg_{n}")}
        for n in range(1, 5)
    ]
    ground.place.add("0.3.5", "conversation_items", items)
    ground.place.set(prompt_keys(PROMPT, ["Hello"], 1))
    bad = "CAST(x'61ff62' AS TEXT)"
    ground.place.run(
        f"UPDATE inference_store SET model = {bad} WHERE id = 'chatcmpl-000120';"
        f"UPDATE inference_store SET choices = {bad} WHERE id = 'chatcmpl-000249';"
        f"UPDATE inference_store SET id = {bad} WHERE id = 'chatcmpl-000007';"
        f"UPDATE openai_responses SET response_object = {bad} WHERE id = 'resp_2';"
        f"UPDATE openai_responses SET id = {bad} WHERE id = 'resp_3';"
        f"UPDATE openai_conversations SET id = {bad} WHERE id = 'conv_1';"
        f"UPDATE openai_conversations SET metadata = {bad} WHERE id = 'conv_2';"
        f"UPDATE conversation_items SET item_data = {bad} WHERE id = 'msg_3';"
        f"UPDATE kvstore SET value = {bad} WHERE key LIKE '%:1'"
    )
    for carried in (ground.carry("--dry-run"), ground.carry()):
        assert carried.status == 1
        assert carried.counts() == {
            "chat completions": (246, 0, 0, 3),
            "conversations": (1, 0, 0, 3),
            "responses": (2, 0, 0, 2),
            "prompts": (0, 0, 0, 1),
        }
        assert ground.reasons(carried, "chat completions") == {
            "chatcmpl-000120": "its model is no text in UTF-8",
            "chatcmpl-000249": "its choices is no text in UTF-8",
            r"a\xffb": "its id is no text in UTF-8",
        }
        assert ground.reasons(carried, "responses") == {
            "resp_2": "its response_object is no text in UTF-8",
            r"a\xffb": "its id is no text in UTF-8",
        }
        assert ground.reasons(carried, "conversations") == {
            r"a\xffb": "its id is no text in UTF-8",
            "conv_2": "its metadata is no text in UTF-8",
            "conv_3": "its item msg_3 is no text in UTF-8",
        }
        assert ground.reasons(carried, "prompts") == {PROMPT: "its version 1 is no text in UTF-8"}
    ids = [name for (name,) in ground.rows("SELECT id FROM inference_store ORDER BY id")]
    assert ids == [f"chatcmpl-{number:06d}" for number in range(1, 249) if number not in (7, 120)]


def test_a_postgres_that_takes_any_bytes_for_a_text_is_read_the_same(
    ground: Ground, postgres_server: PostgresServer
) -> None:
    name = f"{postgres_server.create_database()}_ascii"
    postgres_server.sql(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    place = Place((postgres_server, name))
    place.add("0.3.5", "inference_store", [completion(1), completion(2), completion(3, model="größe")])
    place.run(r"UPDATE inference_store SET model = E'a\xffb' WHERE id = 'chatcmpl-000002'")
    place.run(r"""UPDATE inference_store SET choices = E'["\xff"]' WHERE id = 'chatcmpl-000001'""")
    where = f'{{type: postgres, connection_string: "{postgres_server.url(name)}"}}'
    ground.old.path.write_text(f"metadata_store: {where}\ninference_store: {where}\n")
    carried = ground.carry()
    assert carried.counts() == {"chat completions": (1, 0, 0, 2)}
    assert ground.reasons(carried, "chat completions") == {
        "chatcmpl-000001": "its choices is no text in UTF-8",
        "chatcmpl-000002": "its model is no text in UTF-8",
    }
    assert ground.rows("SELECT model FROM inference_store") == [("größe",)]


def test_of_several_rows_with_one_id_the_first_is_carried(ground: Ground) -> None:
    ground.place.add("0.3.5", "inference_store", [completion(1), completion(2)])
    ground.place.add("0.3.5", "openai_responses", [response("resp_a", 1, [asked("x")], [said("y", "msg_a")])])
    ground.place.add("0.3.5", "openai_conversations", [{"id": "conv_1", "created_at": 1, "items": [], "metadata": {}}])
    item = {"id": "msg_1", "conversation_id": "conv_1", "created_at": 1, "item_data": asked("one", "msg_1")}
    ground.place.add("0.3.5", "conversation_items", [item])
    for table in ("inference_store", "openai_responses", "openai_conversations"):
        ground.place.run(
            f"CREATE TABLE copied AS SELECT * FROM {table}; INSERT INTO copied SELECT * FROM {table};"
            f"DROP TABLE {table}; ALTER TABLE copied RENAME TO {table}"
        )
    ground.place.run("UPDATE inference_store SET choices = '{broken' WHERE rowid = 1")
    ground.place.run("UPDATE inference_store SET model = 'other' WHERE rowid = 4")
    second = "a row before it has this id too"
    expected = {"chat completions": (2, 0, 0, 2), "conversations": (1, 0, 0, 1), "responses": (1, 0, 0, 1)}
    for carried in (ground.carry("--dry-run"), ground.carry()):
        assert carried.counts() == expected
        assert ground.reasons(carried, "responses") == {"resp_a": second}
        assert ground.reasons(carried, "conversations") == {"conv_1": second}
        # Of the first two the earlier one is not fit, so the other one is the first.
        reasons = {"chatcmpl-000001": "its choices is not JSON", "chatcmpl-000002": second}
        assert ground.reasons(carried, "chat completions") == reasons
    assert ground.rows("SELECT model FROM inference_store") == [("mine",), ("mine",)]
    assert ground.rows("SELECT COUNT(*) FROM openai_conversations_items") == [(1,)]


def test_a_prompt_whose_version_has_no_room_for_another_is_refused(ground: Ground) -> None:
    highest = 2**31 - 1
    for name, number in (("pmpt_high", highest), ("pmpt_over", highest + 1), ("pmpt_far", "9" * 5000)):
        ground.place.set({f"prompts:v1:{name}:{number}": {"prompt": "Hello"}})
    carried = ground.carry()
    assert carried.counts() == {"prompts": (1, 0, 0, 2)}
    assert ground.reasons(carried, "prompts") == {
        "pmpt_far": f"'{'9' * 40}' is no number of a version",
        "pmpt_over": "Prompt 'pmpt_over' cannot be imported: version 2147483648 is not between 1 and 2147483647: "
        "give it another number",
    }


def test_settings_that_nothing_acts_on_any_more_are_no_reason_to_leave_a_response(ground: Ground) -> None:
    settings = {
        "text": {"format": {"type": "text", "schema": {"a.b": 1}}, "style `x` - at `$.y`": "terse"},
        "tools": [{"type": "mcp", "server_label": "s", "require_approval": {"never": {"tool_names": []}, "ask": 1}}],
        "tool_choice": {"type": "function", "name": "f", "when": "now"},
    }
    ground.place.add("0.3.5", "openai_responses", [response("resp_a", 1, [asked("x")], [], **settings)])
    assert ground.carry().counts() == {"responses": (1, 0, 0, 0)}
    kept = json.loads(ground.rows("SELECT body FROM responses")[0][0])
    assert kept["text"] == {"format": {"type": "text"}}
    assert kept["tools"][0]["require_approval"] == {"never": {"tool_names": []}}
    assert kept["tool_choice"] == {"type": "function", "name": "f"}


def test_a_response_without_what_led_to_it_is_refused(ground: Ground) -> None:
    mode = {"input_storage_mode": "incremental"}
    ground.place.add(
        "1.5.0",
        "responses",
        [
            response("resp_a", 1, [asked("x")], [said("y", "msg_a")], previous_response_id="resp_gone", **mode),
            response("resp_b", 2, [asked("x")], [said("y", "msg_b")]),
            response("resp_c", 3, [asked("z")], [], previous_response_id="resp_b", **mode),
        ],
    )
    carried = ground.carry()
    assert carried.counts() == {"responses": (2, 0, 0, 1)}
    assert ground.reasons(carried, "responses") == {
        "resp_a": "the response before it, resp_gone, cannot be carried over, and what led to it is only there"
    }
    assert ground.rows("SELECT id, previous_id FROM responses") == [("resp_b", None), ("resp_c", "resp_b")]


def test_a_conversation_that_went_on_here_is_the_one_that_was_carried(ground: Ground) -> None:
    ground.place.add("0.3.5", "openai_conversations", [{"id": "conv_1", "created_at": 1, "items": [], "metadata": {}}])
    item = {"id": "msg_1", "conversation_id": "conv_1", "created_at": 1, "item_data": asked("one", "msg_1")}
    ground.place.add("0.3.5", "conversation_items", [item])
    assert ground.carry().counts() == {"conversations": (1, 0, 0, 0)}
    with closing(sqlite3.connect(ground.folder / "new.db")) as opened:
        opened.execute(
            "INSERT INTO openai_conversations_items SELECT conversation, 1, 'msg_2', body FROM "
            "openai_conversations_items"
        )
        opened.commit()
    assert ground.carry().counts() == {"conversations": (0, 1, 0, 0)}
    ground.place.run(
        'UPDATE conversation_items SET item_data = \'{"type": "message", "role": "user", "content": "changed"}\''
    )
    again = ground.carry()
    assert (again.status, again.counts()) == (1, {"conversations": (0, 0, 1, 0)})


def _there(folder: Path) -> dict[Path, bytes]:
    """Return what is in a folder, without what SQLite makes beside a file that it reads."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {path: path.read_bytes() for path in files}


def test_a_file_that_was_rewritten_in_place_is_not_what_to_carry_from(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "version: 2\nstorage:\n  backends:\n    kv_default: {type: kv_sqlite, db_path: kv.db}\n"
        "    sql_default: {type: sql_sqlite, db_path: sql.db}\n"
    )
    (tmp_path / "run.yaml.bak").touch()
    done = run(tmp_path, "migrate", "data", "--from", "run.yaml", "--to", "run.yaml")
    assert done.stdout.startswith("There is nothing of Llama Stack's to carry over.\n")
    assert done.stderr == "run.yaml.bak is there. If it is what Llama Stack ran with, say --from run.yaml.bak.\n"


def test_a_dry_run_tells_the_same_and_writes_nothing(tmp_path: Path) -> None:
    old = RELEASES["0.3.5"](tmp_path, "http://127.0.0.1:9/v1", None)
    new = tmp_path / "new.yaml"
    new.write_text(NEW)
    before = _there(tmp_path)
    told = carry(old, new, "--dry-run")
    assert _there(tmp_path) == before
    done = carry(old, new)
    assert told.counts() == done.counts()
    for one, other in zip(told.report["carried"], done.report["carried"], strict=True):
        assert one["checksum"] == other["checksum"] == other["checksum_read_back"]
        assert one["checksum_read_back"] is None
    assert told.report["left"] == done.report["left"]
    again = carry(old, new, "--dry-run")
    assert all(new == 0 for new, *_ in again.counts().values())


def test_what_we_have_no_store_for_is_counted(tmp_path: Path) -> None:
    old = RELEASES["0.3.5"](tmp_path, "http://127.0.0.1:9/v1", None)
    new = tmp_path / "new.yaml"
    new.write_text(NEW)
    carried = carry(old, new)
    left = {(one["what"], one["rows"], one["why"]) for one in carried.report["left"]}
    assert left == {
        ("keys of 'vector_io'", 1, "no store of ours keeps such keys"),
        ("registry v9", 4, "a newer release of Llama Stack wrote its registry anew"),
        ("shield", 1, "there is no such API"),
        ("models", 1, "their provider lists them, and is asked at every start"),
        ("conversation items", 1, "their conversation was deleted"),
        ("conversation messages", 1, "a copy of what is in the items"),
    }
    (completions,) = [one for one in carried.report["carried"] if one["what"] == "chat completions"]
    assert completions["owned"] == 4


def test_tables_that_the_old_file_does_not_name_stay(ground: Ground) -> None:
    ground.place.run(
        "CREATE TABLE elsewhere (id VARCHAR, created INTEGER, model VARCHAR, choices JSON, input_messages JSON);"
        "INSERT INTO elsewhere VALUES ('a', 1, 'm', '[]', '[]'); CREATE TABLE mine (key TEXT, value TEXT);"
    )
    carried = ground.carry()
    assert carried.report["carried"] == []
    assert [(one["what"], one["rows"]) for one in carried.report["left"]] == [("chat completions 'elsewhere'", 1)]


def test_models_are_carried_for_providers_that_there_are(ground: Ground) -> None:
    prefix = "distributions:registry:v10::model:"
    models = [model("mine", "openai"), model("declared", "openai"), model("lost", "gone"), model("odd", "openai")]
    models[-1]["metadata"] = {"nested": {"a": 1}}
    ground.place.set({prefix + one["identifier"]: one for one in models})
    carried = ground.carry()
    assert carried.counts() == {"models": (1, 0, 0, 2)}
    reasons = ground.reasons(carried, "models")
    assert reasons[f"{prefix}lost"] == "the new run file has no inference provider 'gone'"
    assert "metadata" in reasons[f"{prefix}odd"]
    assert [(one["what"], one["why"]) for one in carried.report["left"]] == [
        ("models", "the new run file registers them")
    ]
    assert ground.carry().counts() == {"models": (0, 1, 0, 2)}


def test_a_prompt_that_differs_here_is_told(ground: Ground) -> None:
    ground.place.set(prompt_keys(PROMPT, ["one", "two", "three"], 2))
    assert ground.carry().counts() == {"prompts": (1, 0, 0, 0)}
    assert ground.rows("SELECT default_version, latest_version FROM prompts") == [(2, 3)]
    assert ground.rows("SELECT COUNT(*) FROM prompts_versions") == [(3,)]
    ground.place.run(f"UPDATE kvstore SET value = '1' WHERE key = 'prompts:v1:{PROMPT}:default'")
    again = ground.carry()
    assert (again.status, again.counts()) == (1, {"prompts": (0, 0, 1, 0)})
    ground.place.run(f"DELETE FROM kvstore WHERE key = 'prompts:v1:{PROMPT}:1'")
    assert ground.reasons(ground.carry(), "prompts")[PROMPT] == "its default is version 1, which is not there"


def test_a_table_may_have_any_name(ground: Ground) -> None:
    name = 'the "chat" completions-2'
    quoted = name.replace('"', '""')
    ground.old.path.write_text(f"{ground.old.path.read_text()}inference_store: {{table_name: '{name}'}}\n")
    ground.place.add("0.3.5", "inference_store", [completion(1)])
    ground.place.run(f'ALTER TABLE inference_store RENAME TO "{quoted}"')
    ground.place.run('CREATE TABLE "no-store of ours" (id, filename, purpose, bytes, created_at)')
    ground.place.run("""INSERT INTO "no-store of ours" (id) VALUES ('file_1')""")
    carried = ground.carry()
    assert carried.counts() == {"chat completions": (1, 0, 0, 0)}
    assert [one["what"] for one in carried.report["left"]] == ["files 'no-store of ours'"]


def test_rows_go_to_the_tenant_that_is_named(ground: Ground) -> None:
    ground.place.add("0.3.5", "inference_store", [completion(1)])
    ground.carry("--tenant", "shop")
    assert ground.rows("SELECT tenant, id FROM inference_store") == [("shop", "chatcmpl-000001")]


def test_what_is_still_in_the_log_of_a_live_database_is_read(ground: Ground) -> None:
    with closing(sqlite3.connect(ground.folder / "old.db")) as live:
        live.execute("PRAGMA journal_mode = WAL")
        ground.place.add("0.3.5", "inference_store", [completion(1)])
        live.execute("SELECT COUNT(*) FROM inference_store").fetchone()
        live.execute("UPDATE inference_store SET model = 'newest'")
        live.commit()
        assert (ground.folder / "old.db-wal").stat().st_size > 0
        assert ground.carry().counts() == {"chat completions": (1, 0, 0, 0)}
        live.execute("UPDATE inference_store SET created = 0")
        live.commit()
    assert ground.rows("SELECT model FROM inference_store") == [("newest",)]


def test_the_report_is_a_table_with_what_is_wrong_below(ground: Ground) -> None:
    ground.place.add("0.3.5", "inference_store", [completion(n, choices=None) for n in range(30)])
    done = command(ground.old, ground.new)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].split()[:4] == ["STORE", "ROWS", "NEW", "PRESENT"]
    assert lines[1].split()[:7] == ["chat", "completions", "30", "0", "0", "0", "30"]
    assert lines[2] == "not carried  chat completions chatcmpl-000000: its choices is empty."
    assert lines[-1] == "not carried  10 more; --json lists them."
    assert done.stderr == "chat completions: 30 rows\nreading back chat completions: 30 rows\n"


def test_an_old_file_that_makes_no_sense_is_refused_where_it_does_not(ground: Ground) -> None:
    ground.old.path.write_text(
        "metadata_store: {type: sqlite, db_path: '${env.NOWHERE}/x.db'}\n"
        "inference_store: {type: postgres, port: many}\n"
        "providers:\n"
        "  inference: [{config: {api_key: '${env.ANOTHER}'}}]\n"
        "  files: [{provider_type: 'inline::localfs', config: {storage_dir: '${env.FILES}', x: '${env.ANOTHER}'}}]\n"
    )
    done = command(ground.old, ground.new)
    assert done.returncode == 2
    assert "old.yaml:1:41  metadata_store.db_path\n    The variable NOWHERE is not set." in done.stderr
    assert "old.yaml:2:1  inference_store\n    No connection to postgres can be made of this: port" in done.stderr
    assert "old.yaml:5:68  providers.files[0].config.storage_dir\n    The variable FILES is not set." in done.stderr
    assert "ANOTHER" not in done.stderr


def test_a_file_that_is_not_there_is_told(ground: Ground) -> None:
    carried = ground.carry()
    assert (carried.status, carried.report["carried"]) == (0, [])
    assert [(one["what"], one["why"]) for one in carried.report["left"]] == [
        ("metadata_store", "the file is not there")
    ]


def test_the_file_that_llama_stack_makes_unasked_is_read(ground: Ground) -> None:
    folder = ground.folder / ".llama" / "distributions" / "shop"
    folder.mkdir(parents=True)
    Place(folder / "prompts.db").set(prompt_keys(PROMPT, ["Hello"], 1))
    ground.old.path.write_text("image_name: shop\n")
    assert ground.carry().counts() == {"prompts": (1, 0, 0, 0)}


def test_a_server_says_whose_table_is_in_its_way(ground: Ground) -> None:
    shutil.copy(ground.new, ground.folder / "run.yaml")
    Place(ground.folder / "new.db").add("0.3.5", "openai_conversations", [])
    done = run(ground.folder, "serve", "run.yaml", "--port", "0")
    assert done.returncode != 0
    assert 'table "openai_conversations" already exists, and Stackwright did not make it' in done.stderr + done.stdout
    assert "stackwright migrate data --from OLD.yaml --to NEW.yaml --set-aside" in done.stderr + done.stdout
