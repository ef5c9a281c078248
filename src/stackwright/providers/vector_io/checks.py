"""What every vector provider demands of chunks, queries and filters, so that all refuse and match alike."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from stackwright.errors import InvalidRequest
from stackwright.ports.vectors import Chunk, Comparison, Compound, Filter, Scalar

MOST = 50
DEEPEST = 16
_INT64 = 2**63
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
}


def kind(value: Scalar) -> str:
    """Return `b`, `n` or `s`: values of different kinds are never equal. True is not 1; 1 is 1.0."""
    if isinstance(value, bool):
        return "b"
    return "s" if isinstance(value, str) else "n"


def same(one: Scalar, other: Scalar) -> bool:
    """Whether two values are equal, for a filter."""
    return kind(one) == kind(other) and one == other


def listed(comparison: Comparison) -> Sequence[Scalar]:
    """Return the values of an equality or membership test."""
    if comparison.type in ("in", "nin"):
        assert not isinstance(comparison.value, (str, int, float))
        return comparison.value
    assert isinstance(comparison.value, (str, int, float))
    return [comparison.value]


def check_filter(where: Filter, depth: int = 1) -> None:
    """Raise `InvalidRequest` for a filter no provider takes."""
    if depth > DEEPEST:
        raise _refused(f"Filters nest at most {DEEPEST} deep.")
    if isinstance(where, Compound):
        if where.type not in ("and", "or"):
            raise _refused(f"Unknown compound filter {where.type!r}; there are 'and' and 'or'.")
        if not where.filters:
            raise _refused(f"An {where.type!r} filter needs at least one filter in it.")
        for part in where.filters:
            check_filter(part, depth + 1)
        return
    if where.type in _ORDER:
        if not isinstance(where.value, (int, float)) or isinstance(where.value, bool):
            raise _refused(f"{where.type!r} compares numbers; {where.key!r} is compared with {where.value!r}.")
    elif where.type not in ("eq", "ne", "in", "nin"):
        raise _refused(f"Unknown comparison {where.type!r}; there are eq, ne, gt, gte, lt, lte, in and nin.")
    elif (where.type in ("in", "nin")) != isinstance(where.value, (list, tuple)):
        raise _refused(f"{where.type!r} takes {'a list' if where.type in ('in', 'nin') else 'one value'}.")
    for value in [where.value] if where.type in _ORDER else listed(where):
        _check_scalar(value, where.key)


def matches(where: Filter, attributes: Mapping[str, Scalar]) -> bool:
    """Whether a chunk with these attributes passes a checked filter."""
    if isinstance(where, Compound):
        return (all if where.type == "and" else any)(matches(part, attributes) for part in where.filters)
    if (value := attributes.get(where.key)) is None:
        return False
    if order := _ORDER.get(where.type):
        return kind(value) == "n" and order(value, where.value)  # type: ignore[arg-type]
    found = any(same(value, other) for other in listed(where))
    return found if where.type in ("eq", "in") else not found


def check_limit(limit: int) -> None:
    """Raise `InvalidRequest` unless 1 to 50 matches are wanted."""
    if not 1 <= limit <= MOST:
        raise InvalidRequest(f"'limit' is 1 to {MOST}, not {limit}.", param="limit")


def direction(embedding: Sequence[float], dimensions: int, of: str) -> list[float]:
    """Return an embedding at unit length; all zeros stays so, and is at right angles to everything.

    Raises:
        InvalidRequest: It has not `dimensions`, or is not finite.
    """
    if len(embedding) != dimensions:
        raise InvalidRequest(f"{of} has {len(embedding)} dimensions, the index has {dimensions}.", param="embedding")
    length = math.hypot(*embedding)
    if not math.isfinite(length):
        raise InvalidRequest(f"{of} is not finite.", param="embedding")
    return [value / length for value in embedding] if length else [0.0] * dimensions


def ready(chunks: Sequence[Chunk], dimensions: int) -> Iterator[Chunk]:
    """Yield chunks checked and at unit length; of those with the same id the last one."""
    for chunk in {chunk.id: chunk for chunk in chunks}.values():
        if not chunk.id:
            raise InvalidRequest("A chunk's id must not be empty.", param="id")
        for key, value in chunk.attributes.items():
            _check_scalar(value, key)
        yield msgspec.structs.replace(
            chunk, embedding=direction(chunk.embedding, dimensions, f"The embedding of chunk {chunk.id!r}")
        )


def score(distance: float) -> float:
    """Turn a cosine distance into (1 + cos) / 2, rounding errors cut off."""
    return min(1.0, max(0.0, 1 - distance / 2))


def _check_scalar(value: object, key: str) -> None:
    if isinstance(value, bool | str):
        return
    if not isinstance(value, int | float) or not math.isfinite(value) or abs(value) >= _INT64:
        raise _refused(f"Attribute {key!r} is a string, a boolean, or a finite number below 2**63, not {value!r}.")


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="attributes")
