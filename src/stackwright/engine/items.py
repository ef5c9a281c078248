"""Output items as they open, grow and close."""

from msgspec import structs

from stackwright.engine import calls
from stackwright.engine.signals import Called, Refused, Text, Thought
from stackwright.engine.state import Offer, OpenCall, OpenText, OpenThought, Turn, joined, listed
from stackwright.wire import events
from stackwright.wire.content import OutputText, ReasoningText, Refusal
from stackwright.wire.events import Event
from stackwright.wire.item import Status
from stackwright.wire.items import Item, Message, Reasoning

Grown = tuple[Turn, list[Event]]

replace = structs.replace


def item_id(turn: Turn, prefix: str, index: int) -> str:
    """Return the id of an output item. It follows from the response's, so that a turn can be played again."""
    return f"{prefix}{turn.frame.response.id.removeprefix('resp_')[:44]}{index:04x}"


def say(turn: Turn, said: Text) -> Grown:
    """Add to the answer."""
    if not said.text:
        return turn, []
    made: list[Event] = []
    if not (isinstance(turn.open, OpenText) and not turn.open.refusal):
        turn, made = _open_text(turn, refusal=False)
    opened = turn.open
    assert isinstance(opened, OpenText)
    logprobs = (opened.logprobs, said.logprobs) if said.logprobs else opened.logprobs
    grown = replace(opened, pieces=(opened.pieces, said.text), logprobs=logprobs)
    delta = events.TextDelta(
        item_id=opened.item_id,
        output_index=opened.index,
        content_index=len(opened.whole),
        delta=said.text,
        logprobs=list(said.logprobs),
    )
    return replace(turn, open=grown), [*made, delta] if made else [delta]


def refuse(turn: Turn, said: Refused) -> Grown:
    """Add to the refusal."""
    if not said.text:
        return turn, []
    made: list[Event] = []
    if not (isinstance(turn.open, OpenText) and turn.open.refusal):
        turn, made = _open_text(turn, refusal=True)
    opened = turn.open
    assert isinstance(opened, OpenText)
    delta = events.RefusalDelta(
        item_id=opened.item_id, output_index=opened.index, content_index=len(opened.whole), delta=said.text
    )
    return replace(turn, open=replace(opened, pieces=(opened.pieces, said.text))), [*made, delta]


def think(turn: Turn, said: Thought) -> Grown:
    """Add to the reasoning."""
    if not said.text:
        return turn, []
    made: list[Event] = []
    if not isinstance(turn.open, OpenThought):
        turn, made = _open_thought(turn)
    opened = turn.open
    assert isinstance(opened, OpenThought)
    delta = events.ReasoningDelta(item_id=opened.item_id, output_index=opened.index, content_index=0, delta=said.text)
    return replace(turn, open=replace(opened, pieces=(opened.pieces, said.text))), [*made, delta]


def call(turn: Turn, said: Called) -> Grown:
    """Add to a call; one with a new id, or at a new place, closes what was open and opens another."""
    made: list[Event] = []
    if not _continues(turn, said):
        turn, made = _open_call(turn, said)
    opened = turn.open
    assert isinstance(opened, OpenCall)
    if said.arguments:
        turn = replace(turn, open=replace(opened, pieces=(opened.pieces, said.arguments)))
        made += calls.delta(opened, said.arguments)
    return turn, made


def strays(turn: Turn, said: Called) -> bool:
    """True for a piece of a call that is closed already, or that has no name."""
    return not _continues(turn, said) and (not said.name or said.place < turn.last_place)


def close(turn: Turn, status: Status = "completed") -> Grown:
    """Close what is open, if anything is.

    Raises:
        calls.Unreadable: It is a call that the model did not spell as its tool wants it.
    """
    match turn.open:
        case None:
            return turn, []
        case OpenText() as opened:
            return _close_text(turn, opened, status)
        case OpenThought() as opened:
            return _close_thought(turn, opened, status)
        case OpenCall() as opened:
            return calls.close(turn, opened, status)


