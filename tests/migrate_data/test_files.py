"""Files are carried with their bytes, and what is wrong with one is told."""

import asyncio
import hashlib
import os
import sqlite3
import time
import tracemalloc
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stackwright.app.carry import Options, Report, carry
from stackwright.areas.files import Files, FileStore
from stackwright.config.llama_stack import read
from stackwright.config.load import load
from stackwright.providers.files.inline_localfs import Folder
from stackwright.providers.registry import TYPES
from stackwright.storage.sql.aging import Cursor, time_before
from tests.databases import database_at
from tests.migrate_data import carrying
from tests.migrate_data.llama_stack import Place, file
from tests.migrate_data.releases import Old

NEW = """
version: 2
providers:
  files:
    - provider_id: localfs
      provider_type: inline::localfs
      config: {storage_dir: "%s/files", metadata_store: {backend: sql_default, table_name: files_metadata}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "%s/new-kv.db"}
    sql_default: {type: sql_sqlite, db_path: "%s/new.db"}
"""
LOCAL = "{provider_id: a, provider_type: 'inline::localfs', config: {storage_dir: '${env.FILES:=%s/files}'}}"
S3 = "{provider_id: b, provider_type: 'remote::s3', config: {bucket_name: b}}"


class Ground:
    """A folder of Llama Stack's with files, and a new run file that names the same folder for ours."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.files = folder, folder / "files"
        self.place = Place(folder / "old.db")
        self.old, self.new = folder / "old.yaml", folder / "new.yaml"
        self.new.write_text(NEW.replace("%s", str(folder)))
        self.providers(LOCAL % folder)

    def providers(self, *entries: str) -> None:
        """Write the old run file with these providers of files."""
        metadata = f"metadata_store: {{type: sqlite, db_path: {self.folder}/old.db}}\n"
        self.old.write_text(f"{metadata}providers: {{files: [{', '.join(entries)}]}}\n")

    def add(self, name: str, content: bytes = b"abc", **changes: Any) -> None:
        """Add a file of Llama Stack's."""
        self.place.add("0.3.5", "openai_files", [file(self.files, name, content, **changes)])

    async def carry(self, **options: Any) -> Report:
        old, new = read(self.old, environ={}), load(self.new, environ={}, types=TYPES)
        return await carry(old, new, Options(**options), lambda *_: None)

    def ours(self) -> dict[str, bytes]:
        """Return our bytes by name."""
        return {path.name: path.read_bytes() for path in (self.files / "kept").glob("*")}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "new.db")) as opened:
            return opened.execute(sql).fetchall()


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def counts(report: Report) -> tuple[int, int, int, int]:
    (one,) = report.tallies
    return one.new, one.present, len(one.conflicts), len(one.refused)


def reasons(report: Report) -> dict[str, str]:
    return {why.id: why.why for one in report.tallies for why in (*one.refused, *one.conflicts)}


async def test_a_row_has_what_an_upload_would_have(ground: Ground) -> None:
    ground.add("file-1", filename="a/b c/prices.csv\n", purpose="evals", expires_at=2_000_000_000)
    ground.add("file-2", b"", filename="no kind", expires_at=None)
    report = await ground.carry()
    assert (report.good, counts(report)) == (True, (2, 0, 0, 0))
    columns = "tenant, id, created, bytes, filename, purpose, content_type, sha256, expires"
    assert ground.rows(f"SELECT {columns} FROM files_metadata ORDER BY seq") == [
        (
            "default",
            "file-1",
            1_750_004_000,
            3,
            "prices.csv",
            "evals",
            "text/csv",
            hashlib.sha256(b"abc").hexdigest(),
            2_000_000_000,
        ),
        (
            "default",
            "file-2",
            1_750_004_000,
            0,
            "no kind",
            "assistants",
            "application/octet-stream",
            hashlib.sha256(b"").hexdigest(),
            None,
        ),
    ]
    assert ground.rows("SELECT * FROM files_metadata_spare") == []


async def test_what_llama_stack_has_in_the_same_folder_stays(ground: Ground) -> None:
    ground.add("file-1", b"abc")
    ground.add("file-2", b"def")
    theirs = {path: (path.read_bytes(), path.stat().st_ino) for path in ground.files.iterdir()}
    assert (await ground.carry()).good
    assert ground.ours() == {"file-1": b"abc", "file-2": b"def"}
    assert list((ground.files / "incoming").iterdir()) == []
    assert {path: (path.read_bytes(), path.stat().st_ino) for path in theirs} == theirs


