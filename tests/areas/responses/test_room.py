"""Room for files: laws of who gets it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.areas.responses.room import Hold, NoRoom, Room
from stackwright.errors import TooLarge, Unavailable

MOST = 10
turns = st.tuples(st.integers(0, MOST), st.sampled_from(["use", "leave", "grow"]), st.integers(0, 3))


def whole(room: Room) -> bool:
    """Take everything, and give it back. False when something is missing, or more is there."""
    found = room.taken(MOST) and not room.taken(1)
    if found:
        room.give_back(MOST)
    return found


@given(st.lists(turns, max_size=12))
def test_no_more_is_held_than_there_is_and_all_of_it_comes_back(script: list[tuple[int, str, int]]) -> None:
    async def run() -> None:
        room, held = Room(MOST), 0

        async def one(size: int, what: str, pause: int) -> None:
            nonlocal held
            hold = Hold(room, None if pause else 0)
            try:
                await hold.resize(size)
                if what == "grow":
                    hold.grow(size + pause)
                held += hold.size
                assert held <= MOST
                try:
                    for _ in range(pause):
                        await asyncio.sleep(0)
                finally:
                    held -= hold.size
            except (NoRoom, Unavailable):
                pass
            finally:
                hold.close()

        tasks = [asyncio.create_task(one(*turn)) for turn in script]
        await asyncio.sleep(0)
        for task, (_, what, pause) in zip(tasks, script, strict=True):
            if what == "leave" and pause % 2:
                # It waits still, or was let in a moment ago, or has it.
                task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError | None) for one in ended)
        assert whole(room)

    asyncio.run(run())


async def test_who_came_first_is_served_first_and_a_small_one_does_not_slip_in() -> None:
    room = Room(MOST)
    first, second, third = (Hold(room, None) for _ in range(3))
    await first.resize(6)
    waiting = [asyncio.create_task(second.resize(8)), asyncio.create_task(third.resize(1))]
    await asyncio.wait(waiting, timeout=0)
    with pytest.raises(NoRoom):
        first.grow(7)
    assert [task.done() for task in waiting] == [False, False]
    waiting[0].cancel()
    await asyncio.wait(waiting)
    assert (second.size, third.size) == (0, 1)
    first.close()
    third.close()
    assert whole(room)


async def test_who_is_let_in_in_the_moment_in_which_it_leaves_takes_nothing_along() -> None:
    room = Room(MOST)
    first, second = Hold(room, None), Hold(room, None)
    await first.resize(MOST)
    waiting = asyncio.create_task(second.resize(4))
    await asyncio.sleep(0)
    first.close()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert whole(room)


async def test_what_never_fits_is_told_at_once_and_what_does_not_fit_now_in_time() -> None:
    room = Room(MOST)
    first, second = Hold(room, None), Hold(room, 0.01)
    with pytest.raises(TooLarge, match=r"more than 10 bytes.*responses\.max_file_bytes_at_once"):
        await first.resize(MOST + 1)
    await first.resize(MOST)
    with pytest.raises(Unavailable):
        await second.resize(1)
    second.close()
    first.shrink(3)
    assert first.size == 3
    await second.resize(7)
    first.close()
    second.close()
    assert whole(room)
