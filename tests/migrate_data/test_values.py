"""What a database may hold although Llama Stack never wrote it is a reason to leave a row, and no bug."""

import pytest

from stackwright.app.carry.values import Unfit, loads, seconds, text


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e300, 2**62, "today", b"1", None])
def test_what_is_no_time_is_told(value: object) -> None:
    with pytest.raises(Unfit, match=r"its created is (empty|out of range)"):
        seconds(value, "created")


@pytest.mark.parametrize(
    "given", ["[" * 200_000, "[NaN," + "[" * 200_000, "[" * 200_000 + "]" * 200_000, "9" * 5000 + "x"]
)
def test_what_is_no_json_is_told_however_deep(given: str) -> None:
    with pytest.raises(Unfit, match=r"its choices is (not JSON|nested too deeply)"):
        loads(given, "choices")


@pytest.mark.parametrize("given", ['"\\ud800"', '{"a": ["\\udfff"], "b": NaN}'])
def test_half_of_a_character_is_told(given: str) -> None:
    with pytest.raises(Unfit, match="its choices has half of a character"):
        loads(given, "choices")


@pytest.mark.parametrize(
    ("given", "why"), [(b"\xff", "no text in UTF-8"), ("a\0b", "a NUL character"), ("", "empty"), (None, "empty")]
)
def test_what_is_no_text_is_told(given: object, why: str) -> None:
    with pytest.raises(Unfit, match=f"its model (is|has) {why}"):
        text(given, "model")
