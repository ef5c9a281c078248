"""One variable: what a prompt declares of it, and whether a value fits."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from pydantic_core import SchemaError, SchemaValidator, core_schema

from stackwright.areas.prompts.spec import Declaration
from stackwright.errors import InvalidRequest

PARTS = {"input_text": "string", "input_image": "image", "input_file": "file"}
_encode = msgspec.json.Encoder().encode


class Wrong(Exception):
    """A value that does not fit; its text says why."""


class Variable:
    """One variable: how its values are checked, and what they look like in a text."""

    __slots__ = ("_check", "_pattern", "declaration", "inferred", "name")

    def __init__(self, name: str, declaration: Declaration, *, inferred: bool = False) -> None:
        self.name = name
        self.declaration = declaration
        self.inferred = inferred
        self._pattern = compiled_pattern(name, declaration.pattern) if declaration.pattern else None
        kind = "enum" if declaration.enum is not None else declaration.type
        self._check: Callable[[Any], Any] = getattr(self, f"_{kind}")

    @property
    def required(self) -> bool:
        """True when a caller must give it."""
        return self.declaration.required and self.declaration.default is msgspec.UNSET

    @property
    def plain(self) -> bool:
        """True when it takes every text as it is."""
        rules = self.declaration
        return rules.type == "string" and rules.enum is None and rules.max_length is None and rules.pattern is None

    def default(self, given_as_null: bool) -> Any:
        """Return what stands for a value that was not given; UNSET for nothing. In JSON, null is a value."""
        if given_as_null and self.declaration.type == "json":
            return None
        return self.declaration.default

    def taken(self, value: Any) -> Any:
        """Return the value as what was declared. `Wrong` when it is not that."""
        if self.declaration.type != "json" and _is_part(value):
            value = self._unwrapped(value)
        return self._check(value)

    def _unwrapped(self, part: dict[str, Any]) -> Any:
        kind = PARTS[part["type"]]
        if kind == "string":
            if type(part.get("text")) is not str:
                raise Wrong("expected input_text with a text")
            return part["text"]
        if kind == self.declaration.type or self.inferred:
            return part
        raise Wrong(f"expected {self.declaration.type}, got {part['type']}")

    def _string(self, value: Any) -> Any:
        if type(value) is str:
            text = value
        elif type(value) in (int, float, bool):
            text = _encode(value).decode()
        elif self.inferred and _is_part(value):
            return value
        else:
            raise self._unlike(value)
        rules = self.declaration
        if rules.max_length is not None and len(text) > rules.max_length:
            raise Wrong(f"expected at most {rules.max_length} characters, got {len(text)}")
        if self._pattern is not None and not self._pattern.isinstance_python(text):
            raise Wrong(f"expected a match of {rules.pattern!r}{self._got(text)}")
        return text

    def _integer(self, value: Any) -> int:
        if type(value) is str and value.removeprefix("-").isdecimal() and value.isascii() and len(value) < 20:
            value = int(value)
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise self._unlike(value)
        return int(self._in_range(value))

    def _number(self, value: Any) -> int | float:
        if type(value) is str:
            try:
                value = msgspec.json.decode(value, type=int | float)
            except msgspec.DecodeError:
                raise self._unlike(value) from None
        if type(value) not in (int, float):
            raise self._unlike(value)
        number: int | float = self._in_range(value)
        return number

    def _boolean(self, value: Any) -> bool:
        if value in ("true", "false"):
            return bool(value == "true")
        if type(value) is not bool:
            raise self._unlike(value)
        return value

    def _enum(self, value: Any) -> Any:
        allowed = self.declaration.enum or []
        for one in allowed:
            if one == value and type(one) is type(value):
                return one
        choices = ", ".join(_encode(one).decode() for one in allowed)
        raise Wrong(f"expected one of {choices}{self._got(value)}")

    def _json(self, value: Any) -> Any:
        return value

    def _image(self, value: Any) -> Any:
        if type(value) is not dict or value.get("type") != "input_image":
            raise self._unlike(value)
        return value

    def _file(self, value: Any) -> Any:
        if type(value) is not dict or value.get("type") != "input_file":
            raise self._unlike(value)
        return value

    def _in_range(self, value: Any) -> Any:
        low, high = self.declaration.min, self.declaration.max
        if low is not None and value < low:
            raise Wrong(f"expected at least {_plain(low)}{self._got(value)}")
        if high is not None and value > high:
            raise Wrong(f"expected at most {_plain(high)}{self._got(value)}")
        return value

    def _unlike(self, value: Any) -> Wrong:
        return Wrong(f"expected {self.declaration.type}{self._got(value)}")

    def _got(self, value: Any) -> str:
        if self.declaration.sensitive:
            return ""
        if type(value) in (dict, list):
            return ", got an object" if type(value) is dict else ", got an array"
        text = repr(value) if type(value) is str else _encode(value).decode()
        return f", got {text if len(text) <= 80 else text[:80] + '...'}"

    def text(self, value: Any, path: Sequence[str]) -> str:
        """Return what stands in a hole: strings as they are, everything else as compact JSON."""
        for step in path:
            value = self._inside(value, step, path)
        return value if type(value) is str else _encode(value).decode()

    def _inside(self, value: Any, step: str, path: Sequence[str]) -> Any:
        if type(value) is dict and step in value:
            return value[step]
        # A step longer than any list; Python would not even read it as a number.
        if type(value) is list and step.isdecimal() and len(step) < 20 and int(step) < len(value):
            return value[int(step)]
        raise Wrong(f"it has no '{'.'.join(path)}'")


def _is_part(value: Any) -> bool:
    # The type may be anything that JSON has, lists too, which no dictionary can look up.
    return type(value) is dict and type(kind := value.get("type")) is str and kind in PARTS


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def compiled_pattern(name: str, pattern: str) -> SchemaValidator:
    """Return what checks a pattern, in time linear in the text whoever wrote it: Rust's engine does not backtrack."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise InvalidRequest(
            f"Invalid pattern of prompt variable '{name}': {reason}.", param=f"variables.{name}.pattern"
        ) from None
