"""`stackwright init`: a commented run file to start from."""

from pathlib import Path

import click

from stackwright.config import templates


@click.command()
@click.option("--template", type=click.Choice(templates.NAMES), default="starter", show_default=True)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("run.yaml"), show_default=True
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(template: str, output: Path, force: bool) -> None:
    """Write a run file with comments."""
    try:
        with output.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(templates.read(template))
    except FileExistsError:
        raise click.ClickException(f"{output} exists. Choose another with -o, or write over it with --force.") from None
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}.") from None
    click.echo(f"Wrote {output}. Next: stackwright serve {output}")
