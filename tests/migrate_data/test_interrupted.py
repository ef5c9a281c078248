"""Killed at any moment and started again, it ends as if it had never been killed."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.cli.command import run
from tests.migrate_data.carrying import carry, killed
from tests.migrate_data.llama_stack import Place, asked, completion, response, said
from tests.migrate_data.releases import Old
from tests.servers import PostgresServer

ROWS = 3_000
KILLS = 4
TABLES = {
    "inference_store": "seq, tenant, id, created, model, incomplete, metadata, messages, body",
    "openai_conversations": "seq, tenant, id, created, metadata, next_position",
    "openai_conversations_items": "conversation, position, id, body",
    "responses": "seq, tenant, id, created, status, model, previous_id, conversation, prompt_hash, body",
    "responses_items": "tenant, response_id, place, item_id, output, body",
}
NEW = """
version: 2
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "{folder}/new-kv.db"}
    sql_default: {type: sql_sqlite, db_path: "{folder}/new.db"}
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Old:
    folder = tmp_path_factory.mktemp("old")
    place = Place(folder / "sql_store.db")
    place.add("0.3.5", "inference_store", [completion(number) for number in range(ROWS)])
    rows = [response(f"resp_{n}", n, [asked(f"{n}")], [said("Yes.", f"msg_{n}")]) for n in range(ROWS // 4)]
    place.add("0.3.5", "openai_responses", rows)
    talks = [{"id": f"conv_{n}", "created_at": n, "items": [], "metadata": {}} for n in range(ROWS // 4)]
    place.add("0.3.5", "openai_conversations", talks)
    items = [
        {"id": f"msg_{n}", "conversation_id": f"conv_{n % len(talks)}", "created_at": n, "item_data": asked(f"{n}")}
        for n in range(ROWS // 2)
    ]
    place.add("0.3.5", "conversation_items", items)
    path = folder / "old.yaml"
    path.write_text(f"inference_store: {{type: sqlite, db_path: {folder}/sql_store.db}}\n")
    return Old(path, {})


def _new(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "new.yaml"
    path.write_text(NEW.replace("{folder}", str(folder)))
    return path


def _contents(new: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(new.with_name("new.db"))) as opened:
        return {
            table: opened.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3").fetchall()
            for table, columns in TABLES.items()
        }


def _rows(new: Path) -> int:
    database = new.with_name("new.db")
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database)) as opened:
        made = {name for (name,) in opened.execute("SELECT name FROM sqlite_master")}
        tables = made & {"inference_store", "openai_conversations", "responses"}
        return sum(opened.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables)


def _more_than(rows: int, new: Path) -> bool:
    return _rows(new) > rows


def test_it_ends_as_one_that_was_not_killed(old: Old, tmp_path: Path) -> None:
    straight, broken = _new(tmp_path / "straight"), _new(tmp_path / "broken")
    assert carry(old, straight).status == 0
    total = _rows(straight)
    assert total == ROWS + ROWS // 4 * 2
    for kill in range(KILLS):
        killed(old, broken, partial(_more_than, total * kill // KILLS, broken))

    again = carry(old, broken)
    assert again.status == 0
    assert all(new + present for new, present, _, _ in again.counts().values())
    assert sum(new for new, *_ in again.counts().values()) > 0
    assert sum(present for _, present, *_ in again.counts().values()) > 0
    assert _contents(broken) == _contents(straight)

    third = carry(old, broken)
    assert {new for new, *_ in third.counts().values()} == {0}
    assert _contents(broken) == _contents(straight)


def test_tables_that_were_set_aside_are_found_again(tmp_path: Path, postgres_server: PostgresServer) -> None:
    database = postgres_server.create_database()
    Place((postgres_server, database)).add("0.3.5", "inference_store", [completion(n) for n in range(10)])
    where = f'connection_string: "{postgres_server.url(database)}"'
    path, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    path.write_text(f"inference_store: {{type: postgres, {where}}}\n")
    new.write_text(
        "{version: 2, storage: {backends: {kv_default: {type: kv_sqlite, db_path: kv.db}, "
        f"sql_default: {{type: sql_postgres, {where}}}}}}}}}\n"
    )
    old = Old(path, {})
    refused = run(tmp_path, "migrate", "data", "--from", path, "--to", new)
    assert refused.returncode == 1
    assert "sql_default: inference_store, to be renamed inference_store_llama_stack" in refused.stderr
    assert "--set-aside" in refused.stderr
    assert postgres_server.sql("SELECT COUNT(*) FROM inference_store", db=database) == "10"

    # As if it had been killed between the renaming and the first row.
    postgres_server.sql("ALTER TABLE inference_store RENAME TO inference_store_llama_stack", db=database)
    assert carry(old, new).counts() == {"chat completions": (10, 0, 0, 0)}
    assert carry(old, new).counts() == {"chat completions": (0, 10, 0, 0)}
