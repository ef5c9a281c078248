"""Who may use whom. The floors themselves are contracts in pyproject.toml."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.house.sources import ROOT, imports, modules

ROOMS = {
    "apsw": ("stackwright.storage.", "stackwright.providers.vector_io.inline_sqlite_vec"),
    "asyncpg": ("stackwright.storage.",),
    "click": ("stackwright.cli",),
    "httptools": ("stackwright.providers.http1",),
    "openai": ("stackwright.client",),
    "httpx2": ("stackwright.providers.tool_runtime.",),
    "mcp": ("stackwright.providers.tool_runtime.mcp",),
    "mcp_types": ("stackwright.providers.tool_runtime.mcp",),
    "numpy": ("stackwright.providers.inference.inline_wordllama",),
    "pydantic": ("stackwright.config.", "stackwright.providers."),
    "pymongo": ("stackwright.storage.kv.mongodb", "stackwright.storage.foreign.mongodb"),
    "redis": ("stackwright.storage.kv.redis", "stackwright.storage.foreign.redis"),
    "ruamel": ("stackwright.config.",),
    "sqlite_vec": ("stackwright.providers.vector_io.inline_sqlite_vec",),
    "uvicorn": ("stackwright.app.",),
    "wordllama": ("stackwright.providers.inference.inline_wordllama",),
    "xllamacpp": ("stackwright.providers.inference.llama_loading",),
}
"""Which library is known to which rooms."""


def test_the_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_is_known_to_its_own_rooms_only(library: str) -> None:
    users = {each.importer for each in imports() if each.imported.split(".")[0] == library}

    assert users, f"nobody uses {library} any more"
    assert {user for user in users if not user.startswith(ROOMS[library])} == set()


def test_areas_are_entered_by_the_front_door() -> None:
    def area(name: str) -> str:
        return ".".join(name.split(".")[:3])

    def shown(name: str) -> set[str]:
        door = import_module(area(name))
        return {area(name), *(f"{area(name)}.{each}" for each in door.__all__)}

    intruders = {
        each
        for each in imports()
        if each.imported.startswith("stackwright.areas.")
        and area(each.imported) != area(each.importer)
        and each.imported not in shown(each.imported)
    }

    assert intruders == set()


def test_only_the_command_line_reads_the_environment() -> None:
    names = {"environ", "environb", "getenv", "getenvb"}
    readers = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in names
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    readers |= {each.importer for each in imports() if each.imported in {f"os.{name}" for name in names}}

    assert {reader for reader in readers if not reader.startswith("stackwright.cli.")} == set()
