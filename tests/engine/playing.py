"""Turns played from scripts, and the response that a stream of events spells."""

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec import structs

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
from stackwright.engine.state import Approved, Effect, Frame, Offer, Turn
from stackwright.engine.step import step
from stackwright.wire import events
from stackwright.wire.content import OutputText, ReasoningText, Refusal
from stackwright.wire.events import Event
from stackwright.wire.items import FunctionCall, Item, MCPCall, Message, Reasoning
from stackwright.wire.responses import Reasoning as ReasoningConfig
from stackwright.wire.responses import Response, TextConfig

OFFERS = {
    "weather": Offer(kind="function", name="weather"),
    "crm__find": Offer(kind="function", name="find", namespace="crm"),
    "note": Offer(kind="custom", name="note"),
    "exec": Offer(kind="local_shell", name="exec"),
    "shell": Offer(kind="shell", name="shell"),
    "apply_patch": Offer(kind="apply_patch", name="apply_patch"),
    "docs__read": Offer(kind="mcp", name="read", server="docs"),
    "docs__burn": Offer(kind="mcp", name="burn", server="docs", approval=True),
}
ARGUMENTS = (
    '{"city":"Oslo"}',
    '{"input":"a note"}',
    '{"command":["ls"]}',
    '{"commands":["ls","pwd"]}',
    '{"operation":{"type":"delete_file","path":"a"}}',
    "{",
    "",
)


