"""`stackwright migrate`: an old run file in today's layout."""

import os
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NoReturn

import click

from stackwright.cli.migrate_data import command as data
from stackwright.cli.runfile import complain
from stackwright.config.complaint import RunFileError
from stackwright.config.migrate import Migration, migrate


class _FileOrData(click.Group):
    """`migrate OLD.yaml` is the command for a file; `migrate data` is one of its own."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "OLD.yaml", rewrite, args

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["OLD.yaml", *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return rewrite if cmd_name == "OLD.yaml" else super().get_command(ctx, cmd_name)


@click.group(
    cls=_FileOrData,
    context_settings={"ignore_unknown_options": True},
    epilog="Options for a file, such as -o and --in-place: stackwright migrate OLD.yaml --help",
)
def command() -> None:
    """Bring a run file of Llama Stack's into today's layout, and the rows behind it."""


class _Rewrite(click.Command):
    """Its name in the help is what its argument is."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]"]


@click.command(cls=_Rewrite)
@click.argument("old_yaml", type=click.Path(dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the new file here.")
@click.option("--in-place", is_flag=True, help="Write over OLD_YAML; what it was is in OLD_YAML.bak.")
@click.option("--diff", is_flag=True, help="Print a unified diff instead of the new file.")
@click.option("--check", is_flag=True, help="Write nothing; exit status 1 when the file is old.")
@click.option("--storage-only", is_flag=True, help="Change where state is kept, and leave every other key as it is.")
def rewrite(old_yaml: Path, output: Path | None, in_place: bool, diff: bool, check: bool, storage_only: bool) -> None:
    """Print OLD_YAML with named backends, and on standard error what was done to each path.

    No variable is looked at and no database opened. A file that is not old comes back byte for byte.
    """
    if sum((output is not None, in_place, diff, check)) > 1:
        raise click.UsageError("-o, --in-place, --diff and --check exclude each other.")
    data = _read(old_yaml)
    result = _migrate(old_yaml, data, storage_only)
    _report(old_yaml, result)
    if check:
        sys.exit(1 if result.was_old else 0)
    new = result.text.encode() if result.was_old else data
    if diff:
        click.echo(result.diff(str(old_yaml)), nl=False)
    elif output is not None:
        _write(output, new, like=old_yaml)
        if result.was_old and not storage_only:
            _next(old_yaml, output)
    elif not in_place:
        sys.stdout.buffer.write(new)
    elif result.was_old:
        backup = _replace(old_yaml, new)
        if not storage_only:
            _next(backup, old_yaml)


command.add_command(data, "data")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _fail(f"{path} cannot be read: {error.strerror}.")


def _migrate(path: Path, data: bytes, storage_only: bool) -> Migration:
    from stackwright.providers.registry import TYPES

    try:
        return migrate(data.decode("utf-8-sig"), types=TYPES, name=str(path), storage_only=storage_only)
    except UnicodeDecodeError:
        _fail(f"{path} is not UTF-8.")
    except RunFileError as error:
        complain(error)
        sys.exit(2)


def _report(path: Path, result: Migration) -> None:
    if not result.was_old:
        click.echo(f"{path} is not old: nothing to change.", err=True)
        return
    for change in sorted(result.changes, key=lambda change: change.kind == "decide"):
        click.echo(str(change), err=True)
    counts = Counter(change.kind for change in result.changes)
    click.echo(f"{path}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}", err=True)


def _next(old: Path, new: Path) -> None:
    """Say how to go on: the rows are not in the new file's databases yet, and what reads them wants the old file."""
    at, to = shlex.quote(str(old)), shlex.quote(str(new))
    click.echo(
        f"Wrote {new}. Next: stackwright check {to}; for the rows, stackwright migrate data --from {at} --to {to}",
        err=True,
    )


def _replace(path: Path, data: bytes) -> Path:
    """Put the new file in the old one's place, whole or not at all; return where the old one is."""
    target = path.resolve()
    backup = target.with_name(f"{target.name}.bak")
    if backup.exists():
        _fail(f"{backup} exists, and may be the file as it was. Move it away, or write elsewhere with -o.")
    try:
        shutil.copy2(target, backup)
    except OSError as error:
        _fail(f"{backup} cannot be written: {error.strerror}. Nothing was changed.")
    _write(target, data, like=target)
    return backup if path.is_symlink() else path.with_name(backup.name)


def _write(path: Path, data: bytes, *, like: Path) -> None:
    """Write a file with the permissions of another, and only then give it its name."""
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
            temporary = stream.name
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(like, temporary)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        _fail(f"{path} cannot be written: {error.strerror}.")


def _fail(words: str) -> NoReturn:
    click.echo(words, err=True)
    sys.exit(2)
