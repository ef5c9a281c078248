"""A turn as its events tell it: for whoever has to end it when nobody makes it any more."""

from collections.abc import Sequence

import msgspec
from msgspec import structs

from stackwright.engine.signals import Broken, Cancelled
from stackwright.engine.state import Frame, Offer, Open, OpenCall, OpenText, OpenThought, Stage, Turn
from stackwright.engine.step import step
from stackwright.wire import events
from stackwright.wire.client_tools import CustomToolCall, FunctionCall
from stackwright.wire.content import OutputText, Refusal
from stackwright.wire.events import Event
from stackwright.wire.items import Item, Message, Reasoning
from stackwright.wire.responses import Response
from stackwright.wire.server_tools import MCPCall

replace = structs.replace


def ended(begun: Response, told: Sequence[Event], signal: Broken | Cancelled) -> tuple[Response, list[Event]]:
    """End a turn that was told so far, and return the response as it is stored, and the numbered events that are left.

    Args:
        begun: The response as it began.
        told: Its events up to now, in order; none when nobody listens.
        signal: Why it ends.
    """
    turn, made, _ = step(_replayed(begun, told), signal)
    assert turn.response is not None
    for number, event in enumerate(made, told[-1].sequence_number + 1 if told else 0):
        event.sequence_number = number
    return turn.response, list(made)


def _replayed(begun: Response, told: Sequence[Event]) -> Turn:
    turn = Turn(frame=Frame(response=begun), stage=Stage.TOOLS)
    for event in told:
        match event:
            case events.OutputItemAdded():
                turn = _added(turn, event.output_index, event.item)
            case events.OutputItemDone():
                turn = _done(turn, event.output_index, event.item)
            case events.McpArgumentsDone() if isinstance(turn.open, OpenCall):
                turn = _spelled(turn, turn.open, event.arguments)
            case events.Delta() if turn.open is not None:
                turn = replace(turn, open=_grown(turn.open, event))
            case events.ContentPartAdded() | events.ContentPartDone() if isinstance(turn.open, OpenText):
                turn = replace(turn, open=_parted(turn.open, event))
            case _:
                pass
    return turn


def _added(turn: Turn, index: int, item: Item) -> Turn:
    match item:
        case Message():
            return replace(turn, open=OpenText(item.id, index, refusal=False))
        case Reasoning():
            return replace(turn, open=OpenThought(item.id, index))
        case FunctionCall():
            offer = Offer(kind="function", name=item.name, namespace=item.namespace)
            return replace(turn, open=OpenCall(item.id, index, 0, item.call_id, offer))
        case CustomToolCall():
            offer = Offer(kind="custom", name=item.name, namespace=item.namespace)
            return replace(turn, open=OpenCall(item.id, index, 0, item.call_id, offer))
        case MCPCall(approval_request_id=None):
            offer = Offer(kind="mcp", name=item.name, server=item.server_label)
            return replace(turn, open=OpenCall(item.id, index, 0, "", offer))
        case _:
            return replace(turn, output=(*turn.output, item), running=(*turn.running, index))


def _done(turn: Turn, index: int, item: Item) -> Turn:
    running = tuple(other for other in turn.running if other != index)
    queued = tuple(other for other in turn.queued if other != index)
    output = (*turn.output[:index], item, *turn.output[index + 1 :])
    still = None if turn.open is not None and turn.open.index == index else turn.open
    return replace(turn, open=still, output=output, running=running, queued=queued)


def _spelled(turn: Turn, opened: OpenCall, arguments: str) -> Turn:
    """Take the whole of a call of a tool that the server runs; it runs from now on."""
    server, name = opened.offer.server, opened.offer.name
    item = MCPCall(id=opened.item_id, server_label=server, name=name, arguments=arguments, status="in_progress")
    return replace(turn, open=None, output=(*turn.output, item), running=(*turn.running, opened.index))


def _grown(opened: Open, event: events.Delta) -> Open:
    grown = replace(opened, pieces=(opened.pieces, event.delta))
    if isinstance(grown, OpenText) and isinstance(event, events.TextDelta) and event.logprobs:
        return replace(grown, logprobs=(grown.logprobs, event.logprobs))
    return grown


def _parted(opened: OpenText, event: events.ContentPartAdded | events.ContentPartDone) -> OpenText:
    # A part that was read from JSON is a mapping.
    part = msgspec.convert(event.part, OutputText | Refusal)
    if isinstance(event, events.ContentPartAdded):
        return replace(opened, refusal=isinstance(part, Refusal))
    return replace(opened, whole=(*opened.whole, part), pieces=(), logprobs=())
