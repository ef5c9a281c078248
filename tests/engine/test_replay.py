"""Turns that are ended by somebody who knows nothing of them but their events."""

from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from stackwright.engine.replay import ended
from stackwright.engine.signals import Broken, Cancelled
from stackwright.engine.state import OpenCall, Turn
from stackwright.engine.step import step
from stackwright.wire import events
from stackwright.wire.events import Event
from stackwright.wire.items import encode
from tests.engine.playing import Fold, play, scripts, sensible, turns

_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(list[Event]).decode


def _told(made: list[Event]) -> list[Event]:
    """Number events and send them through JSON, as a journal does."""
    for number, event in enumerate(made):
        event.sequence_number = number
    return _decode(_encode(made))


cut = st.builds(lambda script, length: script[:length], sensible, st.integers(1, 20)) | scripts


def _shown(turn: Turn) -> bool:
    """True when the events so far say all that the turn knows of what is open."""
    if not isinstance(turn.open, OpenCall):
        return True
    return turn.open.offer.kind in ("function", "mcp") and not turn.open.offer.approval


@given(turns(), cut, st.sampled_from([Cancelled(), Broken("server_error", "The server ended.")]))
def test_a_stranger_ends_a_turn_as_its_owner_would_have(turn: Turn, script: list[Any], signal: Any) -> None:
    turn, made, _ = play(turn, script)
    assume(turn.response is None and _shown(turn))
    told = _told(made)
    begun = turn.frame.response
    response, left = ended(begun, told, signal)
    _, expected, _ = step(turn, signal)
    for number, event in enumerate(expected, len(told)):
        event.sequence_number = number
    *closing, last = expected
    assert isinstance(last, events.Failed | events.Incomplete)
    # What the tokens cost, nobody told yet.
    stored = msgspec.structs.replace(last.response, usage=msgspec.UNSET, service_tier=None)
    assert _encode(left[:-1]) == _encode(closing)
    assert _encode(left[-1]) == _encode(msgspec.structs.replace(last, response=stored))
    assert _encode(response) == _encode(stored)


@given(turns(), cut)
def test_folding_a_stream_that_a_stranger_ended_gives_what_is_stored(turn: Turn, script: list[Any]) -> None:
    turn, made, _ = play(turn, script)
    assume(turn.response is None)
    response, left = ended(turn.frame.response, _told(made), Cancelled())
    folded = Fold().take([*made, *left])
    assert [encode(item) for item in folded.output or ()] == [encode(item) for item in response.output or ()]
