"""`stackwright check`: is the run file right, and do its databases answer?"""

import sys
from typing import TYPE_CHECKING

import click

from stackwright.cli.output import run_or_exit, table, troubles
from stackwright.cli.runfile import load_or_exit

if TYPE_CHECKING:
    from stackwright.app.inspect import BackendRow


@click.command()
@click.argument("run_yaml", required=False, type=click.Path(dir_okay=False))
@click.option("--connect", is_flag=True, help="Connect to every backend too. Exit status 1 when one does not answer.")
def command(run_yaml: str | None, connect: bool) -> None:
    """Check RUN_YAML and print its storage catalogue. Exit status 2 when there are complaints."""
    from stackwright.app import inspect

    run, _ = load_or_exit(run_yaml)
    if not connect:
        rows = run_or_exit(inspect.catalogue(run))
        table(
            ["backend", "type", "address", "used by"], [(r.name, r.type, r.address, ", ".join(r.users)) for r in rows]
        )
        return
    rows, schemas = run_or_exit(inspect.look(run))
    versions: dict[str, list[str]] = {row.name: [] for row in rows}
    for schema in schemas:
        versions[schema.backend].append(f"{schema.store} {schema.found}")
    table(
        ["backend", "type", "address", "used by", "answers", "schema"],
        [
            (r.name, r.type, r.address, ", ".join(r.users), _answers(r), ", ".join(versions[r.name]) or "-")
            for r in rows
        ],
    )
    troubles((row.name, row.trouble) for row in rows)
    sys.exit(1 if any(row.trouble for row in rows) else 0)


def _answers(row: "BackendRow") -> str:
    if row.trouble:
        return "no"
    return "yes" if row.made else "not made yet"
