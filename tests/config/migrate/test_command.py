"""`stackwright migrate`, as somebody at a shell runs it."""

import shlex
import stat
from pathlib import Path

import pytest

from tests.cli.command import run
from tests.config.files import BEFORE
from tests.config.migrate.files import AFTER


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.yaml"
    path.write_text(BEFORE)
    path.chmod(0o640)
    return path


def test_the_new_file_is_printed_and_the_report_beside_it(old: Path) -> None:
    done = run(old.parent, "migrate", "old.yaml")
    assert (done.returncode, done.stdout, old.read_text()) == (0, AFTER, BEFORE)
    assert done.stderr.startswith("merged   storage.backends.kv_default\n")
    assert done.stderr.endswith("old.yaml: 2 merged, 4 moved\n")


def test_in_place_keeps_the_old_file_and_the_permissions(old: Path) -> None:
    done = run(old.parent, "migrate", "old.yaml", "--in-place")
    rows = "stackwright migrate data --from old.yaml.bak --to old.yaml"
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith(f"\nWrote old.yaml. Next: stackwright check old.yaml; for the rows, {rows}\n")
    assert old.read_text() == AFTER
    assert old.with_name("old.yaml.bak").read_text() == BEFORE
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert sorted(path.name for path in old.parent.iterdir()) == ["old.yaml", "old.yaml.bak"]
    again = run(old.parent, "migrate", "old.yaml", "--in-place")
    assert (again.returncode, again.stderr) == (0, "old.yaml is not old: nothing to change.\n")


def test_a_backup_is_never_written_over(old: Path) -> None:
    old.with_name("old.yaml.bak").write_text("precious")
    done = run(old.parent, "migrate", "old.yaml", "--in-place")
    assert done.returncode == 2
    assert "old.yaml.bak exists" in done.stderr
    assert (old.read_text(), old.with_name("old.yaml.bak").read_text()) == (BEFORE, "precious")


def test_output_goes_to_a_file_and_a_link_is_followed(old: Path) -> None:
    done = run(old.parent, "migrate", "old.yaml", "-o", "new.yaml")
    rows = "stackwright migrate data --from old.yaml --to new.yaml"
    assert done.returncode == 0
    assert done.stderr.endswith(f"\nWrote new.yaml. Next: stackwright check new.yaml; for the rows, {rows}\n")
    assert old.with_name("new.yaml").read_text() == AFTER
    link = old.with_name("link.yaml")
    link.symlink_to(old)
    assert run(old.parent, "migrate", "link.yaml", "--in-place").returncode == 0
    assert (link.is_symlink(), old.read_text()) == (True, AFTER)


def test_a_diff_is_one_that_patch_reads(old: Path) -> None:
    done = run(old.parent, "migrate", "old.yaml", "--diff")
    assert done.stdout.startswith("--- old.yaml\n+++ old.yaml (migrated)\n@@ ")
    taken = [line[1:] for line in done.stdout.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert [line for line in taken if line not in AFTER.splitlines()] == []


def test_check_tells_old_files_from_new_ones(old: Path) -> None:
    assert run(old.parent, "migrate", "old.yaml", "--check").returncode == 1
    old.write_text(AFTER)
    assert run(old.parent, "migrate", "old.yaml", "--check").returncode == 0


def test_a_new_file_comes_back_with_its_odd_bytes(old: Path) -> None:
    odd = b"\xef\xbb\xbf" + AFTER.replace("\n", "\r\n").encode().rstrip()
    old.write_bytes(odd)
    assert run(old.parent, "migrate", "old.yaml", "-o", "new.yaml").returncode == 0
    assert old.with_name("new.yaml").read_bytes() == odd


def test_line_ends_of_an_old_file_stay(old: Path) -> None:
    old.write_bytes(BEFORE.replace("\n", "\r\n").encode())
    run(old.parent, "migrate", "old.yaml", "-o", "new.yaml")
    assert old.with_name("new.yaml").read_bytes() == AFTER.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "old.yaml:1:"), ("- a", "A run file is a mapping"), ("a: 1\na: 2", "'a' is given twice"), ("", "empty")],
)
def test_what_is_no_run_file_is_refused(old: Path, text: str, words: str) -> None:
    old.write_text(text)
    done = run(old.parent, "migrate", "old.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_ways_of_output_exclude_each_other(old: Path) -> None:
    assert "exclude each other" in run(old.parent, "migrate", "old.yaml", "--check", "--diff").stderr
    assert "cannot be read" in run(old.parent, "migrate", "absent.yaml").stderr


@pytest.mark.parametrize("command", ["serve", "check"])
def test_an_old_file_is_refused_with_the_command_that_rewrites_it(old: Path, command: str) -> None:
    spaced = old.rename(old.with_name("my old.yaml"))
    done = run(old.parent, command, spaced.name)
    assert done.returncode == 2
    (line,) = {each.strip() for each in done.stderr.splitlines() if "stackwright migrate" in each}
    words = shlex.split(line.partition("stackwright ")[2])
    assert words == ["migrate", "my old.yaml", "--in-place"]
    assert run(old.parent, *words).returncode == 0
    assert run(old.parent, "check", spaced.name, **POSTGRES).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "providers: {agents: []}\n",
        "apis: [agents]\n",
        "telemetry: {}\n",
        "shields: []\n",
        "storage: {references: {}}\n",
    ],
)
def test_later_layouts_are_refused_with_the_command_too(old: Path, text: str) -> None:
    old.write_text(f"version: 2\n{text}")
    done = run(old.parent, "check", "old.yaml")
    assert done.returncode == 2
    first, _, command, *_ = done.stderr.splitlines()
    assert first.startswith("old.yaml is in an older layout. To rewrite it")
    assert command == "  stackwright migrate old.yaml --in-place"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("apis: [infrence]\n", "inference"),
        ("providers: {inference: [{provider_id: v, provider_type: 'remote::vlm'}]}\n", "remote::vllm"),
        ("providers: {infrence: [{provider_id: v, provider_type: 'remote::vllm'}]}\n", "inference"),
    ],
)
def test_a_slip_is_no_older_layout_and_nothing_is_dropped_for_it(old: Path, text: str, meant: str) -> None:
    backends = "{kv_default: {type: kv_sqlite, db_path: a.db}, sql_default: {type: sql_sqlite, db_path: b.db}}"
    old.write_text(f"version: 2\n{text}storage: {{backends: {backends}}}\n")
    refused = run(old.parent, "check", "old.yaml").stderr
    assert f"'{meant}'" in refused or f"providers.{meant}" in refused
    assert "stackwright migrate" not in refused
    assert run(old.parent, "migrate", "old.yaml").stdout == old.read_text()
    old.write_text(old.read_text() + "1: []\n" + "telemetry: {}\n")
    assert "telemetry" not in run(old.parent, "migrate", "old.yaml").stdout


POSTGRES = {
    "CHROMADB_URL": "http://localhost:8000",
    "POSTGRES_HOST": "localhost",
    "POSTGRES_PORT": "5432",
    "POSTGRES_DB": "foo",
    "POSTGRES_USER": "foo",
    "POSTGRES_PASSWORD": "123456",
}
