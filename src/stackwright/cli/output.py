"""Tables and refusals on the terminal."""

import asyncio
import sys
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import click

from stackwright.errors import StackwrightError

T = TypeVar("T")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; on a terminal it fits the width, elsewhere nothing is cut."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 240)
    console.print(drawn, highlight=False)


def run_or_exit(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` and return its result. A failure is printed, without a traceback, and exits with status 1."""
    try:
        return asyncio.run(work)
    except StackwrightError as error:
        click.echo(error.message, err=True)
        sys.exit(1)
