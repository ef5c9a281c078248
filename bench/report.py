"""The table: on the terminal, and in docs/performance.md."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
HEAD = ("row", "bare", "ours", "ratio", "p50 ms", "p99 ms", "req/s", "must", "goal", "")


class Times(float):
    """A target as a multiple of the bare proxy's figure in the same run."""


@dataclass(frozen=True)
class Line:
    """One row of the table. A figure that a row does not have is None."""

    name: str
    unit: str
    ours: float
    bare: float | None = None
    ratio: float | None = None
    p50: float | None = None
    p99: float | None = None
    rate: float | None = None
    must: float | None = None
    goal: float | None = None

    @property
    def verdict(self) -> str:
        """Say how the row stands to its targets."""
        if self.must is None or self.goal is None:
            return ""
        if self._within(self.goal):
            return "goal"
        return "must" if self._within(self.must) else "OVER"

    def _within(self, target: float) -> bool:
        if isinstance(target, Times):
            return self.ratio is not None and self.ratio <= target
        return self.ours <= target

    def cells(self) -> tuple[str, ...]:
        """Return the row as text."""
        unit = "" if not self.unit else f" {self.unit}"
        return (
            self.name,
            _figure(self.bare, unit),
            _figure(self.ours, unit),
            _figure(self.ratio, ""),
            *(_figure(seconds and seconds * 1e3, "") for seconds in (self.p50, self.p99)),
            _figure(self.rate, ""),
            *(_figure(target, " × bare" if isinstance(target, Times) else unit) for target in (self.must, self.goal)),
            self.verdict,
        )


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}{unit}"


def table(lines: Sequence[Line]) -> str:
    """Return the rows as a Markdown table whose columns line up."""
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]

    def text(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if at == 0 else ":") for at, width in enumerate(widths)) + "|"
    return "\n".join([text(rows[0]), rule, *map(text, rows[1:])])


def _machine() -> Iterator[str]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    yield f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores shared by everything measured"
    yield f"{platform.system()} {platform.release()}"
    yield f"Python {platform.python_version()}"
    yield from (f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "apsw", "asyncpg"))


def write(lines: Sequence[Line]) -> None:
    """Put the table into the page, in place of the last one."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    when = f"{datetime.now(UTC):%Y-%m-%d}. {', '.join(_machine())}."
    PAGE.write_text(f"{before}{BEGIN}\n{when}\n\n{table(lines)}\n{END}{after}")
