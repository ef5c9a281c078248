"""Laying out text."""

from collections.abc import Iterable, Sequence


def aligned(rows: Sequence[Sequence[str]], *, gap: int = 2) -> list[str]:
    """Return each row as one line, its cells in columns."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    separator = " " * gap
    return [separator.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def told_once(pairs: Iterable[tuple[str, str | None]]) -> list[str]:
    """Return `name: words` for each pair with words; names with the same words share one."""
    names: dict[str, list[str]] = {}
    for name, words in pairs:
        if words is not None:
            names.setdefault(words, []).append(name)
    return [f"{', '.join(who)}: {words}" for words, who in names.items()]
