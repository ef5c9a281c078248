"""Several worker processes behind one listening socket: start them, replace those that die, stop them together."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

log = logging.getLogger(__name__)

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that tells prometheus_client where workers leave their figures."""

ENOUGH = signal.SIGUSR1
"""What a worker is sent that is to wait no longer. A second SIGTERM would not do: systemd, and a terminal with its
SIGINT, send theirs to every process, and so a worker has two although nobody lost patience."""

_POLL = 0.1
_SHORT_LIFE = 2.0
_MAX_EARLY_DEATHS = 5


class Supervisor:
    """Keeps `count` workers alive until it is told to stop."""

    def __init__(self, command: Sequence[str], sock: socket.socket, *, count: int, environ: Mapping[str, str]) -> None:
        """`command` follows `python -m stackwright`; each worker gets the socket as `--fd`, one `--table` too."""
        sock.set_inheritable(True)
        self._command = [sys.executable, "-m", "stackwright", *command, "--fd", str(sock.fileno())]
        self._command += ["--supervisor", str(os.getpid())]
        self._fd = sock.fileno()
        self._environ = dict(environ)
        self._count = count
        self._workers: dict[subprocess.Popen[bytes], float] = {}
        self._early_deaths = 0
        self._stopping = False
        self._draining = False
        self._shows_table: subprocess.Popen[bytes] | None = None

    def run(self, *, grace: float) -> int:
        """Run until SIGTERM or SIGINT, then wait for the workers to drain. Returns the exit status."""
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self._stop)
        while not self._stopping:
            self._reap()
            if self._early_deaths > _MAX_EARLY_DEATHS:
                log.error("Workers end as soon as they start; giving up.")
                break
            while len(self._workers) < self._count and not self._stopping:
                self._start()
            time.sleep(_POLL)
        self._tell(signal.SIGTERM)
        self._draining = True
        self._wait(grace)
        return 0 if self._stopping else 1

    def _stop(self, sig: int, frame: FrameType | None) -> None:
        self._stopping = True
        if self._draining:
            self._tell(ENOUGH)

    def _tell(self, sig: int) -> None:
        for worker in self._workers:
            worker.send_signal(sig)

    def _start(self) -> None:
        command = self._command if self._shows_table else [*self._command, "--table"]
        worker = subprocess.Popen(command, pass_fds=[self._fd], env=self._environ)  # noqa: S603 - our own command
        self._shows_table = self._shows_table or worker
        self._workers[worker] = time.monotonic()

    def _reap(self) -> None:
        for worker, started in list(self._workers.items()):
            if worker.poll() is None:
                continue
            del self._workers[worker]
            mark_process_dead(worker.pid, self._environ[METRICS_FOLDER])  # type: ignore[no-untyped-call]
            early = time.monotonic() - started < _SHORT_LIFE
            self._early_deaths = self._early_deaths + 1 if early else 0
            if early and worker is self._shows_table:
                # Perhaps it had not come to it.
                self._shows_table = None
            log.warning("Worker %s ended with status %s; starting another.", worker.pid, worker.returncode)

    def _wait(self, grace: float) -> None:
        deadline = time.monotonic() + grace + 5
        for worker in self._workers:
            try:
                worker.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
