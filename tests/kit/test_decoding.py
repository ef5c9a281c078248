"""What a field may not have is refused with all that it may; an unknown field with the one that is meant."""

from enum import Enum
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct

from stackwright.kit.decoding import from_decoding


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Word(Struct, tag="word", forbid_unknown_fields=True):
    case: Literal["upper", "lower"]


class Number(Struct, tag="number", forbid_unknown_fields=True):
    value: float
    precision: int = 0


class Body(Struct):
    level: Level | None = None
    parts: list[Word | Number] = []
    counts: dict[str, Literal[1, 2]] = {}
    choice: Literal["auto", "none"] | Word | None = None
    only: Literal["this"] = "this"


@pytest.mark.parametrize(
    ("raw", "param", "message"),
    [
        ({"level": "middle"}, "level", "'middle'. Supported values are: 'low' and 'high'."),
        ({"parts": [{"type": "sound"}]}, "parts[0].type", "'sound'. Supported values are: 'word' and 'number'."),
        (
            {"parts": [{"type": "word", "case": "x"}]},
            "parts[0].case",
            "'x'. Supported values are: 'lower' and 'upper'.",
        ),
        ({"counts": {"a": 3}}, "counts[...]", "3. Supported values are: 1 and 2."),
        ({"choice": "all"}, "choice", "'all'. Supported values are: 'auto' and 'none'."),
        ({"choice": {"type": "all"}}, "choice.type", "'all'. The only supported value is: 'word'."),
        ({"only": "that"}, "only", "'that'. The only supported value is: 'this'."),
    ],
)
def test_a_value_that_is_not_allowed_is_told_which_are(raw: Any, param: str, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(msgspec.json.encode(raw), type=Body)
    refused = from_decoding(caught.value, Body)
    assert (refused.param, refused.code) == (param, "invalid_value")
    assert refused.message == f"Invalid value for '{param}': {message}"


@pytest.mark.parametrize(
    ("raw", "param", "hint"),
    [
        ({"parts": [{"type": "number", "value": 1, "precison": 2}]}, "parts[0].precison", "parts[0].precision"),
        ({"parts": [{"type": "word", "case": "upper", "precision": 2}]}, "parts[0].precision", None),
        ({"choice": {"type": "word", "csae": "upper"}}, "choice.csae", "choice.case"),
        ({"choice": {"type": "word", "": "upper"}}, "choice.", None),
        ({"choice": {"type": "word", "case" * 10_000: 1}}, f"choice.{'case' * 10_000}", None),
    ],
)
def test_a_field_that_nothing_reads_is_refused_with_the_one_that_is_meant(
    raw: Any, param: str, hint: str | None
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(msgspec.json.encode(raw), type=Body)
    refused = from_decoding(caught.value, Body)
    assert (refused.param, refused.code) == (param, "unknown_parameter")
    meant = f" Did you mean '{hint}'?" if hint else ""
    assert refused.message == f"Unknown parameter: '{param}'.{meant}"


def test_the_place_of_what_was_decoded_is_in_the_hint_too() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"type": "word", "csae": "upper"}', type=Word)
    refused = from_decoding(caught.value, Word, "input[3]")
    assert refused.message == "Unknown parameter: 'input[3].csae'. Did you mean 'input[3].case'?"
