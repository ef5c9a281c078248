"""What a database may hold although Llama Stack never wrote it is a reason to leave a row, and no bug."""

import pytest

from stackwright.app.carry.values import Unfit, loads, seconds


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e300, 2**62, "today", b"1", None])
def test_what_is_no_time_is_told(value: object) -> None:
    with pytest.raises(Unfit, match=r"its created is (empty|out of range)"):
        seconds(value, "created")


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "[NaN," + "[" * 200_000, "[" * 200_000 + "]" * 200_000, "9" * 5000 + "x"]
)
def test_what_is_no_json_is_told_however_deep(text: str) -> None:
    with pytest.raises(Unfit, match=r"its choices is (not JSON|nested too deeply)"):
        loads(text, "choices")
