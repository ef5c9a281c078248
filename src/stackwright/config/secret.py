"""Secrets: strings that print as asterisks and can be read again from where they came."""

from collections.abc import Callable
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MASK = "********"


class Substituted(str):
    """A string that came out of `${...}`. `again` evaluates the expression anew, files re-read."""

    __slots__ = ("again",)
    again: Callable[[], str]

    def __new__(cls, value: str, again: Callable[[], str]) -> "Substituted":
        self = super().__new__(cls, value)
        self.again = again
        return self


class Secret:
    """A secret value. Prints as asterisks everywhere; `reveal` is the only way to see it."""

    __slots__ = ("_again", "_value")

    def __init__(self, value: str) -> None:
        self._value = str(value)
        self._again = value.again if isinstance(value, Substituted) else None

    def reveal(self) -> str:
        """Return the value as it was last read."""
        return self._value

    def renew(self) -> bool:
        """Read the value again from its `${file:...}`. True when it changed; blocks on the file system."""
        if self._again is None:
            return False
        old, self._value = self._value, str(self._again())
        return old != self._value

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any) -> Secret:
            if isinstance(value, Secret):
                return value
            if isinstance(value, str):
                return cls(value)
            raise ValueError("a secret must be a string; quote it")

        return core_schema.no_info_plain_validator_function(
            validate,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )
