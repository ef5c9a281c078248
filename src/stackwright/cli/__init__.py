"""The `stackwright` command. Each subcommand is a file, imported only when it is asked for."""

from difflib import get_close_matches
from importlib import import_module

import click

import stackwright

_COMMANDS = {
    "serve": "serve",
    "init": "init",
    "check": "check",
    "show": "show",
    "config": "config",
    "migrate": "migrate",
    "db": "db",
    "storage": "storage",
    "providers": "providers",
    "prompts": "prompts",
}


class _Lazy(click.Group):
    """A group whose commands live in modules of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"stackwright.cli.{_COMMANDS[cmd_name]}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = get_close_matches(args[0], _COMMANDS, 1)
        if near and args[0] not in _COMMANDS:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(stackwright.__version__, prog_name="stackwright")
def main() -> None:
    """The OpenAI application API on any model, with all state in databases you own."""
