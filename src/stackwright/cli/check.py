"""`stackwright check`: is the run file right?"""

import click

from stackwright.cli.runfile import load_or_exit


@click.command()
@click.argument("run_yaml", required=False, type=click.Path(dir_okay=False))
def command(run_yaml: str | None) -> None:
    """Check RUN_YAML without opening anything. Exit status 2 when there are complaints."""
    _, source = load_or_exit(run_yaml)
    click.echo(f"{source}: nothing to complain about.")
