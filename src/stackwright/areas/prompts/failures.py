"""What can be wrong with a prompt, in the caller's words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

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


class Settled(Conflict):
    """A conflict that trying again would only meet again. OpenAI's clients try a 409 twice more when not told."""

    def __init__(self, message: str, *, param: str, code: str | None = None) -> None:
        super().__init__(message, param=param, code=code, headers={"x-should-retry": "false"})


class Moved(Settled):
    """Another version was published meanwhile."""

    code = "prompt_version_conflict"

    def __init__(self, base: int, latest: int) -> None:
        super().__init__(f"Version {base} is not the latest any more: version {latest} is.", param="base_version")
        self.base = base
        self.latest = latest

    def with_details(self, differs: Mapping[str, Any]) -> "Moved":
        """Add what the caller needs to decide."""
        self.details = {"latest_version": self.latest, "differs": differs}
        return self


class Full(Settled):
    """The prompt's newest version has the highest number there is."""

    code = "prompt_versions_exhausted"

    def __init__(self, prompt_id: str, number: int) -> None:
        super().__init__(
            f"Prompt '{prompt_id}' has a version {number}, and no higher number can be published. Create another "
            "prompt.",
            param="prompt.version",
        )


class PreconditionFailed(InvalidRequest):
    """The object changed since the caller read it (`If-Match`)."""

    status = 412
    code = "precondition_failed"


class NotAsExpected(Settled):
    """The default or a label does not point where the caller saw it point."""

    def __init__(self, kind: Literal["default", "label"], name: str, found: int | None, expected: int | None) -> None:
        is_now = "does not exist" if found is None else f"is version {found}"
        wanted = "was expected not to exist" if expected is None else f"not version {expected}"
        super().__init__(f"The {name} {is_now}, {wanted}.", param="expected_version", code=f"prompt_{kind}_conflict")


class Yanked(Settled):
    """The version was taken back: nothing may point at it."""

    code = "prompt_version_yanked"

    def __init__(self, number: int, reason: str | None) -> None:
        super().__init__(f"Version {number} was yanked{f': {reason}' if reason else ''}.", param="version")


class InUse(Settled):
    """Something points at the version, so it cannot be taken back."""

    code = "prompt_version_in_use"

    def __init__(self, number: int, users: Sequence[str]) -> None:
        them = "it" if len(users) == 1 else "them"
        super().__init__(
            f"Version {number} is in use by {', '.join(users)}: point {them} elsewhere first.", param="version"
        )


class Exists(Settled):
    """Another prompt has the id or the name."""

    code = "prompt_exists"

    def __init__(self, param: Literal["id", "name"], message: str) -> None:
        super().__init__(message, param=param)
