"""What is wrong with a run file: where, what, and what would be right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from stackwright.config.locate import Node


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong, at one place. `line` and `column` count from 1; `path` is empty for the file as such."""

    file: str
    line: int
    column: int
    path: str
    message: str
    old: bool = False
    """Whether this is of a layout that `stackwright migrate` rewrites."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        head = f"{where}  {self.path}" if self.path else where
        return "\n    ".join([head, *self.message.splitlines()])


class RunFileError(Exception):
    """The run file cannot be used. Nothing was opened. No value that could be a secret is in it."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        self.complaints = sorted(complaints, key=lambda c: (c.line, c.column))
        super().__init__("\n".join(map(str, self.complaints)))


class Report:
    """Collects the complaints about one file, at most one for each value."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.complaints: list[Complaint] = []

    def at(self, line: int, column: int, path: str, message: str) -> None:
        """Complain about a place that no node stands for."""
        self.complaints.append(Complaint(self.file, line, column, path, message))

    def value(self, node: Node, message: str) -> None:
        """Complain about a value, unless somebody did already."""
        if not node.faulty:
            node.faulty = True
            self.at(node.line, node.column, node.path, message)

    def key(self, node: Node, message: str) -> None:
        """Complain about a key."""
        node.faulty = True
        self.at(*node.key, node.path, message)

    def outdated(self, node: Node, message: str) -> None:
        """Complain about a key of an older layout."""
        node.faulty = True
        self.complaints.append(Complaint(self.file, *node.key, node.path, message, old=True))

    def missing(self, node: Node, field: str, message: str) -> None:
        """Complain about a key that is not there."""
        self.at(node.line, node.column, f"{node.path}.{field}".lstrip("."), message)

    def fail(self) -> NoReturn:
        """Raise what was collected."""
        raise RunFileError(self.complaints)
