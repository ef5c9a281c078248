"""JSON as Llama Stack wrote it."""

import json
from typing import Any

import msgspec

_ARBITRARY = frozenset({"input_schema", "parameters", "schema", "variables", "arguments"})
"""What may hold any JSON, whose nulls mean something."""

_OUT_OF_RANGE = 2**53
"""What no time and no size of ours comes to. SQLite's numbers may be infinite."""


class Unfit(Exception):
    """A row that cannot be a row of ours. Its text says why."""


def named(id: object) -> str:
    """Return how a row is called in the report, whatever its id is."""
    return id.decode(errors="backslashreplace") if isinstance(id, bytes) else str(id)


def loads(given: object, column: str) -> Any:
    """Return what a JSON column holds. Its writer may have written NaN, which is not JSON and becomes null."""
    written = text(given, column)
    try:
        return msgspec.json.decode(written)
    except msgspec.DecodeError:
        pass
    except RecursionError:
        raise Unfit(f"its {column} is nested too deeply") from None
    try:
        found = json.loads(written, parse_constant=lambda _: None)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Unfit(f"its {column} has half of a character: a surrogate without the other") from None
    except (ValueError, RecursionError):
        raise Unfit(f"its {column} is not JSON") from None
    return found


def a_list(value: object, column: str) -> list[dict[str, Any]]:
    """Return a list of JSON objects."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Unfit(f"its {column} is no list of objects")
    return value


def without_nulls(value: Any) -> Any:
    """Return JSON without the keys that are null: Llama Stack writes out every field that was not given."""
    if isinstance(value, list):
        return [without_nulls(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: one if name in _ARBITRARY else without_nulls(one) for name, one in value.items() if one is not None}


def seconds(value: object, column: str) -> int:
    """Return a time in seconds."""
    if not isinstance(value, int | float):
        raise Unfit(f"its {column} is empty")
    if not abs(value) < _OUT_OF_RANGE:
        raise Unfit(f"its {column} is out of range: {value}")
    return int(value)


def text(value: object, column: str) -> str:
    """Return a text that must be there."""
    if isinstance(value, bytes):
        raise Unfit(f"its {column} is no text in UTF-8")
    if isinstance(value, str) and "\0" in value:
        raise Unfit(f"its {column} has a NUL character, which Postgres does not keep")
    if not isinstance(value, str) or not value:
        raise Unfit(f"its {column} is empty")
    return value
