"""`stackwright config`: about the run file's format."""

import click


@click.group()
def command() -> None:
    """About the run file's format."""


@command.command()
def schema() -> None:
    """Print the JSON Schema of run files, for editors."""
    import json

    from stackwright.config.schema import json_schema
    from stackwright.providers.registry import TYPES

    click.echo(json.dumps(json_schema(TYPES), indent=2))
