"""How far a long command is, on a terminal and in a pipe."""

import sys
from io import StringIO

import pytest

from stackwright.cli.progress import Progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def _tell() -> None:
    progress = Progress()
    progress.tell("copying a", 1, 4)
    progress.tell("copying a", 4, 4)
    progress.tell("copying b", 7, None)
    progress.end()
    progress.end()


def test_on_a_terminal_every_line_is_whole_before_the_next_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    _tell()
    shown = [line.rpartition("\x1b[K")[2] for line in terminal.getvalue().split("\n")]
    bar = "#" * 30
    assert shown == [f"{'copying a':<36} [{bar}] 4 of 4 rows", f"{'copying b':<36} [{bar}] 7 rows", ""]


def test_a_pipe_gets_a_line_when_something_begins(capsys: pytest.CaptureFixture[str]) -> None:
    _tell()
    assert capsys.readouterr().err == "copying a: 4 rows\ncopying b\n"


def test_one_row_is_a_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Progress().tell("copying", 1, 1)
    assert capsys.readouterr().err == "copying: 1 row\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress()
    for what, total in (("a", 1), ("b", None)):
        progress.tell(what, 1, total)
    progress.end()
    assert terminal.getvalue().count("] 1 of 1 row\n") == terminal.getvalue().count("] 1 row\n") == 1
