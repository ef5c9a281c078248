"""The `stackwright` command, run as somebody at a shell runs it."""

import os
import subprocess
import sys
from pathlib import Path

Done = subprocess.CompletedProcess[str]


def run(folder: Path, *arguments: object, **environ: str) -> Done:
    """Run the command in `folder`, which is also its home, and return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "stackwright", *map(str, arguments)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "STACKWRIGHT_HOME": "", **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def rows(done: Done) -> list[list[str]]:
    """Return the cells of a printed table, its head first. Cells are two blanks or more apart."""
    assert done.returncode in (0, 1), done.stderr
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in done.stdout.splitlines()]
