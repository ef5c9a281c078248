"""The pages of the documentation, as blocks of code between fences."""

import re
from pathlib import Path
from typing import NamedTuple

from tests.house.sources import ROOT

GENERATED = ROOT / "docs" / "reference"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
WRITTEN = [page for page in PAGES if not page.is_relative_to(GENERATED)]
"""Pages that people wrote: what they show is also done."""

_FENCED = re.compile(r"^```(\w+)(?: title=\"([^\"\n]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """What stands between two fences."""

    page: Path
    line: int
    language: str
    title: str
    """Name of a file to write; `in` before it when the block is to replace what it has of the file."""
    text: str

    @property
    def place(self) -> str:
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """Return how a page is called."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks, in order."""
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start(3)) + 1, found[1], found[2] or "", found[3])
        for found in _FENCED.finditer(text)
    ]


def links(page: Path) -> list[str]:
    """Return the addresses a page links to, those in code excepted."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", _FENCED.sub("", page.read_text())))


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    heads = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
