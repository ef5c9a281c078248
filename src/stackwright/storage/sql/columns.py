"""From a struct's fields to a table's columns and back."""

import re
from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from stackwright.storage.sql import Row, Value

S = TypeVar("S", bound=msgspec.Struct)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_TYPES: dict[type[inspect.Type], str] = {
    inspect.StrType: "TEXT",
    inspect.IntType: "BIGINT",
    inspect.FloatType: "DOUBLE PRECISION",
    inspect.BoolType: "BIGINT",
    inspect.BytesType: "{bytes}",
}


class Column(NamedTuple):
    """One field of the struct as the database keeps it."""

    name: str
    declaration: str
    boolean: bool


def quoted(name: str) -> str:
    """Return a name as an SQL identifier. Only what a run file may call a table gets through."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a table or column: letters, digits and _, at most 63")
    return f'"{name}"'


def places(count: int, first: int = 1) -> str:
    """Return the places of so many values in a row: `$1, $2, $3`."""
    return ", ".join(f"${place}" for place in range(first, first + count))


def column_of(field: inspect.Field) -> Column:
    """Return how a field is kept. `str int float bool bytes`, each `| None`, have a column; nothing else has."""
    kind, nullable = field.type, False
    if isinstance(kind, inspect.UnionType):
        rest = [member for member in kind.types if not isinstance(member, inspect.NoneType)]
        nullable = len(rest) < len(kind.types)
        kind = rest[0] if len(rest) == 1 else kind
    if type(kind) not in _TYPES:
        raise TypeError(f"field {field.name!r} is a {kind}, which has no column type")
    declaration = f"{quoted(field.name)} {_TYPES[type(kind)]}{'' if nullable else ' NOT NULL'}"
    return Column(field.name, declaration, isinstance(kind, inspect.BoolType))


class Columns(Generic[S]):
    """The columns of one struct, in the order of its fields."""

    def __init__(self, struct: type[S]) -> None:
        info = inspect.type_info(struct)
        assert isinstance(info, inspect.StructType)
        self.columns = [column_of(field) for field in info.fields]
        self.names = [column.name for column in self.columns]
        self.listed = ", ".join(quoted(name) for name in self.names)
        self._booleans = [place for place, column in enumerate(self.columns) if column.boolean]
        self._make = _maker(struct, self.names)

    def quoted(self, name: str) -> str:
        """Return one of our columns as an SQL identifier; any other name is a mistake of the caller."""
        if name not in self.names:
            raise ValueError(f"{name!r} is no column; there are {', '.join(self.names)}")
        return quoted(name)

    def insert_into(self, table: str) -> str:
        """Return the statement that writes a row of a tenant; the table is quoted."""
        return f"INSERT INTO {table} (tenant, {self.listed}) VALUES ({places(len(self.names) + 1)})"  # noqa: S608

    def decode(self, row: Row) -> S:
        """Build the struct from a row of `listed`."""
        if not self._booleans:
            return self._make(row)
        values: list[Any] = list(row)
        for place in self._booleans:
            if values[place] is not None:
                values[place] = bool(values[place])
        return self._make(values)

    def encode(self, document: S) -> tuple[Value, ...]:
        """Return the struct's values in the order of `listed`."""
        return msgspec.structs.astuple(document)


def _maker(struct: type[S], names: Sequence[str]) -> Callable[[Sequence[Any]], S]:
    kinds = {parameter.kind for parameter in signature(struct).parameters.values()}
    if Parameter.KEYWORD_ONLY in kinds:
        return lambda values: struct(**dict(zip(names, values, strict=True)))
    return lambda values: struct(*values)
