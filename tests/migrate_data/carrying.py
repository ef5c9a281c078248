"""`stackwright migrate` and `migrate data`, as somebody at a shell runs them one after the other."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from stackwright.config.migrate import migrate
from stackwright.providers.registry import TYPES
from tests.cli.command import Done, run
from tests.migrate_data.releases import Old


class Carried(NamedTuple):
    """How it went."""

    status: int
    report: dict[str, Any]
    progress: str

    def counts(self) -> dict[str, tuple[int, int, int, int]]:
        """Return new, present, conflicting and refused rows by kind."""
        return {
            one["what"]: (one["new"], one["present"], len(one["conflicts"]), len(one["not_carried"]))
            for one in self.report["carried"]
        }


def rewrite(old: Old) -> tuple[Path, str]:
    """Migrate the run file; return the new one, and what is in it."""
    new, text = old.path.with_name("new.yaml"), migrate(old.path.read_text(), types=TYPES).text
    new.write_text(text)
    return new, text


def command(old: Old, new: Path, *options: str) -> Done:
    """Run `migrate data`."""
    return run(old.path.parent, "migrate", "data", "--from", old.path, "--to", new, *options, **old.environ)


def carry(old: Old, new: Path, *options: str) -> Carried:
    """Run `migrate data`, and read what it says of itself."""
    done = command(old, new, "--json", *options)
    assert done.stdout, done.stderr
    return Carried(done.returncode, json.loads(done.stdout), done.stderr)


def killed(old: Old, new: Path, when: Callable[[], bool]) -> None:
    """Start `migrate data`, and kill it as soon as something is the case."""
    command = [sys.executable, "-m", "stackwright", "migrate", "data", "--from", str(old.path), "--to", str(new)]
    environ = {**os.environ, "HOME": str(new.parent)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        while not when() and running.poll() is None:
            signal.sigtimedwait([], 0.005)
        running.kill()
    assert running.returncode == -signal.SIGKILL, "it was done before it could be killed"
