"""Reading the run file. Everything is checked, all complaints come at once, and nothing is opened."""

from collections.abc import Mapping
from pathlib import Path

from stackwright.config import legacy, providers, references, sharing, together
from stackwright.config.complaint import Complaint, Report, RunFileError
from stackwright.config.env import Substitution
from stackwright.config.locate import Node, parse
from stackwright.config.providers import Types
from stackwright.config.runfile import RunFile
from stackwright.config.secret import Unresolved
from stackwright.config.server import Auth, exposure
from stackwright.config.validate import validate


def load(path: Path, *, environ: Mapping[str, str], types: Types) -> RunFile:
    """Return the run file at `path`.

    Args:
        path: The YAML file; `${file:...}` with a relative path starts at its folder.
        environ: The variables that `${env.X}` names. Kept, to read a secret again.
        types: Provider types by name. Only the named ones are looked up.

    Raises:
        RunFileError: There is something to complain about; it holds all of it.
    """
    name = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunFileError([Complaint(name, 1, 1, "", f"Cannot be read: {error.strerror}.")]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        raise RunFileError([Complaint(name, line, column, "", "Not UTF-8.")]) from None
    return loads(text, name=name, environ=environ, types=types, folder=path.parent)


def loads(
    text: str, *, name: str = "run.yaml", environ: Mapping[str, str], types: Types, folder: Path = Path()
) -> RunFile:
    """Return the run file in `text`. `name` is what complaints call it. Raises as `load` does."""
    report = Report(name)
    root = parse(text, report)
    run = _read(root, Substitution(environ, folder.absolute()), types, report) if root else None
    if run is None or report.complaints:
        report.fail()
    return run


def _read(root: Node, substitute: Substitution, types: Types, report: Report) -> RunFile | None:
    switched_off = providers.drop_switched_off(root, substitute, types, report)
    legacy.complain(root, report)
    _substitute(root, substitute, report)
    backends = references.declared(root)
    references.fill_stores(root, backends, report)
    providers.settle(root, types, backends, report)
    run = validate(RunFile, root, report)
    references.check(root, report)
    providers.check_models(root, switched_off, report)
    if run is not None:
        sharing.check(run.storage, root, report)
        together.check(run.storage, root, report)
        _check_exposure(run.server.host, run.server.auth, root, report)
    return run


def _substitute(root: Node, substitute: Substitution, report: Report) -> None:
    for node in root.walk():
        if isinstance(node.value, str):
            try:
                node.value = substitute(node.value)
            except Unresolved as error:
                report.value(node, str(error))


def _check_exposure(host: str, auth: Auth, root: Node, report: Report) -> None:
    node = root.find("server", "host")
    if node is not None and (wrong := exposure("This address" if node.value != node.text else host, auth)):
        report.value(node, wrong)
