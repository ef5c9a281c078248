"""What can be wrong with a prompt, in the caller's words."""

from collections.abc import Iterable, Mapping
from typing import Any

from stackwright.errors import Conflict, InvalidRequest


class UnknownPrompt(InvalidRequest):
    """The tenant has no such prompt, or it is deleted."""

    status = 404
    code = "prompt_not_found"

    def __init__(self, id: str) -> None:
        super().__init__(f"Prompt with id '{id}' not found.", param="prompt.id")


class UnknownVersion(InvalidRequest):
    """The prompt has no such version."""

    status = 404
    code = "prompt_version_not_found"

    def __init__(self, prompt_id: str, version: str, latest: int) -> None:
        super().__init__(
            f"Prompt '{prompt_id}' has no version {version}. Its latest is {latest}.", param="prompt.version"
        )


class UnknownLabel(InvalidRequest):
    """The prompt has no such label. There is no falling back to another version."""

    status = 404
    code = "prompt_label_not_found"

    def __init__(self, prompt_id: str, label: str, labels: Iterable[str]) -> None:
        there_are = ", ".join(sorted(labels)) or "none"
        super().__init__(
            f"Prompt '{prompt_id}' has no label '{label}'. Its labels: {there_are}.", param="prompt.version"
        )


class UnknownDraft(InvalidRequest):
    """The prompt has no draft."""

    status = 404
    code = "prompt_draft_not_found"

    def __init__(self, prompt_id: str) -> None:
        super().__init__(f"Prompt '{prompt_id}' has no draft.", param="prompt.version")


class Moved(Conflict):
    """Another version was published meanwhile."""

    code = "prompt_version_conflict"

    def __init__(self, base: int, latest: int) -> None:
        super().__init__(f"Version {base} is not the latest: {latest} is.", param="base_version")
        self.base = base
        self.latest = latest

    def with_details(self, differs: Mapping[str, Any]) -> "Moved":
        """Add what the caller needs to decide."""
        self.details = {"latest_version": self.latest, "differs": differs}
        return self


class PreconditionFailed(InvalidRequest):
    """The object changed since the caller read it (`If-Match`)."""

    status = 412
    code = "precondition_failed"
