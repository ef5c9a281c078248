"""The wheel in an environment of its own, without extras: small, whole, and of use before any model is there."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from bench import installed

from tests.running import RunningServer


def _pip(python: Path, *arguments: object) -> str:
    command = [sys.executable, "-m", "pip", "--python", str(python), *map(str, arguments)]
    done = subprocess.run([*command, "--disable-pip-version-check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it needs. The needed packages are copied from ours: no network."""
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python3*/site-packages")
    for name in installed.core().keys() - {"stackwright"}:
        for file in distribution(name).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), packages / file)
    _pip(folder / "bin" / "python", "install", "--no-index", "--no-deps", wheel)
    return folder


@pytest.fixture(scope="module")
def server(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("newcomer")
    home = {"STACKWRIGHT_HOME": str(folder / "state"), "PYTHONPATH": ""}
    with RunningServer(folder, None, environ=home, command=[core / "bin" / "stackwright"]) as running:
        running.wait_for("/ready")
        yield running


def test_nothing_that_is_needed_is_missing_or_of_a_wrong_version(core: Path) -> None:
    assert _pip(core / "bin" / "python", "check") == "No broken requirements found.\n"


def test_it_is_small_also_when_it_has_run(core: Path, server: RunningServer) -> None:
    [packages] = core.glob("lib/python3*/site-packages")
    assert len(list(distributions(path=[str(packages)]))) <= 40
    assert sum(path.stat().st_size for path in packages.rglob("*")) <= 90e6


def test_without_a_model_the_start_table_says_what_to_do(server: RunningServer) -> None:
    table = server.log.read_text()
    assert "Traceback" not in table
    assert "Run file   the built-in starter" in table
    for hint in ("none yet; to have one:", "pip install 'stackwright[local]'", "OPENAI_API_KEY=", "stackwright init"):
        assert hint in table
    assert f"Try: curl {server.url}/ready" in table


def test_without_a_model_it_answers_and_says_what_is_missing(server: RunningServer) -> None:
    assert server.get("/ready").json == {"status": "ready"}
    assert server.get("/v1/models").json == {"object": "list", "data": []}
    refused = server.post("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]})
    assert (refused.status, refused.error["code"]) == (404, "model_not_found")
    assert "No inference provider is configured" in refused.error["message"]


def test_its_state_is_where_the_home_variable_says(server: RunningServer) -> None:
    assert {"kvstore.db", "sql_store.db"} <= {path.name for path in (server.folder / "state").iterdir()}
    assert not (server.folder / ".stackwright").exists()
