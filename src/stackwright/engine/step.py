"""The state machine: what a signal makes of a turn. Pure: equal arguments give equal results."""

from collections.abc import Sequence
from typing import NamedTuple, assert_never

from msgspec import UNSET, structs

from stackwright.engine import items, serving
from stackwright.engine.calls import Unreadable
from stackwright.engine.signals import (
    Broken,
    Called,
    Cancelled,
    Finished,
    ModelEnded,
    Refused,
    Served,
    Signal,
    Spent,
    Start,
    Text,
    Thought,
    ToolReturned,
    ToolsListed,
)
from stackwright.engine.state import AskModel, Effect, Stage, Turn
from stackwright.wire import events
from stackwright.wire.events import Event
from stackwright.wire.responses import (
    IncompleteDetails,
    InputDetails,
    OutputDetails,
    Response,
    ResponseError,
    ResponseUsage,
)

ROUNDS = 100
"""Answers of the model in one turn, at most: a model that calls tools for ever is stopped."""

replace = structs.replace


class Step(NamedTuple):
    """What came of a signal."""

    turn: Turn
    events: Sequence[Event]
    effects: Sequence[Effect] = ()


def step(turn: Turn, signal: Signal) -> Step:
    """Tell the turn what happened. What does not fit where it stands changes nothing."""
    if turn.stage is Stage.ENDED:
        return Step(turn, ())
    try:
        return _step(turn, signal)
    except Unreadable as error:
        return _fail(replace(turn, open=None), Broken("server_error", str(error)))


def _step(turn: Turn, signal: Signal) -> Step:
    match signal:
        case Text() | Refused() | Thought() | Called() | Spent() | Served() | Finished() | ModelEnded():
            return _heard(turn, signal) if turn.stage is Stage.MODEL else Step(turn, ())
        case Start():
            return _start(turn) if turn.stage is Stage.NEW else Step(turn, ())
        case ToolReturned() | ToolsListed():
            return _answered(turn, signal)
        case Broken():
            return _fail(turn, signal)
        case Cancelled():
            return _end(turn, [], status="cancelled")
        case _:
            assert_never(signal)


def _heard(turn: Turn, signal: Text | Refused | Thought | Called | Spent | Served | Finished | ModelEnded) -> Step:
    match signal:
        case Text():
            return Step(*items.say(turn, signal))
        case Thought():
            return Step(*items.think(turn, signal))
        case Called():
            if items.strays(turn, signal):
                return _fail(turn, Broken("server_error", "The model sent a piece of a call that was over."))
            return Step(*items.call(turn, signal))
        case Refused():
            return Step(*items.refuse(turn, signal))
        case Spent():
            return Step(replace(turn, usage=_added(turn.usage, signal)), ())
        case Served():
            return Step(replace(turn, tier=signal.tier), ())
        case Finished():
            return Step(replace(turn, finish=signal.reason), ())
        case ModelEnded():
            return _model_ended(turn, signal)
        case _:
            assert_never(signal)


def _start(turn: Turn) -> Step:
    turn, made = _opened(turn)
    turn, asked, effects = serving.ask_for_tools(turn)
    return _go_on(turn, [*made, *asked], effects)


def _opened(turn: Turn) -> tuple[Turn, list[Event]]:
    """Open the stream, if it is not open yet."""
    if turn.stage is not Stage.NEW:
        return turn, []
    begun = turn.frame.response
    turn = replace(turn, stage=Stage.TOOLS)
    if not begun.background:
        return turn, [events.Created(response=begun), events.InProgress(response=begun)]
    queued = replace(begun, status="queued")
    return turn, [
        events.Created(response=queued),
        events.Queued(response=queued),
        events.InProgress(response=begun),
    ]


def _go_on(turn: Turn, made: list[Event], effects: Sequence[Effect] = ()) -> Step:
    """Do what comes next when no tool is at work: the calls that were allowed, then the model."""
    if turn.running:
        return Step(turn, made, effects)
    if not turn.approvals_done:
        turn, begun, effects = serving.run_approved(turn)
        return _go_on(turn, [*made, *begun], effects)
    if turn.rounds >= ROUNDS:
        return _fail(turn, Broken("server_error", f"The model was asked {ROUNDS} times and still calls tools."), made)
    limit = turn.frame.response.max_output_tokens
    left = None if limit is None else limit - (turn.usage.output_tokens if turn.usage else 0)
    if left is not None and left <= 0:
        return _end(turn, made, status="incomplete", reason="max_output_tokens")
    most = turn.frame.response.max_tool_calls
    asked = AskModel(turn.output, left, server_tools=most is None or turn.tool_calls < most)
    return Step(replace(turn, stage=Stage.MODEL, finish=None, last_place=-1, rounds=turn.rounds + 1), made, (asked,))


