"""What is published: the wheel, its dependencies, the pinned requirements, and nothing of anybody's machine."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from itertools import chain
from pathlib import Path

import pytest

from stackwright.providers.registry import TYPES
from tests.house.sources import ROOT, SRC, imports, tracked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = sorted((ROOT / "requirements").glob("*.txt"))


def name_of(requirement: str) -> str:
    """Return the normalized name in a requirement like `ruamel.yaml>=0.19`."""
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace(".", "-")


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("stackwright/")}

    assert packed == {str(path.relative_to(SRC)) for path in tracked() if path.is_relative_to(SRC)}
    assert "stackwright/py.typed" in packed


def test_the_unpacked_wheel_writes_a_run_file_and_reads_it(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")

    def stackwright(*arguments: str) -> str:
        program = "import sys; sys.path.insert(0, 'wheel'); from stackwright.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path,
            env={"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    stackwright("init")
    assert "version: 2" in stackwright("show", "run.yaml")


def test_direct_dependencies_are_few(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())

    needs = metadata.get_all("Requires-Dist", [])
    assert len([need for need in needs if "extra ==" not in need]) <= 15


def test_every_dependency_is_imported() -> None:
    declared = {name_of(need).replace("-", "_") for need in PROJECT["dependencies"]}

    # uvicorn imports websockets for us, when it is named in `app.server`.
    used = {each.imported.split(".")[0] for each in imports()} | {"ruamel_yaml", "websockets"}
    assert declared - used == set()


def test_every_extra_a_provider_asks_for_exists() -> None:
    asked = {provider.extra for provider in TYPES.values() if provider.extra}

    assert asked <= PROJECT["optional-dependencies"].keys()


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_requirements_are_pinned_by_hash_and_nothing_else(path: Path) -> None:
    entries = re.sub(r"\\\n", "", path.read_text()).splitlines()
    wrong = [
        entry
        for entry in entries
        if not re.fullmatch(r"\s*#.*|[a-z0-9.-]+==[^ ]+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry)
    ]

    assert wrong == []


@pytest.mark.parametrize("path", [path for path in PINNED if path.name != "docs.txt"], ids=lambda path: path.name)
def test_requirements_cover_what_the_project_declares(path: Path) -> None:
    declared = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", path.read_text(), re.MULTILINE))
    needs = {name_of(need) for need in declared}

    assert needs <= pinned


def test_no_file_names_a_machine_or_an_address_packages_come_from() -> None:
    # In two pieces each, as this file is read too.
    pieces = ("pypi .org", "python hosted", "npm js.org", "npm mirror", "deb. debian", "/wor k/", "/opt /pypi")
    names = [piece.replace(" ", "").encode() for piece in pieces]
    texts = {path: path.read_bytes() for path in tracked()}

    assert {(path.name, name) for path, text in texts.items() for name in names if name in text} == set()
