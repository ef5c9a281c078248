"""What a migration did, path by path."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["moved", "merged", "renamed", "added", "dropped", "decide"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was done, or that somebody must decide. No value of the file that may be secret is in it."""

    kind: Kind
    path: str
    words: str

    def __str__(self) -> str:
        return f"{self.kind:<8} {self.path}\n         {self.words}"


@dataclass
class Report:
    """Collects the changes. `old` says whether one of them shows that the file is an old one."""

    changes: list[Change] = field(default_factory=list)
    old: bool = False

    def add(self, kind: Kind, path: str, words: str, *, old: bool = True) -> None:
        """Note a change. One that would not be made for its own sake is not `old`."""
        self.changes.append(Change(kind, path, words))
        self.old = self.old or old
