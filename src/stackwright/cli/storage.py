"""`stackwright storage`: what the stores keep, and moving it to other backends."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from stackwright.cli.output import run_or_exit, table
from stackwright.cli.progress import Progress
from stackwright.cli.runfile import STARTER, load_or_exit

if TYPE_CHECKING:
    from stackwright.app.moving import Moved
    from stackwright.storage.copy.copying import Step


@click.group()
def command() -> None:
    """Move what the stores keep to other backends, and show how much it is."""


@command.command()
@click.argument("run_yaml", required=False, type=click.Path(dir_okay=False))
@click.option("--from", "source", required=True, help="The backend that the stores are on.")
@click.option(
    "--to", "target", required=True, help="The backend to copy to, of the same family; the file declares both."
)
@click.option("--stores", default="", help="Only these, such as prompts,responses; all of them when left out.")
@click.option("--replace", is_flag=True, help="First remove what the same stores have on the target.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def copy(run_yaml: str | None, source: str, target: str, stores: str, replace: bool, as_json: bool) -> None:
    """Copy stores to another backend, and compare both when it is done.

    Stop the servers first. A copy that was interrupted goes on where it stopped when it is started again. Exit status 1
    when the two are not the same in the end.
    """
    from stackwright.app.moving import move

    run, path = load_or_exit(run_yaml)
    only = [name.strip() for name in stores.split(",") if name.strip()]
    progress = Progress()

    def tell(step: "Step") -> None:
        progress.tell(f"{step.stage} {step.part}", step.rows, step.total)

    async def moving() -> "Moved":
        try:
            return await move(run, source, target, only=only, replace=replace, tell=tell)
        finally:
            progress.end()

    moved = run_or_exit(moving())
    if as_json:
        click.echo(json.dumps(_told(moved), indent=2))
    else:
        _print(moved, source, target, "the run file" if path == STARTER else path)


@command.command()
@click.argument("run_yaml", required=False, type=click.Path(dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(run_yaml: str | None, as_json: bool) -> None:
    """Show what every store holds: rows, bytes, and when the oldest and the newest row were made.

    Changes nothing. Exit status 1 when a database does not answer.
    """
    from stackwright.app.volume import measure

    run, _ = load_or_exit(run_yaml)
    volumes, troubles = run_or_exit(measure(run))
    if as_json:
        told = {"stores": [one._asdict() for one in volumes], "troubles": dict(troubles)}
        click.echo(json.dumps(told, indent=2))
    else:
        table(
            ["backend", "store", "holds", "rows", "bytes", "oldest", "newest"],
            [
                (one.backend, one.store, one.holds, _number(one.rows), _number(one.bytes), *map(_date, one[-2:]))
                for one in volumes
            ],
        )
    for name, trouble in troubles.items():
        click.echo(f"{name}: {trouble}", err=True)
    sys.exit(1 if troubles else 0)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _date(seconds: float | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _told(moved: "Moved") -> dict[str, Any]:
    parts = [{"store": user, **part._asdict()} for user, part in moved.copied]
    return {"parts": parts, "changes": moved.changes, "stayed": moved.stayed}


def _print(moved: "Moved", source: str, target: str, path: str) -> None:
    table(
        ["store", "holds", "rows", "copied", "digest"],
        [
            (user, part.name, str(part.rows), str(part.rows - part.present), part.digest[:12])
            for user, part in moved.copied
        ],
    )
    click.echo(f"\n{source} and {target} hold the same. To use {target}, let {path} say:\n")
    for place, reference in moved.changes.items():
        words = ", ".join(f"{key}: {json.dumps(value)}" for key, value in reference.items())
        click.echo(f"  {place}: {{{words}}}")
    if not moved.stayed:
        click.echo(
            f"\nOr, since {source} holds nothing else, give storage.backends.{source} the settings of "
            f"storage.backends.{target} and leave the stores as they are."
        )
    if any(user == "files" for user, _ in moved.copied):
        click.echo(
            "\nThe bytes of files are in no database: they stay where providers.files keeps them, and every server "
            "must reach them."
        )
    for place, why in moved.stayed.items():
        click.echo(f"\nNot copied, and still on {source}: {place} ({why}).")
