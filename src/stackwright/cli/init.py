"""`stackwright init`: a commented run file to start from."""

import shlex
from difflib import get_close_matches
from pathlib import Path

import click

from stackwright.cli.output import table
from stackwright.config.templates import TEMPLATES, Template

_LISTED = "\n".join(f"{name:<16}{one.summary}" for name, one in TEMPLATES.items())


class _Name(click.ParamType[str]):
    """The name of a template."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in TEMPLATES:
            near = get_close_matches(value, TEMPLATES, 1)
            meant = f" Did you mean '{near[0]}'?" if near else ""
            self.fail(f"There is no template '{value}'.{meant} There are: {', '.join(TEMPLATES)}.", param, ctx)
        return value


@click.command(epilog=f"\b\nTemplates:\n{_LISTED}")
@click.option("--template", type=_Name(), default="starter", show_default=True, help="What to start from.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("run.yaml"),
    show_default=True,
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--list", "listed", is_flag=True, help="List the templates, and write nothing.")
def command(template: str, output: Path, force: bool, listed: bool) -> None:
    """Write a run file with comments, ready to be served or edited."""
    if listed:
        table(
            ["template", "what it is", "needs"],
            [(name, one.summary, ", ".join(one.needs) or "-") for name, one in TEMPLATES.items()],
        )
        return
    _write(output, TEMPLATES[template].text(template), "w" if force else "x")
    click.echo(f"Wrote {output}. {_next(TEMPLATES[template], output)}")


def _write(output: Path, text: str, mode: str) -> None:
    try:
        with output.open(mode, encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise click.ClickException(f"{output} exists. Choose another with -o, or write over it with --force.") from None
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}.") from None


def _next(template: Template, output: Path) -> str:
    serve = f"stackwright serve {shlex.quote(str(output))}"
    return f"Next: set {' and '.join(template.needs)}, then {serve}" if template.needs else f"Next: {serve}"
