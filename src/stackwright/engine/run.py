"""Running a turn: performs effects, applies signals one at a time, numbers events.

`Run.events` is what every sink reads: a stream sends the events, a blocking call drops them, a journal keeps them. A
sink that stops reading stops the turn, and the vendor's connection with it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from stackwright.engine.ports import Model, Tools
from stackwright.engine.signals import Broken, Cancelled, Signal, Start
from stackwright.engine.state import AskModel, Effect, ListTools, Stage, Turn
from stackwright.engine.step import step
from stackwright.errors import InvalidRequest, RateLimited, StackwrightError
from stackwright.wire.events import Event
from stackwright.wire.responses import Response


class Run:
    """One turn being run."""

    def __init__(self, turn: Turn, model: Model, tools: Tools) -> None:
        self.turn = turn
        self._model = model
        self._tools = tools
        self._effects: list[Effect] = []
        self._held: list[Event] = []
        self._number = 0
        self.published = False
        """Whether any events were handed out."""

    @property
    def ended(self) -> bool:
        """True when the response is whole."""
        return self.turn.stage is Stage.ENDED

    @property
    def response(self) -> Response:
        """The response as it is stored. Only when the turn has ended."""
        assert self.turn.response is not None
        return self.turn.response

    async def events(self) -> AsyncGenerator[list[Event], None]:
        """Run the turn; yields numbered events as they come, those that came together as one batch.

        Raises:
            StackwrightError: The model refused before anything was said. Nothing was yielded then, and it can be told
                as the failure of the whole request.
        """
        self._held = self._take([Start()])
        async with aclosing(self._tools):
            while self._effects:
                effects, self._effects = self._effects, []
                if self._held and not isinstance(effects[0], AskModel):
                    # Tools are slow, and their failures are told as events.
                    self.published = True
                    yield self._released([])
                try:
                    async with self._performed(effects) as batches:
                        async for signals in batches:
                            made = self._released(self._take(signals))
                            self.published = True
                            if made:
                                yield made
                            if self.ended:
                                return
                except StackwrightError as error:
                    if not self.published:
                        raise
                    if made := self.fail(error):
                        yield made

    def cancel(self) -> list[Event]:
        """End the turn where it stands. Returns the events that say so, for those who still listen."""
        return self._released(self._take([Cancelled()]))

    def fail(self, error: StackwrightError) -> list[Event]:
        """End the turn with a failure. Returns the events that say so."""
        return self._released(self._take([broken(error)]))

    def _released(self, made: list[Event]) -> list[Event]:
        """Return what the beginning held back, and then these."""
        if self._held:
            made, self._held = self._held + made, []
        return made

    def _take(self, signals: Sequence[Signal]) -> list[Event]:
        """Apply signals and return the numbered events they make."""
        events: list[Event] = []
        turn, number = self.turn, self._number
        for signal in signals:
            turn, made, effects = step(turn, signal)
            for event in made:
                event.sequence_number = number
                number += 1
                events.append(event)
            if effects:
                self._effects += effects
        self.turn, self._number = turn, number
        return events

    def _performed(self, effects: Sequence[Effect]) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Signal]]]:
        # No generator of ours stands between the model and the turn: every piece of every answer would pass it.
        match effects:
            case [AskModel() as effect]:
                return self._model.ask(effect)
            case _:
                return aclosing(_as_they_come([self._answer(effect) for effect in effects]))

    async def _answer(self, effect: Effect) -> Signal:
        assert not isinstance(effect, AskModel), "the model is asked when no tool is at work"
        return await (self._tools.list(effect) if isinstance(effect, ListTools) else self._tools.run(effect))


async def _as_they_come(work: Sequence[Coroutine[Any, Any, Signal]]) -> AsyncGenerator[Sequence[Signal], None]:
    """Do everything at once and yield the results in the order in which they come, each by itself."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        for done in asyncio.as_completed(tasks):
            yield [await done]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def broken(error: StackwrightError) -> Broken:
    """Return what a failure means to a response: its codes are OpenAI's few."""
    match error:
        case RateLimited():
            code = "rate_limit_exceeded"
        case InvalidRequest():
            code = "invalid_prompt"
        case _:
            code = "server_error"
    return Broken(code, error.told)
