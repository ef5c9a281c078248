"""The changes that move the default and the labels."""

from collections.abc import Mapping
from typing import Any

from stackwright.areas.prompts.failures import NotAsExpected, Yanked
from stackwright.areas.prompts.ledger import Ledger, Who, Written
from stackwright.areas.prompts.rows import PromptRow, VersionRow, json_text
from stackwright.areas.prompts.selecting import LATEST, check_label, number_of
from stackwright.areas.prompts.types import Selector
from stackwright.errors import InvalidRequest
from stackwright.storage.sql import Script

MAX_LABELS = 100


class Pointing:
    """The scripts. They do no I/O."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def set_default(self, who: Who, reference: str, selector: Selector, expected: int | None) -> Script[Written]:
        """Point the default at a version and pin it, or let it follow the latest."""
        held = yield from self._ledger.held(who, reference)
        row = held.row
        if expected is not None and row.default_version != expected:
            raise NotAsExpected("default", "default", row.default_version, expected)
        version = yield from self._choosable(who, row, number_of(row, selector))
        policy = "follow" if selector == LATEST else "pinned"
        data = {"version": version.version, "before": row.default_version, "policy": policy}
        fields: dict[str, Any] = {"default_version": version.version, "default_policy": policy}
        return Written((yield from self._ledger.change(who, held, "prompt.default.set", data, **fields)), version)

    def set_label(
        self, who: Who, reference: str, label: str, selector: Selector, expected: int | None, *, checked: bool
    ) -> Script[PromptRow]:
        """Point a label at a version. With `checked`, only if it points at `expected` now (None: at nothing)."""
        check_label(label)
        held = yield from self._ledger.held(who, reference)
        labels = held.row.label_versions
        if checked and labels.get(label) != expected:
            raise NotAsExpected("label", f"label '{label}'", labels.get(label), expected)
        version = yield from self._choosable(who, held.row, number_of(held.row, selector))
        data = {"label": label, "version": version.version, "before": labels.get(label)}
        kept = packed_labels(labels | {label: version.version})
        return (yield from self._ledger.change(who, held, "prompt.label.set", data, labels=kept))

    def drop_label(self, who: Who, reference: str, label: str, expected: int | None) -> Script[PromptRow]:
        """Take a label away; with `expected`, only if it points there."""
        held = yield from self._ledger.held(who, reference)
        labels = held.row.label_versions
        before = number_of(held.row, label) if label not in labels else labels.pop(label)
        if expected is not None and before != expected:
            raise NotAsExpected("label", f"label '{label}'", before, expected)
        data = {"label": label, "before": before}
        return (yield from self._ledger.change(who, held, "prompt.label.deleted", data, labels=json_text(labels)))

    def _choosable(self, who: Who, row: PromptRow, number: int) -> Script[VersionRow]:
        version = yield from self._ledger.version(who, row, number)
        if version.yanked:
            raise Yanked(number, version.yank_reason)
        return version


def packed_labels(labels: Mapping[str, int]) -> str:
    """Return labels as they are kept. `InvalidRequest` when they are too many."""
    if len(labels) > MAX_LABELS:
        raise InvalidRequest(f"A prompt can have at most {MAX_LABELS} labels.", param="labels")
    return json_text(labels)
