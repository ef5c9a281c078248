"""The commands that print: help, the file in effect, the format, the providers."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from stackwright.cli import main
from stackwright.config.load import loads
from stackwright.config.templates import NAMES
from stackwright.providers.registry import TYPES
from tests.cli.command import rows, run
from tests.config.files import STORAGE

SECRETS = {
    "POSTGRES_PASSWORD": "planted-password-1",
    "OPENAI_API_KEY": "sk-planted-2",
    "STACKWRIGHT_API_KEY": "sk-planted-3",
}


def test_help_lists_every_command_and_each_has_its_own(tmp_path: Path) -> None:
    text = run(tmp_path, "--help").stdout
    commands = {line.split()[0] for line in text.split("Commands:\n")[1].splitlines()}
    assert {"serve", "init", "check", "show", "config", "db", "providers"} <= commands
    for command in commands:
        shown = CliRunner().invoke(main, [command, "--help"])
        assert shown.exit_code == 0, shown.output
        assert f"Usage: main {command}" in shown.stdout


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    done = run(tmp_path, "sreve")
    assert done.returncode == 2
    assert "No such command 'sreve'. Did you mean 'serve'?" in done.stderr
    assert "No such command 'teapot'." in run(tmp_path, "teapot").stderr


@pytest.mark.parametrize("template", NAMES)
def test_what_is_shown_is_in_effect_and_without_secrets(tmp_path: Path, template: str) -> None:
    assert run(tmp_path, "init", "--template", template).returncode == 0
    with (tmp_path / "run.yaml").open("a") as stream:
        stream.write('  auth: {mode: api_keys, api_keys: [{name: team, key: "${env.STACKWRIGHT_API_KEY}"}]}\n')
    done = run(tmp_path, "show", "run.yaml", **SECRETS)
    assert done.returncode == 0, done.stderr
    assert not [secret for secret in SECRETS.values() if secret in done.stdout + done.stderr]
    shown = YAML(typ="safe").load(done.stdout)
    assert shown["server"]["auth"]["api_keys"][0] == {"name": "team", "key": "********", "tenant": "default"}
    known = [entry["provider_id"] for entry in shown["providers"]["inference"]]
    assert ("vllm" if template == "vllm" else "openai") in known


@pytest.mark.parametrize("template", NAMES)
def test_a_template_fits_the_schema_before_and_after_substitution(tmp_path: Path, template: str) -> None:
    schema = jsonschema.Draft202012Validator(json.loads(run(tmp_path, "config", "schema").stdout))
    run(tmp_path, "init", "--template", template)
    written = YAML(typ="safe").load((tmp_path / "run.yaml").read_text())
    schema.validate(written)
    shown = YAML(typ="safe").load(run(tmp_path, "show", "run.yaml", **SECRETS).stdout)
    schema.validate(shown)
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(shown | {"servr": {}})
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(shown | {"server": {"port": "x"}})


def test_init_does_not_write_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("mine")
    done = run(tmp_path, "init")
    assert (done.returncode, done.stdout) == (1, "")
    assert "run.yaml exists." in done.stderr
    assert "--force" in done.stderr
    assert (tmp_path / "run.yaml").read_text() == "mine"


def test_every_provider_type_is_listed(tmp_path: Path) -> None:
    head, *found = rows(run(tmp_path, "providers"))
    assert head == ["TYPE", "API", "WHAT IT IS", "INSTALL"]
    assert [row[0] for row in found] == list(TYPES)


def test_every_provider_type_is_shown_with_a_sample_that_loads(tmp_path: Path) -> None:
    for name in TYPES:
        shown = CliRunner().invoke(main, ["providers", "show", name])
        assert shown.exit_code == 0, shown.output
        settings, sample = shown.stdout.split("In the run file:\n")
        [[entry]] = YAML(typ="safe").load(sample)["providers"].values()
        assert entry["provider_type"] == name
        assert all(f"  {key} " in settings for key in entry.get("config") or {})
        loads(f"version: 2\n{STORAGE}{sample}", environ={}, types=TYPES)
    chroma = ["providers", "show", "remote::chromadb"]
    assert run(tmp_path, *chroma).stdout == CliRunner().invoke(main, chroma).stdout


def test_an_unknown_provider_type_gets_the_nearest_name(tmp_path: Path) -> None:
    bare = run(tmp_path, "providers", "show", "vllm")
    assert "no provider type 'vllm'. Did you mean 'remote::vllm'?" in bare.stderr
    done = run(tmp_path, "providers", "show", "remote::opnai")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'remote::openai'?" in done.stderr
