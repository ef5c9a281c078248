"""Which values a field may have, and which fields an object, by the type that a body is decoded as."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from msgspec import inspect

_STEP = re.compile(r"\.([^.\[]+)|\[[^\]]*\]")

Value = str | int | None


@cache
def allowed(type: Any, path: str) -> Sequence[Value]:
    """Return the values that may stand at a path of msgspec's, such as `.items[0].role`; none where any may.

    A path does not say which of a union's kinds is meant, so these are the values of all kinds that have the field.
    """
    return list(dict.fromkeys(value for kind in _at(type, path) for value in _values(kind)))


@cache
def fields(type: Any, path: str) -> Sequence[str]:
    """Return the fields that an object at a path of msgspec's may have, whichever of a union's kinds it is."""
    structs = (kind for kind in _at(type, path) if isinstance(kind, inspect.StructType))
    return list(dict.fromkeys(field.encode_name for struct in structs for field in struct.fields))


def supported(values: Sequence[Value]) -> str:
    """Return the words for a caller who sent none of these."""
    *some, last = (repr(value) for value in values if value is not None)
    return f"Supported values are: {', '.join(some)} and {last}." if some else f"The only supported value is: {last}."


def _at(type: Any, path: str) -> Sequence[inspect.Type]:
    kinds = list(_kinds(inspect.type_info(type)))
    for step in _STEP.finditer(path):
        kinds = [inner for kind in kinds for one in _within(kind, step[1]) for inner in _kinds(one)]
    return kinds


def _kinds(type: inspect.Type) -> Iterator[inspect.Type]:
    match type:
        case inspect.UnionType():
            for one in type.types:
                yield from _kinds(one)
        case inspect.Metadata():
            yield from _kinds(type.type)
        case _:
            yield type


def _within(kind: inspect.Type, field: str | None) -> Iterator[inspect.Type]:
    """Yield what is in a field of an object, or, without one, what an array or a map consists of."""
    match kind:
        case inspect.StructType() if field is not None:
            yield from (one.type for one in kind.fields if one.encode_name == field)
            if field == kind.tag_field:
                yield inspect.LiteralType((kind.tag,))
        case inspect.CollectionType() if field is None:
            yield kind.item_type
        case inspect.DictType() if field is None:
            yield kind.value_type


def _values(kind: inspect.Type) -> Iterator[Value]:
    match kind:
        case inspect.LiteralType():
            yield from kind.values
        case inspect.EnumType():
            yield from (member.value for member in kind.cls)
