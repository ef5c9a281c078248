"""The words in which a malformed value is refused: OpenAI's, with `param` naming the field."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec

from stackwright.errors import InvalidRequest
from stackwright.kit.allowed import Value, allowed, fields, supported
from stackwright.kit.chats import CHATS

_PATH = re.compile(r" - at (?:`key` in )?`\$(.*)`$")
_EXPECTED = re.compile(r"^Expected `(?P<want>.+?)`(?:, got `(?P<got>.+?)`)?$")
_MISSING = re.compile(r"^Object missing required field `(.+?)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*?)`$")
_PATTERN = re.compile(r"^Expected `str` matching regex '(.+?)(?:\(\?!\\\\n\))?'$")
_VALUE = re.compile(r"^Invalid (?:enum )?value (?P<got>.+)$", re.DOTALL)
_BOUND = re.compile(r"^Expected `(?P<want>\w+)` (?P<bound>of length )?(?P<op>[<>]=?) (?P<limit>\S+)$")

_LONGEST = 100
"""Characters of a name for which a similar one is looked for."""
_NOUNS = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def from_decoding(error: msgspec.DecodeError, type: Any, where: str = "") -> InvalidRequest:
    """Turn msgspec's complaint about a body into OpenAI's words, with `param` naming the field.

    Args:
        error: What msgspec raised.
        type: What it was to decode.
        where: The place of that in the body.
    """
    if not isinstance(error, msgspec.ValidationError):
        return InvalidRequest(
            f"We could not parse the JSON body of your request: {error}. The API expects a JSON object.",
            code="invalid_json",
        )
    message = str(error)
    found = _PATH.search(message)
    path = found.group(1) if found else ""
    param = (where + path).lstrip(".")
    text = _PATH.sub("", message)
    return (
        _missing(text, param)
        or _unknown(text, param, fields(type, path))
        or _out_of_bounds(text, param)
        or _unlike(text, param)
        or _wrong_type(text, param)
        or _not_allowed(text, param, allowed(type, path))
        or _other(text, param)
    )


def _missing(text: str, param: str) -> InvalidRequest | None:
    if (found := _MISSING.match(text)) is None:
        return None
    name = _within(param, found.group(1))
    return InvalidRequest(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def _unknown(text: str, param: str, known: Iterable[str]) -> InvalidRequest | None:
    found = _UNKNOWN.match(text)
    return unknown(found.group(1), known, param) if found else None


def unknown(name: str, known: Iterable[str], where: str = "", *, otherwise: str = "") -> InvalidRequest:
    """Return the refusal of a field that nothing reads.

    Args:
        name: What it is called.
        known: The fields that are read.
        where: The place of its object in the body.
        otherwise: What to say where none of them is meant.
    """
    meant = _meant(name, [one for one in known if one != name])
    hint = f"Did you mean '{_within(where, meant)}'?" if meant else otherwise
    param = _within(where, name)
    return InvalidRequest(f"Unknown parameter: '{param}'. {hint}".rstrip(), param=param, code="unknown_parameter")


def _meant(name: str, known: Sequence[str]) -> str | None:
    """Return the one of the known fields, or the place in it, that has this name in chat completions, or a like one."""
    chats = CHATS.get(name)
    if chats and chats.partition(".")[0] in known:
        return chats
    near = get_close_matches(name[:_LONGEST], known, 1, 0.7)
    return near[0] if near else None


def _within(param: str, name: str) -> str:
    return f"{param}.{name}" if param else name


def _unlike(text: str, param: str) -> InvalidRequest | None:
    found = _PATTERN.match(text)
    if not found:
        return None
    return InvalidRequest(
        f"Invalid {_quoted(param)}: string does not match pattern. "
        f"Expected a string that matches the pattern '{found.group(1)}'.",
        param=param or None,
        code="invalid_value",
    )


def _out_of_bounds(text: str, param: str) -> InvalidRequest | None:
    found = _BOUND.match(text)
    if not found:
        return None
    kind = "length" if found["bound"] else "value"
    side = "below_min" if found["op"].startswith(">") else "above_max"
    expected = f"{kind} {found['op']} {found['limit']}"
    return InvalidRequest(
        f"Invalid {_quoted(param)}: expected {_noun(found['want'])} with {expected}.",
        param=param or None,
        code=f"{found['want']}_{side}_{kind}",
    )


def _wrong_type(text: str, param: str) -> InvalidRequest | None:
    found = _EXPECTED.match(text)
    if not found:
        return None
    kinds = [part.strip() for part in found["want"].split("|")]
    # OpenAI does not say that a field may be null too.
    want = " or ".join(_noun(kind) for kind in kinds if kind != "null" or len(kinds) == 1)
    got = f", but got {_noun(found['got'])} instead" if found["got"] else ""
    return InvalidRequest(
        f"Invalid type for {_quoted(param)}: expected {want}{got}.", param=param or None, code="invalid_type"
    )


def _not_allowed(text: str, param: str, values: Sequence[Value]) -> InvalidRequest | None:
    found = _VALUE.match(text)
    if not (found and values):
        return None
    return InvalidRequest(
        f"Invalid value for {_quoted(param)}: {found['got']}. {supported(values)}",
        param=param or None,
        code="invalid_value",
    )


def _other(text: str, param: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid {_quoted(param)}: {text}.", param=param or None, code="invalid_value")


def _quoted(param: str) -> str:
    return f"'{param}'" if param else "the request body"


def _noun(kind: str) -> str:
    return _NOUNS.get(kind, kind)
