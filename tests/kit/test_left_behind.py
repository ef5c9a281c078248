"""What callers leave behind: kept when it can be, and lost with a word."""

import asyncio
from contextlib import ExitStack

import pytest

from stackwright.errors import Conflict, StackwrightError, Unavailable
from stackwright.kit import left_behind
from stackwright.kit.left_behind import LeftBehind


class Keeping:
    """Fails so and so often, then keeps."""

    def __init__(self, *failures: StackwrightError) -> None:
        self._failures = list(failures)
        self.kept = False

    async def __call__(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.kept = True


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "PAUSE", 0.001)


async def _settled(work: Keeping) -> None:
    """Leave work behind, and see that its place is held until it is over."""
    left, place, held = LeftBehind(), ExitStack(), [True]
    place.callback(held.clear)
    left.keep("resp_1", work, place)
    assert held
    async with asyncio.timeout(5):
        await left.settle()
    await asyncio.sleep(0)
    assert not held


async def test_it_waits_for_a_database_that_is_away() -> None:
    work = Keeping(Unavailable("away"), Unavailable("away"))
    await _settled(work)
    assert work.kept


@pytest.mark.parametrize(("failure", "seconds"), [(Conflict("It is there."), 30.0), (Unavailable("away"), 0.0)])
async def test_what_cannot_be_kept_or_not_in_time_is_lost_with_a_word(
    failure: StackwrightError, seconds: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(left_behind, "SECONDS", seconds)
    work = Keeping(failure)
    await _settled(work)
    assert not work.kept
    assert caplog.messages == [f"What a caller left behind of resp_1 is lost: {failure.message}"]
