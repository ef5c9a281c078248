"""`stackwright prompts`: the prompts of a running server."""

import click

from stackwright.cli.prompts import changing, moving, reading


@click.group()
def command() -> None:
    """List, publish, compare and move the prompts of a running server. PROMPT is an id or a name."""


for _one in (*reading.COMMANDS, *changing.COMMANDS, *moving.COMMANDS):
    command.add_command(_one)
