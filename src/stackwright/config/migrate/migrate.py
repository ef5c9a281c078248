"""The whole migration of a run file: storage first, then what else has another name today."""

from dataclasses import dataclass
from difflib import unified_diff

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from stackwright.config.complaint import Report as Complaints
from stackwright.config.locate import parse
from stackwright.config.migrate.adapt import Adapter
from stackwright.config.migrate.document import Document
from stackwright.config.migrate.report import Change, Report
from stackwright.config.migrate.storage import Mover
from stackwright.config.providers import Types


@dataclass(frozen=True, slots=True)
class Migration:
    """What came of a run file. Of one that was not old: the very text, and no changes."""

    old: str
    text: str
    changes: tuple[Change, ...] = ()

    @property
    def was_old(self) -> bool:
        """True when there was something to change."""
        return bool(self.changes)

    def diff(self, name: str) -> str:
        """Return the change as a unified diff."""
        before, after = self.old.splitlines(keepends=True), self.text.splitlines(keepends=True)
        return "".join(unified_diff(before, after, name, f"{name} (migrated)"))


def migrate(text: str, *, types: Types, name: str = "run.yaml", storage_only: bool = False) -> Migration:
    """Return the run file in `text` in today's layout. No variable is looked at, nothing is opened.

    Args:
        text: The YAML of the file.
        types: Provider types by name; providers of other types are left out.
        name: What complaints call the file.
        storage_only: Change only where state is kept, for a file that Llama Stack is to go on reading.

    Raises:
        RunFileError: The text is not YAML, or no mapping.
    """
    complaints = Complaints(name)
    if parse(text, complaints) is None or complaints.complaints:
        complaints.fail()
    document, report = Document.parse(text), Report()
    paths = _paths(document.root)
    adapter = None if storage_only else Adapter(document, types, report, paths)
    if adapter:
        adapter.before_storage()
    Mover(document, types if adapter else None, report, paths).move()
    if adapter:
        adapter.after_storage()
    if not report.old:
        return Migration(text, text)
    if adapter and document.root.get("version") != 2:
        _set_version(document.root)
    return Migration(text, document.render(), tuple(report.changes))


def _set_version(root: CommentedMap) -> None:
    if "version" in root:
        root["version"] = 2
    else:
        root.insert(0, "version", 2)


def _paths(root: CommentedMap) -> dict[int, str]:
    """Return where each entry of `providers:` stands in the old file."""
    providers = root.get("providers")
    sections = providers.items() if isinstance(providers, CommentedMap) else ()
    return {
        id(entry): f"providers.{api}[{at}]"
        for api, section in sections
        if isinstance(section, CommentedSeq)
        for at, entry in enumerate(section)
    }
