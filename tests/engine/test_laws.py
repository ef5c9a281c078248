"""Laws of the state machine, whatever it is told in whatever order."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stackwright.engine.signals import Finished, ModelEnded, Spent, Start, Text, Thought
from stackwright.engine.state import Frame, Turn
from stackwright.engine.step import step
from stackwright.wire import events
from stackwright.wire.items import Message, Reasoning, decode, encode
from stackwright.wire.responses import Response
from stackwright.wire.server_tools import MCPListTools
from tests.engine.playing import OFFERS, Fold, play, play_out, response, scripts, signals, turns

TERMINAL = (events.Completed, events.Failed, events.Incomplete)


@given(turns(), scripts)
def test_a_stream_opens_once_and_ends_once_and_last(turn: Turn, script: list[Any]) -> None:
    _, made = play_out(turn, script)
    assert [type(event) for event in made[:2]] == [events.Created, events.InProgress]
    assert sum(isinstance(event, events.Created | events.InProgress) for event in made) == 2
    assert [isinstance(event, TERMINAL) for event in made] == [False] * (len(made) - 1) + [True]


@given(turns(), scripts)
def test_every_item_that_opened_is_closed_before_the_end(turn: Turn, script: list[Any]) -> None:
    _, made = play_out(turn, script)
    opened: dict[int, str] = {}
    for event in made:
        if isinstance(event, events.OutputItemAdded):
            assert event.output_index not in opened
            opened[event.output_index] = event.item.id
        elif isinstance(event, events.OutputItemDone):
            assert opened[event.output_index] == event.item.id
    closed = [event.output_index for event in made if isinstance(event, events.OutputItemDone)]
    assert sorted(closed) == sorted(opened) == list(range(len(opened)))


@given(turns(), scripts)
def test_every_part_that_opened_is_closed_in_turn(turn: Turn, script: list[Any]) -> None:
    _, made = play_out(turn, script)
    places = [
        (isinstance(event, events.ContentPartAdded), event.item_id, event.content_index)
        for event in made
        if isinstance(event, events.ContentPartAdded | events.ContentPartDone)
    ]
    for before, after in zip(places[::2], places[1::2], strict=True):
        assert before == (True, *after[1:])
        assert after[0] is False


@given(turns(), scripts)
def test_folding_the_events_gives_the_stored_response(turn: Turn, script: list[Any]) -> None:
    ended, made = play_out(turn, script)
    assert ended.response is not None
    assert Fold().take(made) == ended.response


@given(turns(), scripts)
def test_the_stored_response_is_the_one_that_the_last_event_shows(turn: Turn, script: list[Any]) -> None:
    ended, made = play_out(turn, script)
    assert isinstance(made[-1], TERMINAL)
    assert made[-1].response == ended.response
    assert ended.response is not None
    assert (
        ended.response.status
        == {
            events.Completed: "completed",
            events.Failed: "failed",
            events.Incomplete: ended.response.status,
        }[type(made[-1])]
    )


@given(turns(), scripts, st.lists(signals, max_size=10))
def test_signals_after_the_end_change_nothing(turn: Turn, script: list[Any], more: list[Any]) -> None:
    ended, _ = play_out(turn, script)
    again, made, effects = play(ended, more)
    assert (again, made, effects) == (ended, [], [])


@given(turns(), scripts)
def test_a_turn_played_again_is_the_same(turn: Turn, script: list[Any]) -> None:
    assert play(turn, script) == play(turn, script)


@given(turns(), scripts)
def test_what_did_not_end_well_is_never_completed(turn: Turn, script: list[Any]) -> None:
    ended, _ = play_out(turn, script)
    assert ended.response is not None
    if ended.response.status == "completed":
        assert ended.finish in ("stop", "tool_calls")
        assert all(getattr(item, "status", "completed") in ("completed", "failed", None) for item in ended.output)
    else:
        assert ended.response.completed_at is None


@given(turns(), scripts)
def test_a_response_that_lacks_tools_it_was_promised_is_never_completed(turn: Turn, script: list[Any]) -> None:
    ended, _ = play_out(turn, script)
    assert ended.response is not None
    if any(isinstance(item, MCPListTools) and item.error for item in ended.output):
        assert ended.response.status in ("failed", "cancelled")


@given(turns(), scripts)
def test_items_survive_being_stored(turn: Turn, script: list[Any]) -> None:
    ended, _ = play_out(turn, script)
    assert tuple(decode(encode(item)) for item in ended.output) == ended.output
    ids = [item.id for item in ended.output]
    assert len(set(ids)) == len(ids)


@given(st.text(min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=12), st.booleans())
def test_deltas_add_up_to_the_stored_text(text: str, cuts: list[int], thinks: bool) -> None:
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    said = [Thought(piece) if thinks else Text(piece) for piece in pieces]
    ended, made = play_out(Turn(frame=Frame(response=response())), [*said, Finished("stop"), ModelEnded(7)])
    deltas = [event.delta for event in made if isinstance(event, events.TextDelta | events.ReasoningDelta)]
    [item] = ended.output
    assert isinstance(item, Message | Reasoning)
    assert item.content is not None
    assert "".join(deltas) == text == item.content[0].text  # type: ignore[union-attr]


@given(scripts, st.integers(0, 40))
def test_a_model_that_breaks_off_is_never_a_success(script: list[Any], cut: int) -> None:
    before = [one for one in script if not isinstance(one, ModelEnded)][:cut]
    ended, _ = play_out(Turn(frame=Frame(response=response()), offers=OFFERS), before)
    assert ended.response is not None
    assert ended.response.status in ("failed", "incomplete", "cancelled")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5))
def test_usage_adds_up_over_all_answers(counts: list[tuple[int, int]]) -> None:
    turn = step(Turn(frame=Frame(response=response())), Start()).turn
    for read, wrote in counts:
        turn = step(turn, Spent(read, wrote)).turn
    assert turn.usage is not None
    assert turn.usage.input_tokens == sum(read for read, _ in counts)
    assert turn.usage.output_tokens == sum(wrote for _, wrote in counts)
    assert turn.usage.total_tokens == turn.usage.input_tokens + turn.usage.output_tokens


def test_a_beginning_shows_no_usage() -> None:
    _, [created, _], [ask] = play(Turn(frame=Frame(response=response())), [])
    assert isinstance(created, events.Created)
    assert isinstance(created.response, Response)
    assert created.response.status == "in_progress"
    assert ask is not None
