"""`stackwright check`: the storage catalogue, or all that is wrong with the file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from stackwright.app import inspect
from stackwright.config.load import loads
from stackwright.errors import Unavailable
from stackwright.providers.registry import TYPES
from stackwright.storage.present import present
from tests.cli.command import rows, run
from tests.servers import PostgresServer, free_port

RUN_FILE = """\
version: 2
providers:
  inference: [{{provider_id: demo, provider_type: inline::scripted, config: {{}}}}]
  vector_io:
    - provider_id: chroma
      provider_type: remote::chromadb
      config: {{url: "http://127.0.0.1:1", persistence: {{backend: kv_default, namespace: chroma}}}}
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: ~/kv.db}}
    sql_default: {{type: sql_postgres, connection_string: "{url}"}}
"""
STORES = "inference, conversations, responses, prompts, files"

WRONG = """\
version: 2
providers:
  vector_io:
    - provider_id: chroma
      provider_type: remote::chromadb
      config: {url: "http://127.0.0.1:1", persistence: {backend: kv_defualt, namespace: chroma}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: ~/kv.db}
    sql_default: {type: sql_postgres, password: "${env.NOT_SET}", prot: 1}
"""

OLD = """\
version: 2
inference_store: {type: postgres, host: db.internal, user: bar, password: old-literal-secret}
metadata_store: {type: sqlite, db_path: kv.db}
conversations_store: {type: sqlite, db_path: sql.db}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: kv.db}
    sql_default: {type: sql_sqlite, db_path: sql.db, prot: 1}