def _model_ended(turn: Turn, signal: ModelEnded) -> Step:
    match turn.finish:
        case None:
            return _fail(turn, Broken("server_error", "The model's answer broke off."))
        case "length":
            return _end(turn, [], status="incomplete", reason="max_output_tokens")
        case "content_filter":
            return _end(turn, [], status="incomplete", reason="content_filter")
        case _:
            turn, made = items.close(turn)
    turn, begun, effects = serving.run_queued(replace(turn, stage=Stage.TOOLS), signal.at)
    made += begun
    if effects:
        return Step(turn, made, effects)
    return _after_tools(turn, made, signal.at) if begun else _complete(turn, made, signal.at)


def _after_tools(turn: Turn, made: list[Event], at: int) -> Step:
    return _complete(turn, made, at) if turn.for_caller else _go_on(turn, made)


def _answered(turn: Turn, signal: ToolReturned | ToolsListed) -> Step:
    place = serving.place_of(turn, signal.item_id)
    if place is None:
        return Step(turn, ())
    if isinstance(signal, ToolsListed):
        turn, made = serving.listed(turn, place, signal)
        if signal.error is not None:
            return _fail(turn, Broken("server_error", signal.error), made)
        return _go_on(turn, made) if not turn.running else Step(turn, made)
    turn, made = serving.returned(turn, place, signal)
    return _after_tools(turn, made, signal.at) if not turn.running else Step(turn, made)


def _complete(turn: Turn, made: list[Event], at: int) -> Step:
    response = replace(_result(turn), status="completed", completed_at=at)
    return Step(_ended(turn, response), [*made, events.Completed(response=response)])


def _fail(turn: Turn, broken: Broken, made: Sequence[Event] = ()) -> Step:
    turn, closing = _closed(turn)
    error = ResponseError(code=broken.code, message=broken.message)
    response = replace(_result(turn), status="failed", error=error)
    return Step(_ended(turn, response), [*made, *closing, events.Failed(response=response)])


def _end(turn: Turn, made: Sequence[Event], *, status: str, reason: str | None = None) -> Step:
    turn, closing = _closed(turn)
    details = IncompleteDetails(reason=reason) if reason else None  # type: ignore[arg-type]
    response = replace(_result(turn), status=status, incomplete_details=details)
    return Step(_ended(turn, response), [*made, *closing, events.Incomplete(response=response)])


def _closed(turn: Turn) -> tuple[Turn, list[Event]]:
    """Close whatever is open or under way, as incomplete."""
    turn, made = _opened(turn)
    turn, closing = items.close(turn, "incomplete")
    turn, stopped = serving.stop(turn)
    return turn, [*made, *closing, *stopped]


def _result(turn: Turn) -> Response:
    usage = UNSET if turn.usage is None else turn.usage
    tier = turn.tier or turn.frame.response.service_tier
    return replace(turn.frame.response, output=list(turn.output), usage=usage, service_tier=tier)


def _ended(turn: Turn, response: Response) -> Turn:
    return replace(turn, stage=Stage.ENDED, response=response)


def _added(usage: ResponseUsage | None, spent: Spent) -> ResponseUsage:
    if usage is None:
        usage = ResponseUsage(input_tokens_details=InputDetails(), output_tokens_details=OutputDetails())
    read, wrote = usage.input_tokens_details, usage.output_tokens_details
    return ResponseUsage(
        input_tokens=usage.input_tokens + spent.input,
        input_tokens_details=InputDetails(
            cached_tokens=read.cached_tokens + spent.cached,
            cache_write_tokens=read.cache_write_tokens + spent.cache_written,
        ),
        output_tokens=usage.output_tokens + spent.output,
        output_tokens_details=OutputDetails(reasoning_tokens=wrote.reasoning_tokens + spent.reasoning),
        total_tokens=usage.total_tokens + spent.input + spent.output,
    )
