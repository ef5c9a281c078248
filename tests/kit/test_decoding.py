"""A value of none of those that a field may have is refused with all that it may have."""

from enum import Enum
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct

from stackwright.kit.decoding import from_decoding


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Word(Struct, tag="word"):
    case: Literal["upper", "lower"]


class Number(Struct, tag="number"):
    value: float


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
