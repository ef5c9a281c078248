"""JSON schemas before llama.cpp makes a grammar of them: what would hang, crash or litter it is refused by its place.

Its converter takes contradictory bounds for endless loops, recurses with references and names until the stack ends,
prints to standard error what it cannot read, and cannot be stopped.
"""

import re
from collections.abc import Iterator
from typing import Any, NoReturn

from stackwright.errors import InvalidRequest
from stackwright.providers.inference.llama_pattern import BadPattern, weight

MOST = 1000
"""Repetitions, and the weight of a pattern."""
MOST_WAYS = 250
"""Each costs a look at the whole vocabulary, for every token."""
MOST_VALUES = 2000
MOST_COST = 10_000
LONGEST_NAME = 256
MOST_REFERENCES = 50
LARGEST = 10**18

COUNTS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))
NAMED = ("properties", "patternProperties", "dependentSchemas")
PLAIN = ("$defs", "definitions", "const", "enum", "default", "examples", "required")
"""Keys below which no schema is, or one only where a reference leads to it."""

Schema = dict[str, Any]


class BadSchema(InvalidRequest):
    """A schema that no grammar can be made of. `param` names the place in it."""

    code = "invalid_json_schema"


class Schemas:
    """All schemas of one request: together they may cost so much and no more."""

    def __init__(self) -> None:
        self._values = self._cost = 0

    def check(self, root: Schema, place: str) -> None:
        """Refuse a schema that llama.cpp could not take. `BadSchema` says which part and why."""
        self._values += sum(1 for _ in _values(root))
        if self._values > MOST_VALUES:
            _refuse(place, f"is one too many: together the schemas hold more than {MOST_VALUES} values")
        known: dict[int, int] = {}
        for part, here in _parts(root, place):
            _check_numbers(part, here)
            self._cost += _check_names(part, here) + _counted(part) + _check_pattern(part, here)
            if self._cost > MOST_COST:
                _refuse(here, "makes the grammar too large: use fewer properties and smaller bounds")
            if _ways(part, root, here, (), known) > MOST_WAYS:
                _refuse(here, f"leaves more than {MOST_WAYS} choices in one place")


def _refuse(place: str, why: str) -> NoReturn:
    place = place if len(place) <= 200 else f"{place[:200]}..."
    raise BadSchema(f"Invalid schema: '{place}' {why}.", param=place)


def _values(value: Any) -> Iterator[Any]:
    """Yield everything in a JSON value, itself included. Its depth has been checked before."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _values(inner)


def _parts(root: Schema, place: str) -> Iterator[tuple[Schema, str]]:
    """Yield every schema in a schema, each once, with its place; references are followed."""
    waiting: list[tuple[Any, str]] = [(root, place)]
    seen: set[int] = set()
    while waiting:
        part, here = waiting.pop()
        if isinstance(part, list):
            waiting += [(inner, f"{here}[{index}]") for index, inner in enumerate(part)]
        elif isinstance(part, dict) and id(part) not in seen:
            seen.add(id(part))
            yield part, here
            if "$ref" in part:
                waiting.append((_target(part["$ref"], root, here), f"{here}.$ref"))
            waiting += _inner(part, here)


def _inner(part: Schema, here: str) -> Iterator[tuple[Any, str]]:
    for key, value in part.items():
        if key in NAMED and isinstance(value, dict):
            yield from ((inner, f"{here}.{key}.{name}") for name, inner in value.items())
        elif key not in PLAIN:
            yield value, f"{here}.{key}"


def _target(reference: Any, root: Schema, here: str) -> Any:
    """Return what a `$ref` names, in the same document: `#/$defs/name`."""
    if not isinstance(reference, str) or not reference.startswith("#/") or len(reference) > LONGEST_NAME:
        _refuse(f"{here}.$ref", "is no reference into the same schema, like '#/$defs/name'")
    found: Any = root
    for name in reference[2:].split("/"):
        if isinstance(found, list) and re.fullmatch(r"[0-9]{1,4}", name) and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            _refuse(f"{here}.$ref", "leads nowhere")
    if not isinstance(found, dict):
        _refuse(f"{here}.$ref", "leads to no schema")
    return found


def _check_numbers(part: Schema, here: str) -> None:
    for least, most in COUNTS:
        for name in (least, most):
            if name in part and not (type(part[name]) is int and 0 <= part[name] <= MOST):
                _refuse(f"{here}.{name}", f"is no whole number from 0 to {MOST}")
        if part.get(least, 0) > part.get(most, MOST):
            _refuse(f"{here}.{least}", f"is more than '{most}'")
    bounds: list[list[float]] = [[], []]
    for name, side, step in (
        ("minimum", 0, 0),
        ("exclusiveMinimum", 0, 1),
        ("maximum", 1, 0),
        ("exclusiveMaximum", 1, -1),
    ):
        if name in part:
            if type(part[name]) not in (int, float) or not -LARGEST <= part[name] <= LARGEST:
                _refuse(f"{here}.{name}", f"is no number between {-LARGEST} and {LARGEST}")
            bounds[side].append(int(part[name]) + step)
    if bounds[0] and bounds[1] and max(bounds[0]) > min(bounds[1]):
        _refuse(here, "allows no number: its minimum is more than its maximum")


def _check_names(part: Schema, here: str) -> int:
    """Return what the properties cost: each optional one is a rule that names all after it."""
    names = part.get("properties")
    if not isinstance(names, dict):
        return 0
    if any(len(name) > LONGEST_NAME for name in names):
        _refuse(f"{here}.properties", f"has a name of more than {LONGEST_NAME} characters")
    return len(names) ** 2 // 40


def _counted(part: Schema) -> int:
    return 1 + sum(int(max(part.get(least, 0), part.get(most, 0))) for least, most in COUNTS)


def _check_pattern(part: Schema, here: str) -> int:
    if not isinstance(pattern := part.get("pattern", "^$"), str):
        _refuse(f"{here}.pattern", "is no text")
    try:
        cost = weight(pattern)
    except BadPattern as bad:
        _refuse(f"{here}.pattern", str(bad))
    if cost > MOST:
        _refuse(f"{here}.pattern", f"repeats too much: written out it has more than {MOST} parts")
    return cost


def _ways(part: Any, root: Schema, here: str, trail: tuple[str, ...], known: dict[int, int]) -> int:
    """Return how many rules a value may follow from its first character: all of them are tried at once."""
    if not isinstance(part, dict):
        return 1
    if id(part) in known:
        return known[id(part)]
    if "$ref" in part:
        if part["$ref"] in trail or len(trail) > MOST_REFERENCES:
            _refuse(here, "refers to itself, or through too many others")
        ways = _ways(_target(part["$ref"], root, here), root, here, (*trail, part["$ref"]), known)
    else:
        lists = [part[key] for key in ("anyOf", "oneOf", "allOf") if isinstance(part.get(key), list)]
        chosen = sum(_ways(inner, root, here, trail, known) for several in lists for inner in several)
        ways = max(1, chosen, *(len(part[key]) for key in ("enum", "type") if isinstance(part.get(key), list)))
    known[id(part)] = ways
    return ways
