"""Tables and refusals on the terminal."""

import asyncio
import logging
import sys
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import click

from stackwright.errors import StackwrightError
from stackwright.kit.text import aligned, told_once

T = TypeVar("T")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table. Nothing is cut or wrapped, so that what it shows can be searched and copied."""
    head, *lines = aligned([[column.upper() for column in columns], *rows])
    click.echo(click.style(head, bold=True))
    for line in lines:
        click.echo(line)


def troubles(pairs: Iterable[tuple[str, str | None]]) -> None:
    """Print what is wrong with each of them, on standard error: words too long for a column of a table."""
    for line in told_once(pairs):
        click.echo(line, err=True)


def run_or_exit(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` and return its result. A failure is printed, without a traceback, and exits with status 1."""
    # The command's own output tells of a database that is away; the log would say it a second time.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        return asyncio.run(work)
    except StackwrightError as error:
        click.echo(error.message, err=True)
        sys.exit(1)
