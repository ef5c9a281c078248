"""Secrets: strings that print as asterisks and can be read again from where they came."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote
from weakref import WeakValueDictionary

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

MASK = "********"

_IN_URL = re.compile(r"(?<=://)([^/?#\s@:]*):([^\s]*)(?=@)")
_IN_QUERY = re.compile(r"(?i)(?<=[?&;])((?:[\w-]*[_-])?(?:password|token|key|secret|sig)=)([^&;\s#]+)")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_SHORT = 4
"""What is shorter would be found in ordinary words."""

_SMELLS = {"password", "passwd", "passphrase", "pwd", "secret", "token", "key", "apikey", "credential", "authorization"}


class Unresolved(Exception):
    """A `${...}` that has no value. Its text names the variable or file, never a value."""


class Substituted(str):
    """A string that came out of `${...}`. `again` evaluates the expression anew, files re-read."""

    __slots__ = ("again", "foreign")
    again: Callable[[], str]
    foreign: bool
    """True when text from outside the run file (a variable, a file) is in it."""

    def __new__(cls, value: str, again: Callable[[], str], foreign: bool = True) -> "Substituted":
        self = super().__new__(cls, value)
        self.again = again
        self.foreign = foreign
        return self


class Secret:
    """A secret value. Prints as asterisks everywhere; `reveal` is the only way to see it."""

    __slots__ = ("__weakref__", "_again", "_value")

    def __init__(self, value: str) -> None:
        self._value = str(value)
        self._again = value.again if isinstance(value, Substituted) else None
        _LIVE[id(self)] = self

    def reveal(self) -> str:
        """Return the value as it was last read."""
        return self._value

    def renew(self) -> bool:
        """Read the value again from its `${file:...}`. True when it changed; blocks on the file system.

        A file that is away for the moment, as in the middle of a rotation, leaves the value as it is.
        """
        if self._again is None:
            return False
        try:
            old, self._value = self._value, str(self._again())
        except Unresolved:
            return False
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
            raise PydanticKnownError("string_type")

        return core_schema.no_info_plain_validator_function(
            validate,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )


_LIVE: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def known_secrets() -> frozenset[str]:
    """Return the values of all secrets that are alive, and the passwords in those that are URLs, encoded or not."""
    values = {secret.reveal() for secret in list(_LIVE.values())}
    inner = {found[2] for value in values for found in (*_IN_URL.finditer(value), *_IN_QUERY.finditer(value))}
    return frozenset((values | inner | {unquote(value) for value in inner}) - {""})


def redacted(text: str, secrets: Iterable[str] | None = None) -> str:
    """Return `text` with every secret masked: anywhere if it has four characters or more, else as a word of its own.

    `secrets` says which; all that are known when left out.
    """
    hidden = {value.strip() for value in (known_secrets() if secrets is None else secrets)} - {""}
    # The longest first, for one may be part of another.
    for value in sorted(hidden, key=len, reverse=True):
        if len(value) >= _SHORT:
            text = text.replace(value, MASK)
        elif value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", MASK, text)
    return text


def smells(name: str) -> bool:
    """True when a key of this name probably holds a secret: `api_key`, `hf-token`, `AdminPassword`."""
    words = {word.lower() for word in _WORD.findall(name)}
    return bool(_SMELLS & (words | {word.removesuffix("s") for word in words}))


def mask_url(text: str) -> str:
    """Return `text` with the passwords of the URLs in it masked, in the authority and in the query."""
    return _IN_QUERY.sub(rf"\1{MASK}", _IN_URL.sub(rf"\1:{MASK}", text))
