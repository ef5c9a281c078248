"""All variables of a version: what a caller gives for them, checked at once."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from stackwright.areas.prompts.template import Hole, Texts, is_key
from stackwright.areas.prompts.variable import Variable, Wrong
from stackwright.errors import InvalidRequest

MASK = "[sensitive]"
"""What stands for a sensitive value wherever it would be stored, echoed or logged."""


class Values(Struct):
    """What a caller gave, checked: the text for every hole, and the images and files by variable."""

    texts: Texts
    parts: Mapping[str, dict[str, Any]]
    shown: "Values | None" = None
    """What may be kept or echoed: `MASK` in place of sensitive values. None when that is the very same."""


class Variables:
    """All variables of one version, and the holes they fill."""

    __slots__ = ("_by_name", "_holes", "_plan", "_sensitive", "_text_only", "simple")

    def __init__(self, variables: Iterable[Variable], holes: Iterable[Hole], text_only: Collection[str]) -> None:
        """`text_only` are the variables that stand where no image or file can."""
        self._by_name = {variable.name: variable for variable in variables}
        self._text_only = text_only
        self._holes: dict[str, list[Hole]] = {name: [] for name in self._by_name}
        for hole in dict.fromkeys(holes):
            self._holes[hole.name].append(hole)
        self._plan = [
            (name, one, one.plain, [hole.key for hole in self._holes[name]]) for name, one in self._by_name.items()
        ]
        self._sensitive = any(one.declaration.sensitive for one in self._by_name.values())
        plain = not self._sensitive and all(plain and keys == [name] for name, _, plain, keys in self._plan)
        self.simple = len(self._by_name) if plain else None
        """How many there are, when any text is what stands for each of them."""

    @property
    def names(self) -> list[str]:
        return list(self._by_name)

    def get(self, name: str) -> Variable:
        """Return one of them."""
        return self._by_name[name]

    def without_secrets(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a caller gave, fit for echoing and storing."""
        return {
            name: value
            for name, value in given.items()
            if name not in self._by_name or not self._by_name[name].declaration.sensitive
        }

    def check(self, given: Mapping[str, Any]) -> Values:
        """Check what a caller gave. `InvalidRequest` with everything that is wrong, at once."""
        texts: dict[str, str] = {}
        parts: dict[str, dict[str, Any]] = {}
        missing: list[str] = []
        problems: list[str] = []
        known = 0
        for name, variable, plain, keys in self._plan:
            value = given.get(name)
            if value is not None and type(value) is str and plain:
                known += 1
                for key in keys:
                    texts[key] = value
                continue
            known += name in given
            if value is None:
                value = variable.default(name in given)
            if value is not msgspec.UNSET:
                problems += self._fill(variable, value, texts, parts)
            elif variable.required:
                missing.append(name)
            else:
                texts.update(dict.fromkeys(keys, ""))
        if missing or problems or known < len(given):
            raise self._refusal(missing, problems, given)
        return Values(texts, parts, self._masked(texts, parts) if self._sensitive else None)

    def _fill(
        self, variable: Variable, value: Any, texts: dict[str, str], parts: dict[str, dict[str, Any]]
    ) -> Sequence[str]:
        """Take one value, and return what is wrong with it."""
        try:
            taken = variable.taken(value)
            if type(taken) is dict and variable.declaration.type != "json":
                if variable.name in self._text_only:
                    raise Wrong(f"{taken['type']} can stand in user messages only")
                parts[variable.name] = taken
                return ()
            for hole in self._holes[variable.name]:
                texts[hole.key] = variable.text(taken, hole.path)
        except Wrong as wrong:
            return (f"Invalid value for prompt variable '{variable.name}': {wrong}.",)
        return ()

    def _masked(self, texts: Texts, parts: Mapping[str, dict[str, Any]]) -> Values:
        shown, shown_parts = dict(texts), dict(parts)
        for name, variable, _, keys in self._plan:
            if variable.declaration.sensitive:
                shown.update(dict.fromkeys(keys, MASK))
                shown_parts.pop(name, None)
        return Values(shown, shown_parts)

    def _refusal(self, missing: Sequence[str], problems: Sequence[str], given: Mapping[str, Any]) -> InvalidRequest:
        complaints = list(problems)
        unknown = [name for name in given if name not in self._by_name]
        code = "invalid_prompt_variables"
        if unknown:
            complaints.insert(0, f"Unknown prompt variables: {_listed(unknown, self._by_name)}")
            code = "unknown_prompt_variables"
        if missing:
            complaints.insert(0, f"Missing prompt variables: {', '.join(missing)}")
            code = "missing_prompt_variables"
        message = " ".join(one if one.endswith(".") or one is complaints[-1] else f"{one}." for one in complaints)
        return InvalidRequest(message, param="prompt.variables", code=code)


def _listed(unknown: Iterable[str], known: Collection[str]) -> str:
    shown = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, 1)
        why = f" (did you mean '{near[0]}'?)" if near else _why_none(name)
        shown.append(name + why)
    return ", ".join(shown)


def _why_none(name: str) -> str:
    if is_key(name.strip()):
        return ""
    return f" (a name has letters, digits and underscores, and begins with no digit: {{{{{name}}}}} is plain text)"
