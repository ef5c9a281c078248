"""Which version a selector means. A label that does not exist is an error, never another version."""

import re
from collections.abc import Mapping
from typing import Protocol

from stackwright.areas.prompts.failures import UnknownLabel, UnknownVersion
from stackwright.areas.prompts.types import LABEL, Selector
from stackwright.errors import InvalidRequest

DRAFT = "draft"
LATEST = "latest"
_LABEL = re.compile(LABEL)
RESERVED = (LATEST, DRAFT, "default")


class Pointed(Protocol):
    """What a selector is looked up in."""

    @property
    def id(self) -> str: ...
    @property
    def default_version(self) -> int: ...
    @property
    def latest_version(self) -> int: ...
    @property
    def label_versions(self) -> Mapping[str, int]: ...


def number_of(prompt: Pointed, selector: Selector) -> int:
    """Return the version's number. The version itself may be missing when the selector is a number.

    Raises:
        UnknownLabel: No such label.
        InvalidRequest: `draft`, which has no number.
    """
    if selector is None or selector == "" or selector == "default":
        return prompt.default_version
    if type(selector) is int:
        return selector
    assert isinstance(selector, str)
    if selector == LATEST:
        return prompt.latest_version
    if selector.isascii() and selector.isdecimal():
        if len(selector) > 10:
            raise UnknownVersion(prompt.id, selector, prompt.latest_version)
        return int(selector)
    if selector == DRAFT:
        raise InvalidRequest("A draft has no number: publish it first.", param="version")
    labels = prompt.label_versions
    if selector not in labels:
        raise UnknownLabel(prompt.id, selector, labels)
    return labels[selector]


def check_label(name: str) -> None:
    """Raise `InvalidRequest` for what is no name of a label, or means something else already."""
    if not _LABEL.fullmatch(name):
        raise InvalidRequest(
            f"Invalid label '{name}': expected a string that matches the pattern '^{LABEL}$'.", param="label"
        )
    if name in RESERVED:
        raise InvalidRequest(
            f"Invalid label '{name}': {', '.join(RESERVED)} have a meaning of their own.", param="label"
        )


def checked_name(name: str | None) -> str | None:
    """Return a prompt's name. `InvalidRequest` for one that would be taken for an id or a route."""
    if name is not None and (name.startswith("pmpt_") or name in ("import", "export")):
        raise InvalidRequest(f"Invalid name '{name}': it would be taken for something else.", param="name")
    return name
