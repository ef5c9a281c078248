"""Work beside the requests: it outlives its failures, and ends with its context."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from stackwright.errors import Unavailable, UpstreamError
from stackwright.kit.beside import beside, rounds

PAUSE = 0.001


class Rounds:
    """Fails as it is told, then goes on for ever."""

    def __init__(self, *failures: Exception | None) -> None:
        self._failures: Iterator[Exception | None] = iter(failures)
        self.over = asyncio.Event()

    async def __call__(self) -> None:
        try:
            failure = next(self._failures)
        except StopIteration:
            self.over.set()
            return
        if failure is not None:
            raise failure


async def _told(*failures: Exception | None) -> list[str]:
    work, told = Rounds(*failures), list[str]()
    async with beside(rounds(work, PAUSE, told.append)), asyncio.timeout(5):
        await work.over.wait()
    return told


async def test_rounds_go_on_after_failures_which_are_told_once_for_as_long_as_they_last() -> None:
    away = Unavailable("away")
    assert await _told(away, away, None, away, UpstreamError("odd"), away) == ["away", "away", "odd", "away"]


async def test_a_bug_is_logged_with_its_traceback_and_does_not_end_the_rounds(caplog: pytest.LogCaptureFixture) -> None:
    bug = KeyError("nobody")
    assert await _told(bug, bug) == []
    [record] = caplog.records
    assert (record.levelno, record.exc_info and record.exc_info[1]) == (logging.ERROR, bug)


async def test_after_a_failure_the_next_round_comes_when_it_was_asked_to() -> None:
    work = Rounds(Unavailable("away"))
    async with beside(rounds(work, 3600, print, retry=PAUSE)), asyncio.timeout(5):
        await work.over.wait()


async def test_rounds_wait_for_what_they_are_told_to_and_end_when_they_are_over() -> None:
    waits: list[int] = []

    async def pause() -> None:
        waits.append(len(waits))

    work = Rounds()
    await rounds(work, pause, print, over=lambda: len(waits) == 3)
    assert waits == [0, 1, 2]
    assert work.over.is_set()


async def test_work_is_over_when_its_context_is() -> None:
    over = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            over.append("over")

    async with beside(work(), work()):
        await asyncio.sleep(0)
    assert over == ["over", "over"]