LOGPROBS = ({"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []},)


class Resolve:
    """A signal for whatever tool is at work, chosen when it is known."""

    def __init__(self, pick: int, *, fails: bool) -> None:
        self.pick, self.fails = pick, fails

    def __repr__(self) -> str:
        return f"Resolve({self.pick}, fails={self.fails})"

    def signal(self, turn: Turn) -> Signal | None:
        if not turn.running:
            return None
        item = turn.output[turn.running[self.pick % len(turn.running)]]
        if isinstance(item, MCPCall):
            error = {"type": "http_error", "code": 500, "message": "no"} if self.fails else None
            return ToolReturned(item.id, 9, None if self.fails else "done", error)
        return ToolsListed(item.id, (), "away" if self.fails else None, (("late", OFFERS["docs__read"]),))


texts = st.text(max_size=6)
calls = st.builds(
    Called,
    st.integers(0, 2),
    st.sampled_from(["", "call_a", "call_b"]),
    st.sampled_from(["", *OFFERS, "late", "unknown"]),
    st.sampled_from(ARGUMENTS),
)
signals: st.SearchStrategy[Signal | Resolve] = st.one_of(
    st.builds(
        Text, texts, st.sampled_from([(), ({"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []},)])
    ),
    st.builds(Refused, texts),
    st.builds(Thought, texts),
    calls,
    calls,
    st.builds(Spent, st.integers(0, 9), st.integers(0, 9)),
    st.builds(Served, st.sampled_from(["default", "flex"])),
    st.builds(Finished, st.sampled_from(["stop", "length", "tool_calls", "content_filter"])),
    st.builds(ModelEnded, st.just(7)),
    st.builds(Resolve, st.integers(0, 3), fails=st.booleans()),
    st.builds(Resolve, st.integers(0, 3), fails=st.booleans()),
    st.builds(Broken, st.just("server_error"), texts),
    st.just(Cancelled()),
    st.just(Start()),
)
FITTING = (("weather", 0), ("crm__find", 0), ("note", 1), ("exec", 2), ("shell", 3), ("apply_patch", 4))
SERVED = (("docs__read", 0), ("docs__read", 0), ("docs__burn", 0), ("late", 0))


@st.composite
def answers(draw: st.DrawFn) -> list[Signal | Resolve]:
    """Return a whole answer of a model that makes sense, and tools that come back after it."""
    said: list[Signal | Resolve] = list(
        draw(st.lists(st.builds(Thought, texts) | st.builds(Text, texts) | st.builds(Refused, texts), max_size=5))
    )
    offered = SERVED if draw(st.booleans()) else FITTING
    for place, (name, form) in enumerate(draw(st.lists(st.sampled_from(offered), max_size=3))):
        arguments = ARGUMENTS[form]
        cut = draw(st.integers(0, len(arguments)))
        said.append(Called(place, f"call_{place}", name, arguments[:cut]))
        said.append(Called(place, arguments=arguments[cut:]))
    said.append(Spent(draw(st.integers(0, 9)), draw(st.integers(0, 9))))
    said.append(Finished(draw(st.sampled_from(["stop", "stop", "tool_calls", "tool_calls", "length"]))))
    said.append(ModelEnded(7))
    return said + [Resolve(pick, fails=draw(st.booleans())) for pick in range(4)]


def _sensible(prelude: list[Any], rounds: list[list[Any]]) -> list[Any]:
    return [*prelude, *(one for said in rounds for one in said)]


unharmed = signals.filter(lambda one: not isinstance(one, Broken | Cancelled))
sensible = st.builds(
    _sensible,
    st.lists(st.builds(Resolve, st.integers(0, 3), fails=st.booleans()), min_size=4, max_size=4),
    st.lists(answers(), min_size=1, max_size=4),
)
scripts = sensible | sensible | st.lists(unharmed, max_size=30) | st.lists(signals, max_size=30)


def response(**settings: Any) -> Response:
    """Return a response that begins."""
    return Response(
        id="resp_" + "0" * 48,
        created_at=1,
        status="in_progress",
        model="m",
        reasoning=ReasoningConfig(),
        text=TextConfig(),
        tools=[],
        metadata={},
        output=[],
        **settings,
    )


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    """Return new turns with all sorts of things to do first."""
    approved = [Approved(request_id="mcpr_1", server="docs", name="burn", arguments="{}")]
    frame = Frame(
        response=response(
            max_output_tokens=draw(st.sampled_from([None, 16])), max_tool_calls=draw(st.sampled_from([None, 1]))
        ),
        servers=draw(st.sampled_from([(), ("docs",), ("docs", "web")])),
        approved=draw(st.sampled_from([(), tuple(approved)])),
    )
    return Turn(frame=frame, offers=OFFERS)


def play(turn: Turn, script: Iterable[Signal | Resolve]) -> tuple[Turn, list[Event], list[Effect]]:
    """Start a turn and tell it everything; it may not have ended then."""
    made: list[Event] = []
    effects: list[Effect] = []
    for one in (Start(), *script):
        signal = one.signal(turn) if isinstance(one, Resolve) else one
        if signal is not None:
            turn, some, more = step(turn, signal)
            made += some
            effects += more
    return turn, made, effects


def play_out(turn: Turn, script: Iterable[Signal | Resolve]) -> tuple[Turn, list[Event]]:
    """Play to an end: what has not ended breaks off."""
    turn, made, _ = play(turn, [*script, Broken("server_error", "The script is over.")])
    return turn, made


class Fold:
    """Builds items out of what the events say, piece by piece."""

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self.ids: dict[str, int] = {}
        self.response: Response | None = None

    def take(self, made: Sequence[Event]) -> Response:
        """Return the response that a whole stream spells."""
        for event in made:
            self._take(event)
        assert self.response is not None
        return self.response

    def _take(self, event: Event) -> None:
        match event:
            case events.Completed() | events.Failed() | events.Incomplete():
                output = [self.items[index] for index in sorted(self.items)]
                self.response = structs.replace(event.response, output=output)
            case events.OutputItemAdded():
                assert event.output_index not in self.items
                self.items[event.output_index] = structs.replace(event.item)
                self.ids[event.item.id] = event.output_index
            case events.OutputItemDone():
                self._agree(self.items[event.output_index], event.item)
                self.items[event.output_index] = event.item
            case events.ContentPartAdded():
                item = self._item(event)
                parts = list(getattr(item, "content", None) or [])
                assert len(parts) == event.content_index
                self.items[event.output_index] = structs.replace(item, content=[*parts, structs.replace(event.part)])
            case _:
                self._grow(event)

    def _item(self, event: Any) -> Item:
        assert self.ids[event.item_id] == event.output_index
        return self.items[event.output_index]

    def _grow(self, event: Event) -> None:
        match event:
            case events.TextDelta():
                part = self._part(event, OutputText)
                part.text += event.delta
                part.logprobs = [*part.logprobs, *event.logprobs]
            case events.TextDone():
                assert (self._part(event, OutputText).text, self._part(event, OutputText).logprobs) == (
                    event.text,
                    list(event.logprobs),
                )
            case events.RefusalDelta():
                self._part(event, Refusal).refusal += event.delta
            case events.RefusalDone():
                assert self._part(event, Refusal).refusal == event.refusal
            case events.ReasoningDelta():
                self._part(event, ReasoningText).text += event.delta
            case events.ReasoningDone():
                assert self._part(event, ReasoningText).text == event.text
            case events.ArgumentsDelta() | events.McpArgumentsDelta():
                self._item(event).arguments += event.delta  # type: ignore[union-attr]
            case events.ArgumentsDone() | events.McpArgumentsDone():
                self._item(event).arguments = event.arguments  # type: ignore[union-attr]
            case events.CustomInputDelta():
                self._item(event).input += event.delta  # type: ignore[union-attr]
            case events.CustomInputDone():
                assert self._item(event).input == event.input  # type: ignore[union-attr]
            case _:
                pass

    def _part(self, event: Any, kind: type[Any]) -> Any:
        part = self._item(event).content[event.content_index]  # type: ignore[union-attr,index]
        assert isinstance(part, kind)
        return part

    @staticmethod
    def _agree(grown: Item, done: Item) -> None:
        """What the pieces spell is what the closed item says, but for its status and what a tool brought."""
        match done:
            case Message() | FunctionCall():
                assert structs.replace(grown, status=done.status) == done
            case Reasoning():
                assert isinstance(grown, Reasoning)
                assert grown.content == done.content
            case MCPCall():
                assert isinstance(grown, MCPCall)
                assert grown.arguments == done.arguments
            case _:
                assert grown.id == done.id
