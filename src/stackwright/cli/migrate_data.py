"""`stackwright migrate data`: the rows of Llama Stack's stores into ours."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackwright.cli.output import run_or_exit, table
from stackwright.cli.progress import Progress, counted
from stackwright.cli.runfile import complain, environ, load_or_exit
from stackwright.config.complaint import RunFileError

if TYPE_CHECKING:
    from stackwright.app.carry import Report, Tally
    from stackwright.config.llama_stack import OldFile

_SHOWN = 20
"""Rows that are listed of one kind; JSON has all of them."""


@click.command()
@click.option("--from", "old_yaml", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="OLD.yaml")
@click.option("--to", "new_yaml", required=True, type=click.Path(dir_okay=False), metavar="NEW.yaml")
@click.option("--dry-run", is_flag=True, help="Write nothing, and report the same.")
@click.option("--set-aside", is_flag=True, help="Rename Llama Stack's tables that have the names of ours.")
@click.option("--tenant", default="default", show_default=True, help="Whose the rows are to be.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(old_yaml: Path, new_yaml: str, dry_run: bool, set_aside: bool, tenant: str, as_json: bool) -> None:
    """Carry the rows of Llama Stack's stores over: chat completions, responses, conversations, prompts, models, files.

    Reads the databases that OLD.yaml names, and the folder of files, and writes into those of NEW.yaml; at the end
    everything is read back. Stop Llama Stack first. Started again it goes on where it was, and what is there already
    stays as it is. Exit status 1 when a row could not be carried over, or another one is in its place.
    """
    from stackwright.app.carry import Options, carry

    old = _old(old_yaml)
    new, _ = load_or_exit(new_yaml)
    options = Options(tenant=tenant, dry_run=dry_run, set_aside=set_aside)
    progress = Progress()

    async def carrying() -> "Report":
        try:
            return await carry(old, new, options, progress.tell)
        finally:
            progress.end()

    report = run_or_exit(carrying())
    if as_json:
        click.echo(json.dumps(_told(report), indent=2))
    else:
        _print(report)
    backup = Path(f"{old_yaml}.bak")
    if not report.tallies and backup.exists():
        click.echo(f"{backup} is there. If it is what Llama Stack ran with, say --from {backup}.", err=True)
    sys.exit(0 if report.good else 1)


def _old(path: Path) -> "OldFile":
    from stackwright.config.llama_stack import read

    try:
        return read(path, environ=environ())
    except RunFileError as error:
        complain(error)
        sys.exit(2)


def _told(report: "Report") -> dict[str, Any]:
    return {
        "dry_run": report.dry_run,
        "good": report.good,
        "carried": [
            {
                "what": one.what,
                "where": one.where,
                "rows": one.rows,
                "new": one.new,
                "present": one.present,
                "owned": one.owned,
                "conflicts": [{"id": why.id, "why": why.why} for why in one.conflicts],
                "not_carried": [{"id": why.id, "why": why.why} for why in one.refused],
                "checksum": str(one.read),
                "checksum_read_back": None if one.kept is None else str(one.kept),
            }
            for one in report.tallies
        ],
        "left": [{"what": one.what, "where": one.where, "rows": one.rows, "why": one.why} for one in report.left],
        "set_aside": [{"table": name, "now": aside} for name, aside in report.aside],
    }


def _print(report: "Report") -> None:
    for name, aside in report.aside:
        click.echo(f"{'to be renamed' if report.dry_run else 'renamed'}  {name} to {aside}")
    if not report.tallies:
        click.echo("There is nothing of Llama Stack's to carry over.")
    else:
        columns = ["store", "rows", "new", "present", "conflicts", "not carried", "checksum", "read back", "from"]
        table(columns, map(_row, report.tallies))
    for one in report.tallies:
        _list("conflict", one.what, [(why.id, why.why) for why in one.conflicts])
        _list("not carried", one.what, [(why.id, why.why) for why in one.refused])
    for left in report.left:
        count = f"{counted(left.rows)} in " if left.rows else ""
        click.echo(f"left  {left.what} ({count}{left.where}): {left.why}.")
    if owned := sum(one.owned for one in report.tallies):
        them = "it" if owned == 1 else "them"
        click.echo(f"owned  {counted(owned)} had an owner in Llama Stack. All of the tenant sees {them} now.")
    if report.dry_run:
        click.echo("Nothing was written.")


def _row(one: "Tally") -> list[str]:
    counts = (one.rows, one.new, one.present, len(one.conflicts), len(one.refused))
    back = "-" if one.kept is None else "the same" if one.kept == one.read else str(one.kept)[:12]
    return [one.what, *(f"{count:,}" for count in counts), str(one.read)[:12], back, one.where]


def _list(word: str, what: str, rows: list[tuple[str, str]]) -> None:
    for name, why in rows[:_SHOWN]:
        click.echo(f"{word}  {what} {name}: {why.rstrip('.')}.")
    if len(rows) > _SHOWN:
        click.echo(f"{word}  {len(rows) - _SHOWN:,} more; --json lists them.")
