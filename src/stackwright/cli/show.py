"""`stackwright show`: the run file as it is in effect."""

import click

from stackwright.cli.runfile import load_or_exit


@click.command()
@click.argument("run_yaml", required=False, type=click.Path(dir_okay=False))
def command(run_yaml: str | None) -> None:
    """Print RUN_YAML with variables replaced, defaults filled in and secrets masked."""
    from stackwright.config.show import show

    run, _ = load_or_exit(run_yaml)
    click.echo(show(run), nl=False)
