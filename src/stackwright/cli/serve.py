"""`stackwright serve`: from a run file to a server."""

import os
import shutil
import socket
import sys
import tempfile
from urllib.parse import urlsplit

import click

from stackwright.cli.runfile import load_or_exit
from stackwright.config.runfile import RunFile
from stackwright.config.server import exposure, port_in

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104 - it is compared with, not listened on


@click.command()
@click.argument("run_yaml", required=False, type=click.Path(dir_okay=False))
@click.option("--host", help="Address to listen on, instead of the run file's.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, instead of the run file's.")
@click.option("--workers", type=click.IntRange(1), help="Server processes, instead of the run file's.")
@click.option("--log-requests/--no-log-requests", default=None, help="One line a request; on a terminal by default.")
@click.option("--fd", type=int, hidden=True, help="The listening socket, from the supervisor.")
@click.option("--supervisor", type=int, hidden=True, help="The process without which a worker must not live.")
@click.option("--table", is_flag=True, hidden=True, help="Print the start table although the socket is given.")
def command(
    run_yaml: str | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    log_requests: bool | None,
    fd: int | None,
    supervisor: int | None,
    table: bool,
) -> None:
    """Serve RUN_YAML; without it $STACKWRIGHT_HOME/run.yaml, else the built-in starter."""
    run, source = load_or_exit(run_yaml, served=True)
    host = host or run.server.host
    port = run.server.port if port is None else port
    workers = workers or run.server.workers
    human = sys.stderr.isatty()
    log_requests = human if log_requests is None else log_requests
    if fd is not None:
        sock = socket.socket(fileno=fd)
        sys.exit(_work(run, source, sock, workers, log_requests, table=table, supervisor=supervisor))
    _refuse_exposure(run, host)
    _refuse_itself(run, host, port)
    sock = _listen(host, port)
    if workers == 1:
        sys.exit(_work(run, source, sock, 1, log_requests, table=True))
    sys.exit(_supervise(run, run_yaml, sock, workers, log_requests))


def _refuse_exposure(run: RunFile, host: str) -> None:
    wrong = port_in(host) or exposure(host, run.server.auth)
    if wrong:
        click.echo(f"--host  {wrong}", err=True)
        sys.exit(2)


def _refuse_itself(run: RunFile, host: str, port: int) -> None:
    """Refuse a vendor that is this server: whoever exports OPENAI_BASE_URL for a client would get one."""
    mine = {host, *(_LOOPBACK if host in (*_LOOPBACK, *_ANY) else ())}
    for number, entry in enumerate(run.providers.get("inference", ())):
        url = urlsplit(getattr(entry.config, "base_url", None) or "")
        if url.hostname in mine and url.port == port:
            click.echo(
                f"providers.inference[{number}].config.base_url  This is the server's own address, which would ask "
                "itself for models. Give the vendor's; for the built-in starter, unset OPENAI_BASE_URL.",
                err=True,
            )
            sys.exit(2)


def _listen(host: str, port: int) -> socket.socket:
    from stackwright.app.server import listen

    try:
        return listen(host, port)
    except OSError as error:
        click.echo(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.", err=True)
        sys.exit(1)


def _work(
    run: RunFile,
    source: str,
    sock: socket.socket,
    workers: int,
    log_requests: bool,
    *,
    table: bool,
    supervisor: int | None = None,
) -> int:
    from stackwright.app.process import run_worker

    return run_worker(run, source, sock, workers=workers, log_requests=log_requests, table=table, supervisor=supervisor)


def _supervise(run: RunFile, run_yaml: str | None, sock: socket.socket, workers: int, log_requests: bool) -> int:
    from stackwright.app.logging import configure
    from stackwright.app.supervisor import METRICS_FOLDER, Supervisor
    from stackwright.config.secret import known_secrets

    configure(known_secrets, human=sys.stderr.isatty())
    metrics = tempfile.mkdtemp(prefix="stackwright-metrics-")
    command = ["serve", *([run_yaml] if run_yaml else []), "--workers", str(workers)]
    command.append("--log-requests" if log_requests else "--no-log-requests")
    try:
        supervisor = Supervisor(command, sock, count=workers, environ={**os.environ, METRICS_FOLDER: metrics})
        return supervisor.run(grace=run.server.grace_seconds)
    finally:
        shutil.rmtree(metrics, ignore_errors=True)
