"""The benchmark runs; its figures are for machines that do nothing else."""

import subprocess
import sys

from bench.rows import ROWS

from tests.house.sources import ROOT


def test_every_row_of_the_benchmark_can_be_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.run", "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=180
    )

    assert done.returncode == 0, done.stderr
    table = [line.split("|")[1].strip() for line in done.stdout.splitlines()]
    assert {row.name for row in ROWS} <= set(table)
    assert {
        f"{row} ({database})"
        for database in ("SQLite", "Postgres")
        for row in (
            "get stored",
            "list 20 of 1,000 items",
            "append 1 item",
            "response on a chain of 200",
            "response in the background",
        )
    } <= set(table)
    assert {"first chunk, over direct", "cold start to first 200", "idle memory", "installed, core"} <= set(table)