"""


def _address(server: PostgresServer, port: int, db: str) -> str:
    return f"{server.user}@{server.host}:{port}/{db}"


def test_the_catalogue_says_who_uses_which_backend_and_opens_none(
    tmp_path: Path, postgres_server: PostgresServer, postgres_db: str
) -> None:
    (tmp_path / "run.yaml").write_text(RUN_FILE.format(url=postgres_server.url(postgres_db)))
    done = run(tmp_path, "check", "run.yaml")
    assert rows(done) == [
        ["BACKEND", "TYPE", "ADDRESS", "USED BY"],
        ["kv_default", "kv_sqlite", str(tmp_path / "kv.db"), "metadata, chroma"],
        ["sql_default", "sql_postgres", _address(postgres_server, postgres_server.port, postgres_db), STORES],
    ]
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"run.yaml"}


def test_a_file_that_cannot_be_made_is_told_before_the_server_tries(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    (tmp_path / "run.yaml").write_text(
        "version: 2\nstorage:\n  backends:\n    kv_default: {type: kv_sqlite, db_path: taken/kv.db}\n"
        "    sql_default: {type: sql_sqlite, db_path: new/sql.db}\n"
    )
    assert run(tmp_path, "check", "run.yaml").returncode == 0
    done = run(tmp_path, "check", "run.yaml", "--connect")
    _, kv, sql = rows(done)
    assert (done.returncode, kv[4], sql[4]) == (1, "no", "not made yet")
    taken = tmp_path / "taken"
    assert done.stderr == f"kv_default: {taken / 'kv.db'} cannot be made: {taken} is no folder that we may write to.\n"


@pytest.mark.parametrize(
    ("closed", "mode", "why"),
    [("kv.db", 0o444, "that is not permitted to us."), (".", 0o555, "{folder} is no folder that we may write to.")],
)
async def test_a_file_that_can_be_read_but_not_written_is_told(closed: str, mode: int, why: str) -> None:
    with TemporaryDirectory(prefix="stackwright-check-") as name:
        folder = Path(name)
        run_file = loads(
            f"version: 2\nstorage:\n  backends:\n    kv_default: {{type: kv_sqlite, db_path: {folder}/kv.db}}\n"
            f"    sql_default: {{type: sql_sqlite, db_path: {folder}/kv.db}}\n",
            environ={},
            types=TYPES,
        )
        await inspect.upgrade(run_file)
        for each in (".", "kv.db"):
            (folder / each).chmod(0o777)
        assert [row.trouble for row in (await inspect.look(run_file))[0]] == [None, None]
        (folder / closed).chmod(mode)
        with _as_nobody():
            kv, _ = (await inspect.look(run_file))[0]
        assert (kv.trouble, kv.made) == (f"{folder}/kv.db cannot be written: {why.format(folder=folder)}", True)


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_lies_here_and_was_not_named_is_told(tmp_path: Path) -> None:
    assert run(tmp_path, "check").stderr == ""
    (tmp_path / "run.yaml").write_text("version: 3\n")
    told = "This is the built-in starter. The run.yaml in this folder is read when it is named.\n"
    assert (run(tmp_path, "check").stderr, run(tmp_path, "check", "run.yaml").returncode) == (told, 2)
    assert run(tmp_path, "show", STACKWRIGHT_HOME=str(tmp_path)).stderr.startswith(f"{tmp_path}/run.yaml:1:1")


def test_somebody_elses_folder_is_told_and_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    # Nobody's permissions stop root; a link to itself fails in the same way.
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "run.yaml").write_text(
        "version: 2\nstorage:\n  backends:\n    kv_default: {type: kv_sqlite, db_path: kv.db}\n"
        "    sql_default: {type: sql_sqlite, db_path: sql.db}\n"
    )
    done = run(tmp_path, "check", STACKWRIGHT_HOME=str(tmp_path / "loop"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path}/loop/run.yaml:1:1\n    Cannot be read: ")
    with pytest.raises(Unavailable, match=r"loop/sql\.db cannot be opened: "):
        present(tmp_path / "loop" / "sql.db")


def test_connecting_says_which_backends_answer_and_makes_no_table(
    tmp_path: Path, postgres_server: PostgresServer, postgres_db: str
) -> None:
    (tmp_path / "run.yaml").write_text(RUN_FILE.format(url=postgres_server.url(postgres_db)))
    done = run(tmp_path, "check", "run.yaml", "--connect")
    head, kv, sql = rows(done)
    assert head == ["BACKEND", "TYPE", "ADDRESS", "USED BY", "ANSWERS", "SCHEMA"]
    assert (kv[0], kv[4], kv[5]) == ("kv_default", "not made yet", "kv:kv_store 0")
    assert (sql[0], sql[4]) == ("sql_default", "yes")
    assert "inference_store 0" in sql[5]
    assert done.returncode == 0
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert postgres_server.sql(tables, postgres_db) == "0"
    assert {path.name for path in tmp_path.iterdir()} == {"run.yaml"}


@pytest.mark.parametrize(
    ("port", "password", "reason"),
    [(None, "wrong", "refuses our credentials"), (free_port(), None, "cannot connect")],
    ids=["wrong password", "nobody there"],
)
def test_connecting_says_why_a_backend_does_not_answer_and_ends_with_1(
    tmp_path: Path,
    postgres_server: PostgresServer,
    postgres_db: str,
    port: int | None,
    password: str | None,
    reason: str,
) -> None:
    url = postgres_server.url(postgres_db, password=password)
    url = url if port is None else url.replace(f":{postgres_server.port}/", f":{port}/")
    (tmp_path / "run.yaml").write_text(RUN_FILE.format(url=url))
    done = run(tmp_path, "check", "run.yaml", "--connect")
    _, kv, sql = rows(done)
    assert (done.returncode, kv[4], sql[4]) == (1, "not made yet", "no")
    [told] = done.stderr.splitlines()
    assert told.startswith("sql_default: ")
    assert reason in told
    assert "Backend" not in told
    assert postgres_server.password not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_backends_with_the_same_trouble_share_the_line_that_tells_it(tmp_path: Path) -> None:
    text = RUN_FILE.format(url="postgresql://a@127.0.0.1:1/b")
    (tmp_path / "run.yaml").write_text(
        text.replace("kv_sqlite, db_path: ~/kv.db", "kv_postgres, host: 127.0.0.1, port: 1, user: a, db: b")
    )
    done = run(tmp_path, "check", "run.yaml", "--connect")
    assert [row[4] for row in rows(done)[1:]] == ["no", "no"]
    [told] = done.stderr.splitlines()
    assert told.startswith("kv_default, sql_default: cannot connect to a@127.0.0.1:1/b: ")


@pytest.mark.parametrize("command", [["check"], ["check", "--connect"], ["show"], ["db", "status"], ["serve"]])
def test_all_complaints_come_at_once_with_their_places(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "run.yaml").write_text(WRONG)
    done = run(tmp_path, *command, "run.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    heads = [line for line in done.stderr.splitlines() if not line.startswith(" ")]
    assert heads == [
        "run.yaml:6:66  providers.vector_io[0].config.persistence.backend",
        "run.yaml:10:49  storage.backends.sql_default.password",
        "run.yaml:10:67  storage.backends.sql_default.prot",
    ]
    for hint in ("Did you mean 'kv_default'?", "NOT_SET", "Did you mean 'port'?"):
        assert hint in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"run.yaml"}


@pytest.mark.parametrize("command", ["check", "serve"])
def test_an_old_file_is_refused_with_the_command_that_rewrites_it_and_three_places(
    tmp_path: Path, command: str
) -> None:
    (tmp_path / "run.yaml").write_text(OLD)
    done = run(tmp_path, command, "run.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    first, _, order, _, *places, last = done.stderr.splitlines()
    assert first == "run.yaml is in an older layout. To rewrite it (what it was is kept, in run.yaml.bak):"
    assert order == "  stackwright migrate run.yaml --in-place"
    assert places[0::2] == [
        "run.yaml:2:1  inference_store",
        "run.yaml:3:1  metadata_store",
        "run.yaml:4:1  conversations_store",
    ]
    assert last == "and 1 more"
    assert "old-literal-secret" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"run.yaml"}
