"""The project's own files, for tests that read them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"


class Import(NamedTuple):
    """One import, wherever in a module it stands."""

    importer: str
    """Dotted name of the module that imports."""
    imported: str
    """Dotted name of what it imports, down to the name where it is a `from` import."""


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Return every module of the package, parsed."""
    return tuple(_parsed())


def _parsed() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, ast.parse(path.read_text(), str(path))


def imports() -> Iterator[Import]:
    """Yield every import of the package. There are no relative ones: the linter's rule for that is on."""
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (Import(name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (Import(name, f"{node.module}.{alias.name}") for alias in node.names)


def tracked() -> list[Path]:
    """Return the files git knows, or would know after `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
