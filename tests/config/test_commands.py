"""The commands that need nothing but the run file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stackwright.cli import main
from stackwright.config.templates import NAMES, TEMPLATES
from tests.config.files import minimal


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A runner in an empty folder that is also the home of everything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STACKWRIGHT_HOME", str(tmp_path / "home"))
    return CliRunner()


def test_a_wrong_run_file_ends_with_2_and_its_complaints_on_standard_error(cli: CliRunner) -> None:
    Path("run.yaml").write_text(minimal("servr: {}\nserver: {port: x}"))
    for command in ("check", "show"):
        done = cli.invoke(main, [command, "run.yaml"])
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr.startswith("run.yaml:6:1  servr\n    'servr' is not a key here.")
        assert "run.yaml:7:16  server.port\n" in done.stderr


@pytest.mark.parametrize("template", NAMES)
def test_what_init_writes_is_right(cli: CliRunner, monkeypatch: pytest.MonkeyPatch, template: str) -> None:
    for variable in TEMPLATES[template].needs:
        monkeypatch.setenv(variable, "correct-horse")
    assert cli.invoke(main, ["init", "--template", template, "-o", "mine.yaml"]).exit_code == 0
    assert cli.invoke(main, ["check", "mine.yaml"]).exit_code == 0
    shown = cli.invoke(main, ["show", "mine.yaml"])
    assert shown.exit_code == 0
    assert f"image_name: {template}" in shown.stdout
    assert "correct-horse" not in shown.output
    assert not Path("home").exists()


def test_init_writes_over_nothing_unless_told_to(cli: CliRunner) -> None:
    Path("run.yaml").write_text("mine")
    done = cli.invoke(main, ["init"])
    assert done.exit_code == 1
    assert "run.yaml exists." in done.stderr
    assert Path("run.yaml").read_text() == "mine"
    assert cli.invoke(main, ["init", "--force"]).exit_code == 0
    assert Path("run.yaml").read_text() != "mine"
    assert "cannot be written" in cli.invoke(main, ["init", "-o", "no/such/folder.yaml"]).stderr


def test_without_a_file_the_starter_is_shown(cli: CliRunner) -> None:
    assert "image_name: starter" in cli.invoke(main, ["show"]).stdout


def test_the_schema_is_printed_as_json(cli: CliRunner) -> None:
    done = cli.invoke(main, ["config", "schema"])
    assert json.loads(done.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