async def test_bytes_that_are_not_those_of_the_row_are_told(ground: Ground) -> None:
    (ground.folder / "secret").write_bytes(b"abc")
    for name in ("file-good", "file-short", "file-gone", "file-link", "file-pipe", "nofile", "file-out", "file-none"):
        ground.add(name)
    ground.add("file-unsized", bytes=None)
    ground.add("file-moved", file_path="/app/data/file-moved")
    (ground.files / "file-short").write_bytes(b"ab")
    for name in ("file-gone", "file-link", "file-pipe"):
        (ground.files / name).unlink()
    (ground.files / "file-link").symlink_to(ground.folder / "secret")
    os.mkfifo(ground.files / "file-pipe")
    ground.place.run(f"UPDATE openai_files SET file_path = '{ground.files}/../secret' WHERE id = 'file-out'")
    ground.place.run("UPDATE openai_files SET file_path = NULL WHERE id = 'file-none'")
    where = f"its bytes are not in {ground.files}. They were written to {ground.files}"
    wrong = {
        "file-short": "it has 2 bytes, and by its row 3",
        "file-gone": f"{where}/file-gone",
        "file-link": f"its path leads elsewhere: {ground.folder}/secret",
        "file-pipe": f"{where}/file-pipe",
        "nofile": "its id is none of a file: 'file-' and up to 120 letters, digits, '-' and '_'",
        "file-out": f"its path leads elsewhere: {ground.files}/../secret",
        "file-none": "its file_path is empty",
        "file-unsized": "its bytes is empty",
    }
    for options in ({"dry_run": True}, {}):
        report = await ground.carry(**options)
        assert (report.good, counts(report), reasons(report)) == (False, (2, 0, 0, 8), wrong)
    assert ground.ours() == {"file-good": b"abc", "file-moved": b"abc"}


async def test_files_that_nobody_could_have_any_more_are_left(ground: Ground) -> None:
    ground.add("file-over", expires_at=int(time.time()) - 1)
    ground.add("file-kept")
    report = await ground.carry()
    assert (report.good, counts(report), report.tallies[0].rows) == (True, (1, 0, 0, 0), 1)
    assert [(one.what, one.rows, one.why) for one in report.left] == [("files", 1, "their time was over")]


async def test_files_that_were_carried_go_with_their_bytes_when_their_time_is_over_or_they_are_old(
    ground: Ground,
) -> None:
    expires = int(time.time()) + 1
    ground.add("file-brief", expires_at=expires)
    ground.add("file-old", expires_at=None)
    ground.add("file-young", created_at=expires, expires_at=expires + 1000)
    assert (await ground.carry()).good
    theirs = sorted(path.name for path in ground.files.glob("file-*"))
    database = database_at(str(ground.folder / "new.db"))
    await database.open()
    store = FileStore(database, "files_metadata")
    await store.prepare()
    service = Files(store, Folder(str(ground.files)))
    async with asyncio.timeout(10):
        while "file-brief" in ground.ours():
            await service.tidy(grace=0)
            await asyncio.sleep(0.05)
    assert sorted(ground.ours()) == ["file-old", "file-young"]
    old = await time_before(database, 86400)
    swept = await database.transact(lambda: store.old.sweeping(old, Cursor(old, 0)))
    await service.tidy(grace=0)
    await database.close()
    assert (swept.removed, sorted(ground.ours())) == (1, ["file-young"])
    assert ground.rows("SELECT id FROM files_metadata") == [("file-young",)]
    # Llama Stack's own are its own.
    assert sorted(path.name for path in ground.files.glob("file-*")) == theirs


async def test_bytes_that_are_elsewhere_are_left_with_the_reason(ground: Ground) -> None:
    ground.add("file-1")
    ground.providers()
    report = await ground.carry()
    assert [(one.rows, one.why) for one in report.left] == [
        (1, "the old run file has no inline::localfs, whose storage_dir has their bytes")
    ]
    ground.providers(S3)
    ground.place.run("ALTER TABLE openai_files DROP COLUMN file_path")
    for entries in ([S3], [LOCAL % ground.folder, S3]):
        ground.providers(*entries)
        report = await ground.carry()
        assert [(one.rows, one.why) for one in report.left] == [
            (1, "their bytes are with remote::s3, where nothing is fetched from")
        ]
    assert report.tallies == []


