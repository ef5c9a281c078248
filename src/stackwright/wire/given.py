"""Items as callers write them."""

import re
from collections.abc import Sequence
from typing import Any, NoReturn, get_args

import msgspec

from stackwright.errors import InvalidRequest
from stackwright.kit.allowed import supported
from stackwright.kit.decoding import from_decoding
from stackwright.wire.items import InputPart, InputText, Item, Message, MessagePart, encode

_decode = msgspec.json.Decoder(list[Item]).decode


def parse_input(given: str | Sequence[dict[str, Any]], *, param: str = "input") -> list[Item]:
    """Return the items of a caller's input, each whole: with the caller's id, else one minted in the style of its kind,
    and with parts where the caller wrote a string. A string is a message from the user.

    Raises:
        InvalidRequest: Something is not an item; the error's `param` leads there, beginning with the one given here.
    """
    if isinstance(given, str):
        return [Message(role="user", content=[InputText(text=given)])]
    try:
        # A decoder knows its types; `msgspec.convert` would work them out anew, which takes fifty times as long.
        return _decode(encode([_spelled_out(one) for one in given]))
    except msgspec.ValidationError as error:
        _refuse(error, param)


def _spelled_out(given: dict[str, Any]) -> dict[str, Any]:
    """Return an item with its type, without nulls (they mean absent), and with parts for a string."""
    item = {name: value for name, value in given.items() if value is not None}
    if "type" not in item:
        item["type"] = "message" if "role" in item else "item_reference"
    content = item.get("content")
    if isinstance(content, str) and item["type"] == "message":
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        item["content"] = [{"type": kind, "text": content}]
    return item


_UNKNOWN = re.compile(r"^Invalid value '(?P<got>.*)' - at `\$(?P<path>\[\d+\].*)\.type`$", re.DOTALL)


def _refuse(error: msgspec.ValidationError, param: str) -> NoReturn:
    found = _UNKNOWN.match(str(error))
    known = _types_at(found["path"]) if found else ()
    if not (found and known):
        raise from_decoding(error, list[Item], param) from None
    raise InvalidRequest(
        f"Invalid value: '{found['got']}'. {supported(known)}",
        param=param + found["path"],
        code="invalid_value",
    ) from None


def _types_at(path: str) -> Sequence[str]:
    """Return the values that `type` may have at a place such as `[0].content[1]`."""
    for pattern, union in _UNIONS:
        if pattern.fullmatch(path):
            return [one.__struct_config__.tag for one in get_args(union)]
    return ()


_UNIONS = (
    (re.compile(r"\[\d+\]"), Item),
    (re.compile(r"\[\d+\]\.content\[\d+\]"), MessagePart),
    (re.compile(r"\[\d+\]\.output\[\d+\]"), InputPart),
)
