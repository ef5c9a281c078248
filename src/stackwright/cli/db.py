"""`stackwright db`: the schemas in the databases."""

import sys
from typing import TYPE_CHECKING

import click

from stackwright.cli.output import run_or_exit, table, troubles
from stackwright.cli.runfile import load_or_exit

if TYPE_CHECKING:
    from stackwright.app.inspect import SchemaRow


@click.group()
def command() -> None:
    """Show and upgrade the schemas in the databases."""


@command.command()
@click.argument("run_yaml", required=False, type=click.Path(dir_okay=False))
def status(run_yaml: str | None) -> None:
    """Show the schema version of every store. Changes nothing. Exit status 1 when a database does not answer."""
    from stackwright.app import inspect

    run, _ = load_or_exit(run_yaml)
    backends, schemas = run_or_exit(inspect.look(run))
    troubles((backend.name, backend.trouble) for backend in backends)
    _print(schemas)
    sys.exit(1 if any(backend.trouble for backend in backends) else 0)


@command.command()
@click.argument("run_yaml", required=False, type=click.Path(dir_okay=False))
def upgrade(run_yaml: str | None) -> None:
    """Bring every store's schema up to date. Safe while servers run: one migrates, the others wait."""
    from stackwright.app import inspect

    run, _ = load_or_exit(run_yaml)
    _print(run_or_exit(inspect.upgrade(run)))


def _print(schemas: "list[SchemaRow]") -> None:
    table(
        ["backend", "store", "version", "state"],
        [(row.backend, row.store, str(row.found), _state(row.found, row.known)) for row in schemas],
    )


def _state(found: int, known: int | None) -> str:
    if known is None:
        return "of a provider, or of another file"
    if found == known:
        return "current"
    if not found:
        return "to be made"
    return f"to be upgraded to {known}" if found < known else f"newer than this Stackwright, which knows {known}"
