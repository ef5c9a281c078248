"""What became of every row."""

import hashlib
from dataclasses import dataclass, field

import msgspec

_encode = msgspec.json.Encoder(order="sorted").encode


class Why(msgspec.Struct):
    """A row that was not carried over, or differs from the one that is there."""

    id: str
    why: str


class Checksum(msgspec.Struct):
    """A sum over rows that does not depend on their order."""

    total: int = 0

    def add(self, row: object) -> None:
        """Count a row in."""
        digest = hashlib.blake2b(_encode(row), digest_size=16).digest()
        self.total = (self.total + int.from_bytes(digest, "big")) % (1 << 128)

    def __str__(self) -> str:
        return f"{self.total:032x}"


@dataclass
class Tally:
    """The rows of one kind in one place. Each is new, present, a conflict or refused."""

    what: str
    where: str
    rows: int = 0
    """How many there are, as the place says itself."""
    new: int = 0
    present: int = 0
    conflicts: list[Why] = field(default_factory=list)
    """Rows whose id is taken by another content. Nothing was changed."""
    refused: list[Why] = field(default_factory=list)
    """Rows that cannot be rows of ours."""
    owned: int = 0
    """Rows that had an owner in Llama Stack; all of the tenant sees them now."""
    read: Checksum = field(default_factory=Checksum)
    """Of the new and the present rows, as they were read from the old place."""
    kept: Checksum | None = None
    """Of the same rows, as they were read back; None in a dry run."""

    @property
    def good(self) -> bool:
        """True when every row is there, and is what it was."""
        return not self.conflicts and not self.refused and (self.kept is None or self.kept == self.read)


@dataclass(frozen=True)
class Left:
    """What stays where it is."""

    what: str
    where: str
    rows: int
    why: str


@dataclass
class Report:
    """What became of everything."""

    dry_run: bool
    tallies: list[Tally] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    aside: list[tuple[str, str]] = field(default_factory=list)
    """Tables of Llama Stack's that were in the way: their names, and what they are called now."""

    @property
    def good(self) -> bool:
        """True when no row is in conflict, none was refused, and all were read back."""
        return all(tally.good for tally in self.tallies)
