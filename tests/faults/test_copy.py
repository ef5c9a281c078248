"""A copy that is killed, again and again, ends equal all the same."""

import json
import random
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.cli.command import run
from tests.servers import PostgresServer

ROWS = 12_000
KILLS = 4
RUN_FILE = """\
version: 2
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: ~/kv.db}
    sql_default: {type: sql_sqlite, db_path: ~/sql.db}
    sql_other: %s
  stores:
    inference: {backend: sql_default}
    conversations: {backend: sql_default, table_name: openai_conversations}
    responses: {backend: sql_default, table_name: responses}
    prompts: {backend: sql_default, table_name: prompts}
"""
FILL = f"""WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})
    INSERT INTO inference_store (tenant, id, created, model, metadata, messages, body)
    SELECT 'é', 'chatcmpl-' || n, n, 'm', '{{}}', randomblob(n % 700), randomblob(300) FROM n"""
ITEMS = f"""WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})
    INSERT INTO responses_items (tenant, response_id, place, item_id, output, body)
    SELECT char(945 + n % 7), 'resp_' || n % 1000, n, 'msg_' || n, n % 2, randomblob(200) FROM n"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_copy_killed_anywhere_ends_equal(
    tmp_path: Path, kind: str, postgres_server: PostgresServer, postgres_db: str
) -> None:
    other = "{type: sql_sqlite, db_path: ~/other.db}"
    if kind == "postgres":
        other = f'{{type: sql_postgres, connection_string: "{postgres_server.url(postgres_db)}"}}'
    (tmp_path / "run.yaml").write_text(RUN_FILE % other)
    assert run(tmp_path, "db", "upgrade", "run.yaml").returncode == 0
    with closing(sqlite3.connect(tmp_path / "sql.db")) as connection, connection:
        connection.execute(FILL)
        connection.execute(ITEMS)
    dice = random.Random(6)
    for _ in range(KILLS):
        _copy_and_kill(tmp_path, dice.choice(["inference_store", "responses_items"]), dice.uniform(0, 0.15))
    done = run(tmp_path, "storage", "copy", "--from", "sql_default", "--to", "sql_other", "--json", "run.yaml")
    assert done.returncode == 0, done.stderr
    parts = {part["name"]: part for part in json.loads(done.stdout)["parts"]}
    assert parts["inference_store"]["rows"] == parts["responses_items"]["rows"] == ROWS
    assert parts["inference_store"]["present"] > 0


def _copy_and_kill(folder: Path, table: str, after: float) -> None:
    """Start copying and kill the process a while after it has begun a table, unless it was faster."""
    command = [sys.executable, "-m", "stackwright", "storage", "copy", "--from", "sql_default", "--to", "sql_other"]
    environ = {"PATH": "", "HOME": str(folder), "STACKWRIGHT_HOME": ""}
    process = subprocess.Popen([*command, "run.yaml"], cwd=folder, env=environ, text=True, stderr=subprocess.PIPE)
    with process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.split()[:2] == ["copying", f"{table}:"]:
                break
        with suppress(subprocess.TimeoutExpired):
            process.wait(after)
        process.kill()
