"""How far a long command is, on standard error: a bar on a terminal; in a pipe, a line when something begins."""

import sys
import time

import click

_EVERY = 0.1
_BAR = 30
_WIDTH = 36


def counted(rows: int) -> str:
    """Return a number of rows in words."""
    return f"{rows:,} {'row' if rows == 1 else 'rows'}"


class Progress:
    """One line that grows, and the next when something else begins."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._state: tuple[str, int, int | None] | None = None
        self._shown = 0.0

    def tell(self, what: str, done: int, total: int | None) -> None:
        """Take note: `done` rows of `total`, None where nobody knows how many there are, are dealt with."""
        if self._state is None or self._state[0] != what:
            self.end()
            if not self._terminal:
                click.echo(what if total is None else f"{what}: {counted(total)}", err=True)
        self._state = (what, done, total)
        if self._terminal and time.monotonic() - self._shown > _EVERY:
            self._show(*self._state)

    def end(self) -> None:
        """Finish the line."""
        if self._terminal and self._state is not None:
            self._show(*self._state)
            click.echo(err=True)
            self._state = None

    def _show(self, what: str, done: int, total: int | None) -> None:
        self._shown = time.monotonic()
        share = min(1.0, done / total) if total else 1.0
        count = counted(done) if total is None else f"{done:,} of {counted(total)}"
        click.echo(f"\r\x1b[K{what:<{_WIDTH}} [{'#' * int(share * _BAR):<{_BAR}}] {count}", nl=False, err=True)
