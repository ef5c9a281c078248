"""Laying out text."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], *, gap: int = 2) -> list[str]:
    """Return each row as one line, its cells in columns."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    separator = " " * gap
    return [separator.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