async def test_another_content_is_a_conflict_and_changes_nothing(ground: Ground) -> None:
    for name in ("file-1", "file-2", "file-3", "file-4"):
        ground.add(name)
    assert (await ground.carry()).good
    (ground.files / "file-1").write_bytes(b"xyz")
    (ground.files / "kept/file-2").write_bytes(b"xyz")
    (ground.files / "kept/file-3").unlink()
    again = await ground.carry()
    assert (again.good, counts(again)) == (False, (0, 3, 3, 0))
    assert reasons(again) == {
        "file-1": "another content has this id",
        "file-2": "its bytes here are not those that were written",
        "file-3": "The bytes of file-3 are not where files are kept, or not all of them.",
    }
    assert ground.ours() == {"file-1": b"abc", "file-2": b"xyz", "file-4": b"abc"}

    stranger = await ground.carry(tenant="shop")
    assert set(reasons(stranger).values()) == {"a file of another tenant has this id"}
    assert ground.rows("SELECT DISTINCT tenant FROM files_metadata") == [("default",)]


async def test_of_two_rows_with_one_id_the_first_is_carried(ground: Ground) -> None:
    ground.add("file-1")
    ground.add("file-2", b"def")
    ground.place.run(
        "CREATE TABLE copied AS SELECT * FROM openai_files; INSERT INTO copied SELECT * FROM openai_files;"
        "DROP TABLE openai_files; ALTER TABLE copied RENAME TO openai_files;"
        "UPDATE openai_files SET filename = 'other' WHERE rowid = 3"
    )
    second = "a row before it has this id too"
    for options, found in ({"dry_run": True}, (2, 0, 0, 2)), ({}, (2, 0, 0, 2)), ({}, (0, 2, 0, 2)):
        report = await ground.carry(**options)
        assert (counts(report), reasons(report)) == (found, {"file-1": second, "file-2": second})
    assert ground.ours() == {"file-1": b"abc", "file-2": b"def"}
    assert ground.rows("SELECT filename FROM files_metadata WHERE filename = 'other'") == []


async def test_what_a_killed_run_left_is_in_nobodys_way(ground: Ground) -> None:
    ground.add("file-1")
    assert (await ground.carry()).good
    ground.add("file-2")
    ground.add("file-3")
    (ground.files / "incoming/file-2").write_bytes(b"a")
    (ground.files / "kept/file-3").write_bytes(b"whatever")
    with closing(sqlite3.connect(ground.folder / "new.db")) as opened:
        opened.execute("INSERT INTO files_metadata_spare VALUES ('file-3', 1)")
        opened.commit()
    report = await ground.carry()
    assert (report.good, counts(report)) == (True, (2, 1, 0, 0))
    assert ground.ours() == dict.fromkeys(("file-1", "file-2", "file-3"), b"abc")
    assert list((ground.files / "incoming").iterdir()) == []
    assert ground.rows("SELECT * FROM files_metadata_spare") == []


async def test_a_large_file_passes_through(ground: Ground) -> None:
    ground.add("file-large", bytes=32 << 20)
    os.truncate(ground.files / "file-large", 32 << 20)
    tracemalloc.start()
    try:
        report = await ground.carry()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (report.good, counts(report)) == (True, (1, 0, 0, 0))
    assert peak < 8 << 20


def _more_than(many: int, folder: Path) -> bool:
    return sum(1 for place in ("incoming", "kept") for _ in (folder / "files" / place).glob("*")) > many


def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    contents = {f"file-{number:03}": os.urandom(150_000) for number in range(260)}
    old = Place(tmp_path / "old.db")
    old.add("0.3.5", "openai_files", [file(tmp_path / "old", name, data) for name, data in contents.items()])
    run_file = tmp_path / "old.yaml"
    local = (LOCAL % tmp_path).replace("files}", "old}")
    run_file.write_text(
        f"metadata_store: {{type: sqlite, db_path: {tmp_path}/old.db}}\nproviders: {{files: [{local}]}}\n"
    )
    ground = Ground(tmp_path / "new")
    for many in (20, 150):
        carrying.killed(Old(run_file, {}), ground.new, partial(_more_than, many, ground.folder))
    done = carrying.carry(Old(run_file, {}), ground.new)
    assert done.status == 0
    ((new, present, *_),) = done.counts().values()
    assert (new + present, new > 0, present > 0) == (260, True, True)
    assert ground.ours() == contents
    assert list((ground.files / "incoming").iterdir()) == []
    assert ground.rows("SELECT id FROM files_metadata ORDER BY seq") == [(name,) for name in contents]
    assert ground.rows("SELECT * FROM files_metadata_spare") == []
