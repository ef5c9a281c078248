"""Filters over the attributes of chunks as SQL, for SQLite."""

from collections.abc import Callable

from stackwright.ports.vectors import Comparison, Compound, Filter, Scalar
from stackwright.providers.vector_io.checks import kind, listed
from stackwright.storage.sql import Value

_ATTRIBUTE = "EXISTS (SELECT 1 FROM json_each(v.attributes) a WHERE a.key = ? AND {test})"
_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def condition(where: Filter, args: list[Value]) -> str:
    """Return SQL for a checked filter over `v.attributes`, and add what it asks for to `args`."""
    if isinstance(where, Compound):
        return f"({f' {where.type} '.join(condition(part, args) for part in where.filters)})"
    args.append(where.key)
    # The row of a key exists only where the attribute does: what is not there never matches, whatever the test.
    return _ATTRIBUTE.replace("{test}", _test(where, args))


def _test(where: Comparison, args: list[Value]) -> str:
    if operator := _OPERATORS.get(where.type):
        args.append(where.value)  # type: ignore[arg-type]
        return f"a.type IN ('integer', 'real') AND a.value {operator} ?"
    one_of = " OR ".join([_equals(value, args) for value in listed(where)]) or "FALSE"
    return f"({one_of})" if where.type in ("eq", "in") else f"NOT ({one_of})"


_TYPES: dict[str, Callable[[Scalar], str]] = {
    "b": lambda value: f"a.type = '{'true' if value else 'false'}'",
    "n": lambda value: "a.type IN ('integer', 'real') AND a.value = ?",
    "s": lambda value: "a.type = 'text' AND a.value = ?",
}


def _equals(value: Scalar, args: list[Value]) -> str:
    if kind(value) != "b":
        args.append(value)
    return f"({_TYPES[kind(value)](value)})"