def _continues(turn: Turn, said: Called) -> bool:
    opened = turn.open
    if not isinstance(opened, OpenCall) or opened.place != said.place:
        return False
    # Some vendors give every call of an answer the same place.
    return not (said.name and said.id and said.id != opened.call_id)


def _open_text(turn: Turn, *, refusal: bool) -> Grown:
    """Open a part: of the message that is open, or of a new one."""
    if isinstance(turn.open, OpenText):
        opened, made = _close_part(turn.open)
    else:
        turn, made = close(turn)
        index = len(turn.output)
        opened = OpenText(item_id(turn, "msg_", index), index, refusal)
        message = Message(id=opened.item_id, role="assistant", content=[], status="in_progress")
        made.append(events.OutputItemAdded(output_index=index, item=message))
    part = Refusal(refusal="") if refusal else OutputText(text="")
    made.append(
        events.ContentPartAdded(
            item_id=opened.item_id, output_index=opened.index, content_index=len(opened.whole), part=part
        )
    )
    return replace(turn, open=replace(opened, refusal=refusal)), made


def _close_part(opened: OpenText) -> tuple[OpenText, list[Event]]:
    text, index = joined(opened.pieces), len(opened.whole)
    where = {"item_id": opened.item_id, "output_index": opened.index, "content_index": index}
    part: OutputText | Refusal
    done: Event
    if opened.refusal:
        part, done = Refusal(refusal=text), events.RefusalDone(**where, refusal=text)  # type: ignore[arg-type]
    else:
        logprobs = [one for some in listed(opened.logprobs) for one in some]
        part = OutputText(text=text, logprobs=logprobs)
        done = events.TextDone(**where, text=text, logprobs=logprobs)  # type: ignore[arg-type]
    whole = OpenText(opened.item_id, opened.index, opened.refusal, (*opened.whole, part))
    return whole, [done, events.ContentPartDone(**where, part=part)]  # type: ignore[arg-type]


def _close_text(turn: Turn, opened: OpenText, status: Status) -> Grown:
    opened, made = _close_part(opened)
    message = Message(id=opened.item_id, role="assistant", content=list(opened.whole), status=status)
    return _closed(turn, message, made)


def _open_thought(turn: Turn) -> Grown:
    turn, made = close(turn)
    opened = OpenThought(item_id(turn, "rs_", len(turn.output)), len(turn.output))
    item = Reasoning(id=opened.item_id, status="in_progress")
    made.append(events.OutputItemAdded(output_index=opened.index, item=item))
    made.append(
        events.ContentPartAdded(
            item_id=opened.item_id, output_index=opened.index, content_index=0, part=ReasoningText(text="")
        )
    )
    return replace(turn, open=opened), made


def _close_thought(turn: Turn, opened: OpenThought, status: Status) -> Grown:
    text = joined(opened.pieces)
    part = ReasoningText(text=text)
    made: list[Event] = [
        events.ReasoningDone(item_id=opened.item_id, output_index=opened.index, content_index=0, text=text),
        events.ContentPartDone(item_id=opened.item_id, output_index=opened.index, content_index=0, part=part),
    ]
    seal = turn.frame.seal
    item = Reasoning(id=opened.item_id, content=[part], encrypted_content=seal(text) if seal else None, status=status)
    return _closed(turn, item, made)


def _open_call(turn: Turn, said: Called) -> Grown:
    turn, made = close(turn)
    index = len(turn.output)
    # A function that nobody offered is the caller's to wonder about.
    offer = turn.offers.get(said.name) or Offer(kind="function", name=said.name)
    opened = OpenCall(
        item_id(turn, calls.prefix(offer), index), index, said.place, said.id or item_id(turn, "call_", index), offer
    )
    return replace(turn, open=opened, last_place=said.place), made + calls.opening(opened)


def _closed(turn: Turn, item: Item, made: list[Event]) -> Grown:
    made.append(events.OutputItemDone(output_index=len(turn.output), item=item))
    return replace(turn, open=None, output=(*turn.output, item)), made
