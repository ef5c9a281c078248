"""`stackwright providers`: which provider types there are, and what each wants in the run file."""

import difflib
import sys

import click

from stackwright.cli.output import table
from stackwright.errors import StackwrightError


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the provider types, or show one with its settings and a sample."""
    if context.invoked_subcommand is not None:
        return
    from stackwright.providers import describe

    table(["type", "api", "what it is", "install"], describe.table())


@command.command()
@click.argument("type")
def show(type: str) -> None:
    """Show TYPE: its settings with types and defaults, and how it looks in a run file."""
    from stackwright.providers import describe
    from stackwright.providers.registry import TYPES

    if type not in TYPES:
        bare = [name for name in TYPES if name.partition("::")[2] == type]
        nearest = bare or difflib.get_close_matches(type, TYPES, 1)
        hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
        click.echo(f"There is no provider type '{type}'.{hint} `stackwright providers` lists them.", err=True)
        sys.exit(2)
    try:
        click.echo(describe.text(type), nl=False)
    except StackwrightError as error:
        click.echo(error.message, err=True)
        sys.exit(1)
